"""What is suspended: asyncio tasks by coroutine and line, generators and coroutines by name. Runs no code of theirs.

A frame that is read stays with its coroutine until that ends (some 400 bytes, and one object more in the heap).
So only the code objects of all are read, and the lines of a few.
"""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

import attrs

from leakdiff.capture.kinds import derives, dict_of_module, dict_of_type, is_exactly, loaded, make_kinds, type_name
from leakdiff.capture.places import most_telling, place_of
from leakdiff.capture.references import references
from leakdiff.capture.sites import Line
from leakdiff.source_files import is_own_file

_MOST_LINES = 100  # read in all
_LINES_ALIKE = 3  # read of tasks of one coroutine that are in the same function
_DEEPEST = 1_000  # coroutines awaiting each other
_MOST_LOOKED_AT = 200  # objects below an owner among which suspended code is looked for

_SUSPENDED = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
_PREFIX = dict(zip(_SUSPENDED, ("cr", "gi", "ag"), strict=True))
_AWAITS = dict(zip(_SUSPENDED, ("cr_await", "gi_yieldfrom", "ag_await"), strict=True))
# C objects between a coroutine and what it awaits; they refer to it and have no attribute that says so.
_BETWEEN = ("coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable")
_STEPS = "leakdiff.web.steps.Steps"  # what measures a request: it awaits the application in its place
# Where asyncio lists its tasks: on 3.11, and since 3.12. From 3.14 on these have foreign implementations only.
_REGISTRIES = ("_all_tasks", "_scheduled_tasks", "_eager_tasks")


# -- generators and coroutines --------------------------------------------------------------------


def count_suspended(found: Iterable[Any]) -> Counter[str]:
    """Count the generators, coroutines and async generators among some objects by name, without those that ended."""
    names: Counter[str] = Counter()
    for obj in found:
        if is_exactly(type(obj), *_SUSPENDED):
            code = _code_of(obj)
            if not is_own_file(code.co_filename) and _has_a_frame(obj, code):
                names[code.co_qualname] += 1
    return names


def _has_a_frame(suspended: Any, code: types.CodeType) -> bool:
    """Tell whether it has not ended: only what has a frame refers to its function."""
    functions = (ref for ref in gc.get_referents(suspended) if type(ref) is types.FunctionType)
    return any(function.__code__ is code for function in functions)


def _code_of(suspended: Any) -> types.CodeType:
    code: types.CodeType = getattr(suspended, f"{_PREFIX[type(suspended)]}_code")
    return code


# -- where a few of them wait ---------------------------------------------------------------------


def waiting_at(found: Iterable[Any], new: AbstractSet[int]) -> tuple[Line, ...]:
    """Return where one of some objects, or what they refer to, is suspended: lines of awaits, outermost first.

    Tasks come first, then coroutines and generators. A frame stays with the one that is looked at.

    Args:
        found: Live objects.
        new: Addresses of new objects: only those are followed.
    """
    tasks, others = _suspended_near(found, new)
    for coroutine in (*tasks, *others):
        lines = tuple(_lines_of(coroutine))
        if lines:
            return lines
    return ()


def _suspended_near(found: Iterable[Any], new: AbstractSet[int]) -> tuple[list[Any], list[Any]]:
    """Return the coroutines of tasks, and other suspended code, among some objects and what is new below them."""
    task_class, kinds = loaded("_asyncio", "Task"), make_kinds()
    pending = list(found)
    seen = set(map(id, pending))
    tasks: list[Any] = []
    others: list[Any] = []
    for obj in pending:
        if task_class is not None and derives(type(obj), task_class):
            tasks.append(dict_of_type(task_class)["_coro"].__get__(obj))
        elif is_exactly(type(obj), *_SUSPENDED):
            others.append(obj)
        if len(pending) < _MOST_LOOKED_AT:
            below = [ref for ref in references(obj, kinds) if id(ref) in new and id(ref) not in seen]
            seen.update(map(id, below))
            pending.extend(below)
    return tasks, others


def _lines_of(coroutine: Any) -> Iterator[Line]:
    if not is_exactly(type(coroutine), *_SUSPENDED) or getattr(coroutine, f"{_PREFIX[type(coroutine)]}_running"):
        return
    for awaited in _awaited(coroutine):
        frame = getattr(awaited, f"{_PREFIX[type(awaited)]}_frame")
        if frame is not None:
            yield frame.f_code.co_filename, frame.f_lineno


