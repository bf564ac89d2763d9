"""The code behind an owner: the lines that put entries in, those that take them out, and when they run."""

from __future__ import annotations

from collections.abc import Sequence

from leakdiff.model.code import Code, CodeSite, Home, Moves, NameKind, half_of_pair
from leakdiff.model.heap import Bound
from leakdiff.source.callers import Callers
from leakdiff.source.ends import find_ends
from leakdiff.source.limits import Limits
from leakdiff.source.made import find_made
from leakdiff.source.names import plain_attribute
from leakdiff.source.pages import Page, gather, read_pages
from leakdiff.source.places import Where
from leakdiff.source.seen import CALL, UNREACHED, Seen
from leakdiff.source.shelf import Shelf, fill_shelf
from leakdiff.source.summary import summarise

_MOST_SITES = 40
_TOO_DEEP = "its source is nested too deeply to be read"


def read_code(home: Home, moves: Sequence[Moves] = ()) -> Code:
    """Return the lines that put entries into an owner and those that take them out, each with when it runs.

    Args:
        home: Where code names the owner.
        moves: Lines that were seen to change its length; they come first, and those the source does not show are
            added.
    """
    try:
        return _read(home, moves)
    except RecursionError:
        return Code(summary=_TOO_DEEP, missing=_TOO_DEEP)


def _read(home: Home, moves: Sequence[Moves]) -> Code:
    name = plain_attribute(home.name) if home.kind is not NameKind.GLOBAL else home.name
    shelf = fill_shelf(home, name) if name else Shelf()
    known = gather(shelf, home, name)
    pages = list(read_pages(shelf, known))
    putting = (page.tree.function(put.node) for page in pages for put in page.puts)
    names = frozenset(function.name for function in putting if function is not None)
    receivers = known.instances | {name.rpartition(".")[2] for name in known.classes}
    where = Where(home, shelf, moves, Callers(shelf, names, receivers))
    return _code(pages, where, Seen(moves, shelf.files))


def _code(pages: Sequence[Page], where: Where, seen: Seen) -> Code:
    puts = seen.joined((found for page in pages for found in where.puts(page)), is_gone=False)
    gones = seen.joined((found for page in pages for found in where.gones(page)), is_gone=True)
    taken = [found.site for found in gones if not found.role]
    never = [found.site for found in gones if found.role == UNREACHED]
    missing = where.missing if not where.shelf.trees or not (puts or gones) else ""
    counted = [found.site for found in puts if not found.role] or [found.site for found in puts]
    # Whoever calls a cached function fills the cache: that is seen, and is no insert of its own.
    inserts = [site for site in counted if where.home.kind is not NameKind.CACHE or site.how != CALL]
    ends = () if missing else find_ends(pages, where, counted, taken)
    said = summarise(inserts, taken, where.text, never) + _half_called(ends)
    return Code(
        puts=tuple(found.site for found in puts)[:_MOST_SITES],
        gones=tuple(found.site for found in gones)[:_MOST_SITES],
        summary=missing or said + where.cut,
        bound=_bound(pages, where),
        missing=missing,
        made=tuple(find_made(pages, where.home, where.shelf)),
        misses=tuple(ends),
    )


def _half_called(ends: Sequence[CodeSite]) -> str:
    """Say which function calls what puts and never what removes."""
    found = next((end for end in ends if half_of_pair(end) != ("", "")), None)
    return f"; {found.site.function} {found.how} (line {found.site.line})" if found is not None else ""


def _bound(pages: Sequence[Page], where: Where) -> Bound | None:
    """Return the limit that the code keeps the owner at: every file that puts must keep to one."""
    bounds = []
    for page in pages:
        if page.sure_puts:
            gones = [gone for gone in page.gones if not where.unreached(page, gone)]
            bounds.append(Limits(page.tree, page.refs, where.home.below, page.sure_puts, gones).bound())
    known = [bound for bound in bounds if bound is not None]
    return max(known, key=lambda bound: bound.limit) if known and len(known) == len(bounds) else None
