"""Source files as text, lines, trees and functions, each read once; nothing is put into ``linecache``."""

from __future__ import annotations

import ast
import bisect
import linecache
import os
import stat
import struct
import sysconfig
import warnings
from collections.abc import Iterator
from importlib.util import cache_from_source, decode_source
from pathlib import Path

import attrs

_OWN = str(Path(__file__).absolute().parent) + os.sep
_SHIPPED_WORKLOADS = tuple(_OWN + name for name in ("demo", "selftest_plants"))
_PASSING_ON = tuple(
    f"{_OWN}web{os.sep}{name}"
    for name in ("asgi.py", "frameworks.py", "middleware.py", "steps.py", "visits.py", "wsgi.py")
)

_STDLIB = tuple(os.path.normpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib"))
_INSTALLED = ("site-packages", "dist-packages")

_TYPED = ("<ipython-input-", "<python-input-")
_NOTEBOOK = f"{os.sep}ipykernel_"

_HEADER, _LOW = 16, 0xFFFFFFFF  # of compiled code: magic number, flags, time and size of the source
_LARGEST = 2 << 20  # bytes of a source: parsing takes 250 times as much memory for a while

Function = tuple[int, int, str]  # first line, last line, name


def is_own_file(path: str) -> bool:
    """Tell whether a file is leakdiff's own machinery."""
    return path.startswith(_OWN) and not path.startswith(_SHIPPED_WORKLOADS)


def passes_on(path: str) -> bool:
    """Tell whether a file of leakdiff's hands requests on to the program: most of what is called there is not ours."""
    return path.startswith(_PASSING_ON)


def is_installed(path: str) -> bool:
    """Tell whether a file belongs to an installed package."""
    return any(part in path for part in _INSTALLED)


def is_of_stdlib(path: str) -> bool:
    """Tell whether a file belongs to the standard library."""
    return path.startswith(_STDLIB) and not is_installed(path)


def is_users_file(path: str) -> bool:
    """Tell whether a file is neither installed nor of the standard library: code the user can edit."""
    if is_typed(path):
        return True
    if path.startswith("<") or is_own_file(path):
        return False
    return not is_installed(path) and not path.startswith(_STDLIB)


def is_typed(path: str) -> bool:
    """Tell whether it is what a prompt or a notebook calls a piece of code that was typed: there is no such file."""
    return path.startswith(_TYPED) or _NOTEBOOK in path


def read_text(path: str) -> str:
    """Return the text of a source file; empty where it cannot be read as such, or is too large to be parsed.

    So is one that has changed since it was loaded: its lines are others than those that run.

    Only regular files are opened: to open a pipe or a terminal would wait for somebody to write. What was typed at a
    prompt is taken from where the prompt keeps it for tracebacks.
    """
    if is_typed(path):
        return _typed(path)
    try:
        found = os.stat(path)  # noqa: PTH116  # names of code objects are strings, and need not exist
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST or _has_changed(path, found):
            return ""
        with open(path, "rb") as file:  # noqa: PTH123
            return decode_source(file.read())
    except (OSError, SyntaxError, ValueError):
        return ""


def _typed(path: str) -> str:
    found = linecache.cache.get(path)
    return "".join(found[2]) if type(found) is tuple and len(found) == 4 else ""  # else it is to be read yet


def _has_changed(path: str, found: os.stat_result) -> bool:
    """Tell whether a file is another one than that of which the interpreter keeps the compiled code beside it."""
    try:
        with open(cache_from_source(path), "rb") as file:  # noqa: PTH123
            header = file.read(_HEADER)
    except (OSError, NotImplementedError, ValueError):
        return False
    flags, when, size = struct.unpack("<4x3I", header) if len(header) == _HEADER else (1, 0, 0)
    is_dated = flags == 0  # else it goes by a hash of the source
    return is_dated and (when, size) != (int(found.st_mtime) & _LOW, found.st_size & _LOW)


def parse(text: str) -> ast.Module | None:
    """Return the tree of a source; None where this Python cannot parse it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the compiler thinks of a user's escapes is not ours to say
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # MemoryError: nested too deeply
            return None


@attrs.define
class SourceFiles:
    """Reads source files once each; keeps text and functions, and no tree."""

    _texts: dict[str, str] = attrs.field(factory=dict)
    _lines: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    _functions: dict[str, tuple[Function, ...]] = attrs.field(factory=dict)

    def text(self, path: str) -> str:
        """Return the text of a file; empty where it cannot be read."""
        if path not in self._texts:
            self._texts[path] = read_text(path)
        return self._texts[path]

    def lines(self, path: str) -> tuple[str, ...]:
        """Return the lines of a file, without their ends."""
        if path not in self._lines:
            self._lines[path] = tuple(self.text(path).split("\n"))
        return self._lines[path]

    def line(self, path: str, number: int) -> str:
        """Return one line without its indentation; empty where there is none of this number."""
        lines = self.lines(path)
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""

    def function_at(self, path: str, number: int) -> str:
        """Return the innermost function that a line lies in, such as ``Emitter.on``; empty outside of any."""
        functions = self._functions_of(path)
        for at in range(bisect.bisect_right(functions, number, key=lambda found: found[0]) - 1, -1, -1):
            if functions[at][1] >= number:
                return functions[at][2]
        return ""

    def tree(self, path: str) -> ast.Module | None:
        """Parse a file, each time anew: trees are large, and one caller needs each."""
        return parse(self.text(path))

    def _functions_of(self, path: str) -> tuple[Function, ...]:
        if path not in self._functions:
            tree = self.tree(path)
            self._functions[path] = () if tree is None else tuple(sorted(_functions_in(tree)))
        return self._functions[path]


def _functions_in(tree: ast.Module) -> Iterator[Function]:
    todo: list[tuple[ast.AST, str]] = [(tree, "")]
    while todo:
        node, prefix = todo.pop()
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                inner = f"{prefix}{child.name}."
                if not isinstance(child, ast.ClassDef):
                    yield child.lineno, child.end_lineno or child.lineno, f"{prefix}{child.name}"
            if not isinstance(child, ast.expr):  # no definition stands inside an expression
                todo.append((child, inner))