# -- tasks ----------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class _Waiting:
    """A task's coroutine by name and, of those it awaits, the live one that says most about where it is."""

    coroutine: str
    at: Any

    @property
    def code(self) -> types.CodeType:
        """The code of the one that says most."""
        return _code_of(self.at)

    @property
    def inner(self) -> str:
        """In which function it is, unless that is the coroutine itself."""
        return f" in {self.code.co_qualname}" if self.code.co_qualname != self.coroutine else ""

    def name(self, *, with_line: bool) -> str:
        """Return its name; with a line, leave a frame behind."""
        frame = getattr(self.at, f"{_PREFIX[type(self.at)]}_frame") if with_line else None
        place = f" at {place_of(self.code, frame.f_lineno)}" if frame is not None else ""  # it may have ended by now
        return f"{self.coroutine}{place}{self.inner}"


def count_tasks(found: Iterable[Any] = ()) -> Counter[str]:
    """Count pending asyncio tasks by coroutine and the line they await at.

    Lines are read of at most 3 tasks of a coroutine that are in the same function, and of 100 in all; the others
    are counted under the names of both, without a line.

    Args:
        found: Live objects; tasks among them are counted with those that asyncio lists.
    """
    names: Counter[str] = Counter()
    waiting: dict[str, list[_Waiting]] = {}
    task_class = loaded("_asyncio", "Task")
    for task in _all_tasks(found, task_class):
        if task_class is None or not derives(type(task), task_class):
            names[type_name(type(task))] += 1  # somebody's own implementation: nothing in it is known to be safe
            continue
        slots = dict_of_type(task_class)
        if slots["done"](task):
            continue
        seen = _look_at(slots["_coro"].__get__(task))
        if isinstance(seen, _Waiting):
            waiting.setdefault(f"{seen.name(with_line=False)} {seen.code.co_filename}", []).append(seen)
        else:
            names[seen] += 1
    names.update(_names_of(waiting))
    return names


def _all_tasks(found: Iterable[Any], task_class: type | None) -> list[Any]:
    """Return the tasks that asyncio lists, and those among some live objects, each once."""
    tasks = {id(task): task for task in _listed_tasks()}
    if task_class is not None:
        tasks.update((id(obj), obj) for obj in found if derives(type(obj), task_class))
    return list(tasks.values())


def _listed_tasks() -> Iterator[Any]:
    module = sys.modules.get("asyncio.tasks")
    namespace = dict_of_module(module) if type(module) is types.ModuleType else {}
    for registry in map(namespace.get, _REGISTRIES):
        if type(registry) is weakref.WeakSet:
            # Not by iterating it, which makes it postpone removals; and a copy asks for no hash.
            references = set.copy(object.__getattribute__(registry, "data"))
            yield from (task for ref in references if type(ref) is weakref.ref and (task := ref()) is not None)
        elif type(registry) is set:
            yield from set.copy(registry)


def _look_at(coroutine: Any) -> _Waiting | str:
    """Return where a task is by its coroutine; a text where there is no line to read."""
    if not is_exactly(type(coroutine), *_SUSPENDED):
        return type_name(type(coroutine))
    prefix, name = _PREFIX[type(coroutine)], _code_of(coroutine).co_qualname
    if getattr(coroutine, f"{prefix}_running"):
        return f"{name}, running"
    chain = list(_awaited(coroutine))
    if len(chain) == 1 and not getattr(coroutine, f"{prefix}_suspended", True):
        return f"{name}, not started"
    return _Waiting(name, chain[-1 - most_telling([_code_of(obj) for obj in reversed(chain)])])


def _awaited(coroutine: Any) -> Iterator[Any]:
    """Yield a coroutine, the one it awaits, and so on inwards."""
    at = coroutine
    for _ in range(_DEEPEST):
        if is_exactly(type(at), *_SUSPENDED):
            yield at
            at = getattr(at, _AWAITS[type(at)])
        elif type_name(type(at)) in (*_BETWEEN, _STEPS):
            at = next((ref for ref in gc.get_referents(at) if is_exactly(type(ref), *_SUSPENDED)), None)
        else:
            return


def _names_of(waiting: dict[str, list[_Waiting]]) -> Iterator[str]:
    left = _MOST_LINES
    for _, alike in sorted(waiting.items()):
        alike.sort(key=lambda task: id(task.at))  # the same ones the next time: their frames are there already
        for position, task in enumerate(alike):
            with_line = position < _LINES_ALIKE and left > 0
            left -= with_line
            yield task.name(with_line=with_line)
