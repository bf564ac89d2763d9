"""The code of live functions whose lines are to be watched."""

from __future__ import annotations

import functools
import gc
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from leakdiff.capture.containers import pairs_of
from leakdiff.capture.frames import running_frames
from leakdiff.capture.inserts_booked import Lines, frames_of_others
from leakdiff.capture.kinds import derives, dict_of_module, dict_of_type
from leakdiff.source_files import is_users_file

_MOST_OBJECTS = 200_000  # below the namespaces of the modules in question
_BRANCHES = (
    tuple,  # of a closure
    property,
    staticmethod,
    classmethod,
    types.CellType,
    types.MethodType,
    functools.partial,
    functools._lru_cache_wrapper,  # noqa: SLF001 - the class has no public name
)

IsWatched = Callable[[types.CodeType], bool]


def on_lines(lines: Lines) -> IsWatched:
    """Return what tells whether some code has one of these lines."""
    by_file: dict[str, set[int]] = {}
    for file, line in lines:
        by_file.setdefault(file, set()).add(line)

    def is_watched(code: types.CodeType) -> bool:
        wanted = by_file.get(code.co_filename)
        return wanted is not None and any(line in wanted for _, _, line in code.co_lines())

    return is_watched


def everywhere(code: types.CodeType) -> bool:
    """Tell whether some code is the program's own, typed at a prompt or not."""
    file = code.co_filename
    return is_users_file(file) or (file.startswith("<") and not file.startswith("<frozen "))


def codes_below(files: frozenset[str], is_watched: IsWatched) -> list[types.CodeType]:
    """Return the watched code of functions below the modules of some files, of running frames, and of the code inside.

    It looks below the namespaces of those modules; only where that shows none of a file's, at all functions there are.

    Args:
        files: The files; none of them: all functions there are.
        is_watched: Tells of code whether it is wanted.
    """
    found = _Found(is_watched)
    for frame in (*frames_of_others().values(), *running_frames()):
        found.add_stack(frame)
    if files:
        for function in _functions_below(_namespaces(files)):
            found.add(function)
    if not files or not files <= {code.co_filename for code in found.codes()}:
        for obj in gc.get_objects():
            if type(obj) is types.FunctionType:
                found.add(obj)
    return found.codes()


class _Found:
    """Watched code, each once."""

    def __init__(self, is_watched: IsWatched) -> None:
        self._is_watched = is_watched
        self._seen: set[int] = set()
        self._codes: list[types.CodeType] = []
        self._kept: list[types.CodeType] = []  # their identities must not be taken by others

    def codes(self) -> list[types.CodeType]:
        return self._codes

    def add(self, function: types.FunctionType) -> None:
        self._add_code(_code_of(function))

    def add_stack(self, frame: types.FrameType | None) -> None:
        while frame is not None:
            self._add_code(frame.f_code)
            frame = frame.f_back

    def _add_code(self, code: types.CodeType) -> None:
        if id(code) in self._seen:
            return
        self._seen.add(id(code))
        self._kept.append(code)
        if self._is_watched(code):
            self._codes.append(code)
        for constant in code.co_consts:
            if type(constant) is types.CodeType:
                self._add_code(constant)


_code_of: Any = types.FunctionType.__dict__["__code__"].__get__


def _namespaces(files: frozenset[str]) -> Iterator[dict[str, Any]]:
    for module in list(dict.values(sys.modules)):
        if derives(type(module), types.ModuleType):
            namespace = dict_of_module(module)
            file = dict.get(namespace, "__file__")
            if type(file) is str and file in files:
                yield namespace


def _functions_below(start: Iterator[dict[str, Any]]) -> Iterator[types.FunctionType]:
    """Yield the functions below some namespaces: of classes, and what decorators have wrapped, frozen or not."""
    pending: list[Any] = list(start)
    seen = set(map(id, pending))
    for obj in pending:
        if len(pending) > _MOST_OBJECTS:
            return
        if type(obj) is types.FunctionType:
            yield obj
        pending.extend(_unseen(obj, seen))


def _unseen(obj: Any, seen: set[int]) -> Iterator[Any]:
    """Yield what may lead to functions of the same module; namespaces of others, and data, do not."""
    for part in _parts(obj):
        if id(part) not in seen and _may_lead_on(part):
            seen.add(id(part))
            yield part


def _parts(obj: Any) -> list[Any]:
    if type(obj) is dict:  # a namespace to start at
        return [value for _, value in pairs_of(obj)]
    return list(dict_of_type(obj).values()) if derives(type(obj), type) else gc.get_referents(obj)


def _may_lead_on(obj: Any) -> bool:
    return derives(type(obj), types.FunctionType, type) or any(type(obj) is branch for branch in _BRANCHES)
