"""What was seen at run time, joined with what the source says."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Sequence

import attrs

from leakdiff.model.code import CodeSite, Moves
from leakdiff.model.heap import Site
from leakdiff.source.words import GONES, PUTS
from leakdiff.source_files import SourceFiles, is_of_stdlib, is_own_file, parse

UNREACHED, CALL = "unreached", "call"
CALLBACK = "as a callback"
_ROLES = ("", CALL, UNREACHED)  # in the order they are shown
_LEAST_SHARE = 0.05  # of all puts, from which on a line that was seen to put is one of the lines to show


@attrs.frozen
class Found:
    """A line at which the source changes the owner.

    Attributes:
        site: The line.
        first: The first line of its statement.
        last: The last line of it.
        role: ``UNREACHED`` where nobody calls the function it is in, ``CALL`` where it calls the one that does it.
    """

    site: CodeSite
    first: int
    last: int
    role: str = ""


@attrs.frozen
class Seen:
    """The lines that were seen to change the owner's length.

    Attributes:
        moves: What they did.
        files: Reads their source.
    """

    moves: Sequence[Moves]
    files: SourceFiles

    def joined(self, found: Iterable[Found], *, is_gone: bool) -> tuple[Found, ...]:
        """Return lines with what they were seen to do, those that did most first, and those only seen among them.

        Args:
            found: The lines that the source was found to do it at.
            is_gone: Whether they take entries out.
        """
        found = list(found)
        amounts = [(move, move.gone if is_gone else move.put) for move in self.moves]
        amounts = [(move, amount) for move, amount in amounts if amount > 0 and not is_own_file(move.file)]
        least = _LEAST_SHARE * sum(amount for _, amount in amounts)
        joined = [self._measured(one, amounts, -1 if is_gone else 1) for one in found]
        is_known = any(one.site.is_sure and not one.role for one in found)
        for move, amount in amounts:
            # While a thread waits in the standard library, another one may do it: its own lines are not measured.
            is_doubtful = is_known and is_of_stdlib(move.file)
            if amount >= least and not is_doubtful and not any(_is_at(one, move) for one in found):
                joined.append(self._only_seen(move, -amount if is_gone else amount, is_gone=is_gone))
        return tuple(sorted(joined, key=_rank))

    def _measured(self, one: Found, amounts: Sequence[tuple[Moves, float]], sign: int) -> Found:
        here = [amount for move, amount in amounts if _is_at(one, move)]
        is_elsewhere = one.role == CALL or one.site.how.endswith(CALLBACK)  # it runs where it is called
        if not here and (is_elsewhere or not self._was_watched(one.site.site.file)):
            return one
        is_sure = one.site.is_sure or bool(here)  # it did change this owner
        site = attrs.evolve(one.site, per_unit=sign * sum(here) if here else 0.0, is_sure=is_sure)
        return attrs.evolve(one, site=site, role="" if here and one.role == UNREACHED else one.role)

    def _was_watched(self, path: str) -> bool:
        """Tell whether the lines of a file were measured: at least those beside what was seen to move something."""
        return any(os.path.dirname(move.file) == os.path.dirname(path) for move in self.moves)  # noqa: PTH120

    def _only_seen(self, move: Moves, per_unit: float, *, is_gone: bool) -> Found:
        text = self.files.line(move.file, move.line)
        site = Site(move.file, move.line, self.files.function_at(move.file, move.line), text)
        seen = CodeSite(site, how=_how(text, is_gone=is_gone), per_unit=per_unit)
        return Found(seen, move.line, move.line)


def _rank(found: Found) -> tuple[float, int, bool]:
    """Order lines: those that did most, those that surely do it, in the order of the source."""
    return -abs(found.site.per_unit or 0.0), _ROLES.index(found.role), not found.site.is_sure


def _is_at(one: Found, move: Moves) -> bool:
    return one.site.site.file == move.file and one.first <= move.line <= one.last


def _how(text: str, *, is_gone: bool) -> str:
    """Say what a line does as far as the line alone tells."""
    tree = parse(text) or parse(f"{text} pass") or parse(f"if {text} pass")
    known = GONES if is_gone else PUTS
    return next(_operations(tree, known), "call") if tree is not None else "call"


def _operations(tree: ast.Module, known: frozenset[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in known:
                yield name
            case ast.Delete() if known is GONES:
                yield "del"
            case ast.Assign(targets=[ast.Subscript()]) if known is PUTS:
                yield "[key] ="
