"""Where an entry's life seems to end without being removed: the places where the removal may be missing."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

import attrs

from leakdiff.model.code import CodeSite, Moves, NameKind
from leakdiff.model.heap import Site
from leakdiff.source.calls import Calls, Place
from leakdiff.source.counterparts import End
from leakdiff.source.handed import Handed, names_in
from leakdiff.source.mutations import Operation
from leakdiff.source.names import Reference
from leakdiff.source.pages import Page
from leakdiff.source.places import Where
from leakdiff.source.promised import not_kept, promised
from leakdiff.source.rebinding import is_empty
from leakdiff.source.trees import FunctionDef, Tree, first_argument
from leakdiff.source.unpaired import unpaired
from leakdiff.source_files import is_of_stdlib, is_users_file

_MOST = 3
_MOST_PUTS = 4
_READS, _WALKS, _SHARED = 2.5, 4.5, 1.0
_AGREE = 0.5  # by how much a second ground makes a place more likely
_LEAST_SURE = 3.0  # a place that is less likely than this is not worth a look where a removal is known
_WORTH = 1.5  # places that are less likely than the first by more than this are not worth a look
_LENDERS = ("get", "__getitem__")
_WALKERS = ("values", "items", "keys")


def find_ends(
    pages: Sequence[Page], where: Where, puts: Sequence[CodeSite], gones: Sequence[CodeSite]
) -> list[CodeSite]:
    """Return places where an entry's life seems to end and that do not remove it, most likely first.

    Args:
        pages: What the files do to the owner.
        where: What is known of all the files.
        puts: Lines that put entries in.
        gones: Lines that take entries out; where one surely does and always runs there is nothing to return.
    """
    if where.home.kind is NameKind.CACHE:
        return []
    calls = Calls(where.shelf)
    is_promised = any(
        promised(calls, page.tree.function(gone.node), page.tree) for page in pages for gone in page.gones
    )
    single = list(
        unpaired(
            calls,
            _functions_of((page.tree, put) for page in pages for put in page.puts),
            _functions_of((page.tree, gone) for page in pages for gone in page.gones),
        )
    )
    if _is_removed(puts, gones, is_promised=is_promised or bool(single)):
        return []
    taken = {(gone.site.file, gone.site.function) for gone in gones if gone.is_sure and gone.site.function}
    found = (end for end in (*single, *_candidates(pages, where, calls)) if _named(end) not in taken)
    untaken = [end for end in found if not taken or end.rank < _LEAST_SURE]
    return [_site(end, where) for end in _best(untaken, pages)][: 1 if taken else _MOST]


def _functions_of(operations: Iterable[tuple[Tree, Operation]]) -> list[Place]:
    """Return the functions, each once, in which what surely is of the owner stands."""
    found = ((tree, tree.function(one.node)) for tree, one in operations if one.ref.is_sure)
    return list(dict.fromkeys(Place(tree, function) for tree, function in found if function is not None))


def _is_removed(puts: Sequence[CodeSite], gones: Sequence[CodeSite], *, is_promised: bool) -> bool:
    """Tell whether a removal surely runs for every entry, as far as was seen, else as far as the source says."""
    put = sum(site.per_unit or 0.0 for site in puts)
    if put and any(gone.per_unit is not None for gone in gones):
        return -sum(gone.per_unit or 0.0 for gone in gones) >= put
    return not is_promised and any(gone.is_sure and not gone.only and gone.per_unit != 0 for gone in gones)


def _candidates(pages: Sequence[Page], where: Where, calls: Calls) -> Iterator[End]:
    handed = Handed(calls)
    for tree, put in _puts(pages, where.moves):
        yield from handed.ends(tree, put)
        yield from _made_by_class(tree, put)
    for page in pages:
        yield from _readers(page, where.home.below, handed)
        for gone in page.gones:
            for calling in promised(calls, page.tree.function(gone.node), page.tree):
                yield from not_kept(calls, calling)


def _puts(pages: Sequence[Page], moves: Sequence[Moves]) -> list[tuple[Tree, Operation]]:
    """Return the puts to follow: those seen to run, else those that surely are, else all."""
    every = [(page.tree, put) for page in pages for put in page.puts]
    seen = [(tree, put) for tree, put in every if _was_seen(tree, put, moves)]
    sure = [(tree, put) for tree, put in every if put.ref.is_sure]
    functions = {function.name for tree, put in seen if (function := tree.function(put.node)) is not None}
    called = [(tree, put) for tree, put in sure if isinstance(put.node, ast.Attribute) and put.node.attr in functions]
    return ([*seen, *called] or sure or every)[:_MOST_PUTS]


def _was_seen(tree: Tree, put: Operation, moves: Sequence[Moves]) -> bool:
    first, last = tree.lines_of(put.node)
    return any(move.file == tree.file and first <= move.line <= last and move.put > 0 for move in moves)


# -- a container that all instances share ----------------------------------------------------------


def _made_by_class(tree: Tree, put: Operation) -> Iterator[End]:
    """Yield the initialiser of a class that makes one container for all its instances, which put into it."""
    node, cls = put.ref.node, tree.class_of(put.node)
    first = first_argument(tree.method(put.node))
    if cls is None or not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return
    if node.value.id != first or not any(_makes(statement, node.attr) for statement in cls.body):
        return
    for made in cls.body:
        if isinstance(made, FunctionDef) and made.name == "__init__":
            how = f"does not make `{node.attr}` for each instance: the class has one for all"
            yield End(Place(tree, made), made, how, _SHARED, "class")


def _makes(statement: ast.stmt, name: str) -> bool:
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=target)], value=value)
            | ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value)
        ):
            return target == name and is_empty(value) and not isinstance(value, ast.Constant)
    return False


# -- who reads it ----------------------------------------------------------------------------------


def _readers(page: Page, below: int, handed: Handed) -> Iterator[End]:
    """Yield functions that get an entry, or walk over all, and leave them where they are."""
    changing = {page.tree.function(one.node) for one in (*page.puts, *page.gones)}
    for ref in page.refs.values():
        function = page.tree.function(ref.node)
        if function is None or function in changing or ref.depth != below or is_of_stdlib(page.tree.file):
            continue
        for node, how, rank in _reading(page.tree, ref):
            place = Place(page.tree, function)
            yield End(place, node, how, rank, "reads")
            loop = page.tree.statement(ref.node)
            if isinstance(loop, (ast.For, ast.AsyncFor)):
                yield from handed.read(place, names_in(place, loop.target), loop.iter)


def _reading(tree: Tree, ref: Reference) -> Iterator[tuple[ast.AST, str, float]]:
    around = tree.around.get(ref.node)
    match around.parent if around is not None else None:
        case ast.Subscript(ctx=ast.Load(), slice=key) as item if around and around.field == "value":
            if not isinstance(key, ast.Slice):
                yield item, "gets the entry and leaves it", _READS
        case ast.Attribute(attr=method) as attribute if isinstance(tree.parent(attribute), ast.Call):
            if method in _LENDERS:
                yield attribute, "gets the entry and leaves it", _READS
            elif method in _WALKERS:
                yield attribute, "walks over the entries and leaves them", _WALKS
        case ast.For(iter=walked) | ast.AsyncFor(iter=walked) | ast.comprehension(iter=walked) if walked is ref.node:
            yield ref.node, "walks over the entries and leaves them", _WALKS


# -- the most likely -------------------------------------------------------------------------------


def _best(found: Iterable[End], pages: Sequence[Page]) -> list[End]:
    """Return the most likely place in each function, where more than one ground makes it likelier."""
    putting = {page.tree.function(put.node) for page in pages for put in page.puts}
    by_function: dict[tuple[str, int], list[End]] = {}
    for end in found:
        if end.place.function in putting and end.ground in {"flow", "reads"}:
            continue
        by_function.setdefault((end.place.tree.file, end.place.function.lineno), []).append(end)
    best = sorted((_joined(ends) for ends in by_function.values()), key=lambda end: end.rank)
    own = [end for end in best if is_users_file(end.place.tree.file)]
    best = own or [end for end in best if not is_of_stdlib(end.place.tree.file)]
    rest = [end for end in best if end.ground == "rest"]
    best = [end for end in best if end not in rest[1:]]
    return [end for end in best if end.rank <= best[0].rank + _WORTH]


def _joined(ends: list[End]) -> End:
    first = min(ends, key=lambda end: end.rank)
    grounds = {end.ground for end in ends}
    return attrs.evolve(first, rank=first.rank - _AGREE * (len(grounds) - 1))


def _named(end: End) -> tuple[str, str]:
    return end.place.tree.file, end.place.tree.qualname(end.place.function).replace("<locals>.", "")


def _site(end: End, where: Where) -> CodeSite:
    line = int(getattr(end.node, "end_lineno", 0) or 0)
    if end.node is end.place.function:
        line = end.place.function.lineno
    file, named = _named(end)
    return CodeSite(Site(file, line, named, where.shelf.files.line(file, line)), end.how)
