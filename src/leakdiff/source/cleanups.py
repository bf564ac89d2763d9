"""Which lines of a file handle an exception or clean up."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import attrs

from leakdiff.source_files import SourceFiles


@attrs.frozen(eq=False)
class Cleanups:
    """Tells of lines whether they stand in a ``finally`` or an ``except``; each file is read once."""

    _files: SourceFiles = attrs.field(factory=SourceFiles)
    _lines: dict[str, frozenset[int]] = attrs.field(factory=dict)

    def __call__(self, path: str, line: int) -> bool:
        """Tell whether code at a line runs only to clean up."""
        if path not in self._lines:
            tree = self._files.tree(path)
            self._lines[path] = frozenset(_cleaning_lines(tree)) if tree is not None else frozenset()
        return line in self._lines[path]


def _cleaning_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Try, ast.TryStar)):
            parts: list[ast.excepthandler | ast.stmt] = [*node.handlers, *node.finalbody]
            for part in parts:
                yield from range(part.lineno, (part.end_lineno or part.lineno) + 1)
