"""The container that somebody wants to watch: found by its path, measured without its own code."""

from __future__ import annotations

import collections
import functools
import queue
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from leakdiff.capture.attributes import known_attributes
from leakdiff.capture.census import CONTAINERS
from leakdiff.capture.containers import is_lru_cache, length_of
from leakdiff.capture.homes import home_of
from leakdiff.capture.kinds import adapter_of, derives, dict_of_module, is_own_module, type_name
from leakdiff.capture.lookup import chain_at, how_far
from leakdiff.capture.roots import Root
from leakdiff.errors import OwnerNotFound
from leakdiff.model.code import Home

_LENGTHS = (dict, list, set, collections.deque)
_MOST_NAMED = 5
_MOST_NAMED = 3
_BY_NAMES = (
    "Give a path of names alone, such as app.matching._inflight: report.findings and snapshot.owners have such paths"
)

Gauge = Callable[[], int]


@attrs.define(eq=False)
class Watched:
    """A container that is watched, live: whoever has one lets go of it soon.

    Attributes:
        path: Its path of names; for a queue, that of the container inside.
        module: The module the path starts at.
        chain: The objects on the way, from the module's namespace to the container.
    """

    path: str
    module: str
    chain: list[Any]

    @property
    def type(self) -> str:
        """The name of its type."""
        return type_name(type(self.chain[-1]))

    @property
    def identity(self) -> int:
        """What tells it from others for as long as it lives."""
        return id(self.chain[-1])

    def gauge(self) -> Gauge:
        """Return what reads its length by the slot of the class in C, whatever a subclass says."""
        container = self.chain[-1]
        for cls in _LENGTHS:
            if derives(type(container), cls):
                return functools.partial(cls.__len__, container)
        return functools.partial(length_of, container)

    def home(self) -> Home:
        """Return where code that names it is to be looked for."""
        names = self.path.split(".")[-(len(self.chain) - 1) :]
        links = [(f".{name}", at, at + 1) for at, name in enumerate(names)]
        return home_of(self.chain, links, Root("module", self.module, self.chain[0]))


def find_watched(path: str) -> Watched:
    """Return the container that a path of names leads to.

    Raises:
        OwnerNotFound: If it leads to none; says how far it leads, and what to do.
    """
    if not all(part.isidentifier() for part in path.split(".")) or "." not in path:
        raise OwnerNotFound(path or "The owner", _why_no_name(path), _todo(path))
    watched = look_up(path)
    if watched is None:
        raise OwnerNotFound(path, *_nothing_there(path))
    return watched


def look_up(path: str) -> Watched | None:
    """Return the container at a path of names, or the one that a queue there keeps its entries in, if there is one."""
    module, chain = chain_at(path)
    if not chain or _is_counted(chain[-1]):
        return Watched(path, module, chain) if chain else None
    inside = _inside(chain[-1])
    if len(inside) != 1:
        return None
    name, container = inside[0]
    return Watched(f"{path}.{name}", module, [*chain, container])


def _is_counted(obj: Any) -> bool:
    adapter = adapter_of(type(obj))
    return derives(type(obj), *CONTAINERS) or is_lru_cache(obj) or (adapter is not None and adapter.holds_entries)


def _inside(obj: Any) -> list[tuple[str, Any]]:
    """Return the containers among an object's attributes; of a queue or a user's dict the one that has its entries."""
    found = [(str(name), value) for name, value in known_attributes(obj) if type(name) is str and _is_counted(value)]
    return [pair for pair in found if pair[0] == _entries_name(type(obj))] or found


def _entries_name(cls: type) -> str:
    if derives(cls, queue.Queue):
        return "queue"
    names = [type_name(base) for base in cls.__mro__] if type(cls) is type else []
    return "_queue" if "asyncio.queues.Queue" in names else ""


def _todo(path: str) -> str:
    """Say what to name instead: a name without its module may be that of a global."""
    known = [f"{name}.{path}" for name, module in _users_modules() if _is_counted(dict_of_module(module).get(path))]
    return f"Did you mean {' or '.join(known[:_MOST_NAMED])}?" if known else f"{_BY_NAMES}."


def _users_modules() -> Iterator[tuple[str, types.ModuleType]]:
    for name, module in dict.copy(sys.modules).items():
        is_module = type(name) is str and derives(type(module), types.ModuleType) and not is_own_module(name)
        if is_module and name.partition(".")[0] not in sys.stdlib_module_names:
            yield name, module


def _why_no_name(path: str) -> str:
    if "[" in path:
        return "it lies among the entries of another container ([*]), and which of them is meant no name says"
    if path.isidentifier():
        return "it is one name, and a path begins with a module"
    return "it is no path of names: what locals, tasks or C code hold cannot be looked up"


def _nothing_there(path: str) -> tuple[str, str]:
    """Say what a path does lead to, and what to do."""
    reached, kind = how_far(path)
    first = path.split(".", maxsplit=1)[0]
    if not reached:
        return f"no module {first} is loaded in this process", "Import it first, or start the path with its full name."
    if reached != path:
        known = f"{reached} is there ({kind}) and has no {path[len(reached) + 1 :].partition('.')[0]}"
        return known, "Check the spelling; what is set up later can be tracked once it is there."
    inside = [name for name, _ in _inside(chain_at(path)[1][-1])][:_MOST_NAMED] if chain_at(path)[1] else []
    if inside:
        return f"it is a {kind}, no container", f"Name one of those it has: {', '.join(f'{path}.{n}' for n in inside)}."
    return f"it is a {kind}, no container", f"{_BY_NAMES}."


@attrs.frozen
class Look:
    """One look at a container: when, how long it is (None: not there), and what tells it from another."""

    utc: float
    length: int | None
    identity: int | None


def looks(path: str, seconds: float, every: float) -> Iterator[Look]:
    """Look at the container at a path again and again; between two looks nothing of it is held.

    Args:
        path: A path of names.
        seconds: For how long.
        every: Seconds between two looks.
    """
    ends = time.monotonic() + seconds
    while True:
        yield _look(path)
        left = ends - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(every, left))


def _look(path: str) -> Look:
    watched = look_up(path)
    if watched is None:
        return Look(time.time(), None, None)
    return Look(time.time(), watched.gauge()(), watched.identity)
