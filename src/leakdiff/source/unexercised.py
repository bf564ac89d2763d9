"""Parts of functions that never ran although the functions did, each with its condition."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from leakdiff.model.soak import NeverRan, Ran
from leakdiff.source.conditions import clip, condition, jumps_in, opposite, text_of
from leakdiff.source.trees import FunctionDef, Tree, grow_tree
from leakdiff.source_files import SourceFiles

_LEAVES = {ast.Return: "returns", ast.Raise: "raises", ast.Continue: "goes on", ast.Break: "breaks"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = ("body", "orelse", "finalbody")


def unexercised(functions: Sequence[Ran]) -> tuple[NeverRan, ...]:
    """Return the parts that never ran, by file and line."""
    files = SourceFiles()
    found: set[NeverRan] = set()
    for path in sorted({function.file for function in functions}):
        root = files.tree(path)
        if root is not None:
            tree = grow_tree("", path, root)
            found.update(_in_file(tree, [function for function in functions if function.file == path]))
    return tuple(sorted(found, key=lambda part: (part.file, part.first, part.function)))


def _in_file(tree: Tree, functions: Sequence[Ran]) -> Iterator[NeverRan]:
    definitions = {_first_line(node): node for node in tree.nodes if isinstance(node, FunctionDef)}
    lines: dict[int, set[int]] = {}
    ran: dict[int, set[int]] = {}
    for function in functions:  # of a function defined in a function there may be several
        lines.setdefault(function.first, set()).update(function.lines)
        ran.setdefault(function.first, set()).update(function.ran)
    names = {function.first: function.name for function in functions}
    for first in sorted(lines.keys() & definitions.keys()):
        for block, start, end in _gaps(definitions[first].body, lines[first], ran[first]):
            last = block[end].end_lineno or block[end].lineno
            yield NeverRan(tree.file, block[start].lineno, last, names[first], _only(tree, block, start, ran[first]))


def _first_line(node: FunctionDef) -> int:
    return min([node.lineno, *(made.lineno for made in node.decorator_list)])


def _gaps(block: Sequence[ast.stmt], lines: set[int], ran: set[int]) -> Iterator[tuple[Sequence[ast.stmt], int, int]]:
    """Yield the statements of a block, and of those inside of it, that never ran, as places of the first and last."""
    start: int | None = None
    last = 0
    for at, statement in enumerate(block):
        own = _lines_of(statement)
        if not own & lines:  # it has no code, as a docstring
            continue
        if own & ran:
            if start is not None:
                yield block, start, last
                start = None
            yield from _inside(statement, lines, ran)
        else:
            start, last = (at if start is None else start), at
    if start is not None:
        yield block, start, last


def _inside(statement: ast.stmt, lines: set[int], ran: set[int]) -> Iterator[tuple[Sequence[ast.stmt], int, int]]:
    if isinstance(statement, _DEFINITIONS):
        return
    parts = [statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
    for part in parts:
        for field in _BLOCKS:
            block = getattr(part, field, None)
            if isinstance(block, list):
                yield from _gaps(block, lines, ran)


def _lines_of(statement: ast.stmt) -> set[int]:
    return set(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))


# -- when it would run -----------------------------------------------------------------------------


def _only(tree: Tree, block: Sequence[ast.stmt], start: int, ran: set[int]) -> str:
    """Say when a statement that never ran would."""
    before = [statement for statement in block[:start] if _lines_of(statement) & ran]
    if before:
        return _after(tree, before[-1], ran)
    for inner, around in tree.above(block[start]):
        if isinstance(around.parent, _DEFINITIONS):
            return ""
        if found := next(condition(inner, around, is_gone=True), ""):
            return f"only {found}"
    return ""


def _after(tree: Tree, statement: ast.stmt, ran: set[int]) -> str:
    """Say what a statement has to do for those after it to run."""
    for jump in jumps_in(statement):
        if jump.lineno in ran and (left := _LEAVES.get(type(jump))):
            parent = tree.around[jump].parent
            if isinstance(parent, ast.If) and parent is statement:
                test = opposite(parent.test) if tree.around[jump].field == "body" else parent.test
                return f"only if {clip(text_of(test))} (line {parent.lineno})"
            return f"only if line {jump.lineno} {left} not first"
    return f"only once line {statement.lineno} comes to its end"
