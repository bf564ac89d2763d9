"""Lengths of owners by path, without a walk: only what names alone lead to, and no code of the program."""

from __future__ import annotations

import collections
import functools
import gc
import sys
import types
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from leakdiff.capture.lookup import lengths_of
from leakdiff.model.snapshot import Tally

calls: list[str] = []


def raising(*_: object) -> Any:
    """Stand for any method of the program: it must not be called."""
    calls.append("called")
    raise RuntimeError("somebody's code")


class Service:
    """Keeps its attributes in place."""

    registry = {1: 1, 2: 2, 3: 3}  # noqa: RUF012 - a class that keeps a dict is what is looked at
    default: dict[str, int] | None = None

    def __init__(self) -> None:
        self.inflight = {"a": 1, "b": 2}
        self.default = {"own": 1}
        self.inner: Any = None

    @property
    def lazy(self) -> list[int]:
        """Note that somebody asked."""
        calls.append("property")
        return [1, 2, 3]


@attrs.define
class Slotted:
    """Keeps its attributes in slots."""

    entries: collections.deque[int] = attrs.field(factory=lambda: collections.deque([1, 2], maxlen=9))


class Wicked(dict[str, int]):
    """A dict that answers nothing."""

    __len__ = raising
    __iter__ = raising
    __getattr__ = raising
    __getattribute__ = raising


class Proxy:
    """Forwards what it does not have."""

    __getattr__ = raising


@functools.lru_cache(maxsize=10)
def cached(number: int) -> int:
    """Return a number."""
    return number


@pytest.fixture(autouse=True)
def app() -> Iterator[types.ModuleType]:
    """Let there be a package ``shop`` with a module ``shop.orders`` while a test runs."""
    package: Any = types.ModuleType("shop")
    module: Any = types.ModuleType("shop.orders")
    package.orders, package.__getattr__ = module, raising
    module.__getattr__ = raising
    module.pending = [1, 2, 3, 4]
    module.service = Service()
    module.service.inner = Slotted()
    module.Service, module.Slotted, module.slotted = Service, Slotted, Slotted()
    module.wicked, module.proxy, module.cached = dict.__new__(Wicked), Proxy(), cached
    module.members, module.names = {"x"}, frozenset("abc")
    sys.modules["shop"], sys.modules["shop.orders"] = package, module
    calls.clear()
    yield module
    del sys.modules["shop"], sys.modules["shop.orders"]


FOUND = {
    "shop.orders.pending": 4,
    "shop.orders.members": 1,
    "shop.orders.names": 3,
    "shop.orders.service.inflight": 2,
    "shop.orders.service.default": 1,
    "shop.orders.service.inner.entries": 2,
    "shop.orders.slotted.entries": 2,
    "shop.orders.Service.registry": 3,
    "shop.orders.wicked": 0,
}
NOT_FOUND = [
    "shop.orders",
    "shop.orders.missing",
    "shop.orders.service",
    "shop.orders.service.missing",
    "shop.orders.service.lazy",
    "shop.orders.service.registry",
    "shop.orders.proxy.entries",
    "shop.orders.cached",
    "shop.orders.pending[*]",
    "shop.orders.pending[*].lines",
    "shop.orders.cached cache",
    "serve() local pending",
    "no_such_module.pending",
    "",
    ".",
    "leakdiff.capture.lookup.CONTAINERS",
]


@pytest.mark.parametrize("path", FOUND)
def test_a_path_of_names_is_followed(path: str) -> None:
    """Through modules, classes and instances, in place or in slots."""
    assert lengths_of([path]) == (Tally(path, FOUND[path]),)
    assert calls == []


@pytest.mark.parametrize("path", NOT_FOUND)
def test_what_names_alone_do_not_lead_to_is_left_out(path: str) -> None:
    """Entries, locals, properties and what is no container have no length here; nothing is called to find out."""
    assert lengths_of([path]) == ()
    assert calls == []


def test_paths_keep_their_order() -> None:
    """The answer has the lengths of those that were found, in the order asked for."""
    paths = ["shop.orders.service.inflight", "shop.orders.missing", "shop.orders.pending"]

    assert [tally.name for tally in lengths_of(paths)] == [paths[0], paths[2]]


def test_lengths_are_those_of_the_moment(app: Any) -> None:
    """Nothing is remembered between two looks, not even which object it was."""
    app.pending.append(5)
    app.service.inflight = {}

    assert [tally.count for tally in lengths_of(["shop.orders.pending", "shop.orders.service.inflight"])] == [5, 0]


def test_a_package_may_have_an_attribute_of_the_name_of_its_module(app: Any) -> None:
    """``from shop.orders import orders`` in a package hides the module: both are looked into."""
    package: Any = sys.modules["shop"]
    package.orders = Service()

    assert lengths_of(["shop.orders.pending", "shop.orders.inflight"]) == (
        Tally("shop.orders.pending", len(app.pending)),
        Tally("shop.orders.inflight", 2),
    )


def test_a_module_that_is_none_is_passed_by() -> None:
    """``sys.modules`` may hold anything."""
    sys.modules["shop.orders"], kept = None, sys.modules["shop.orders"]  # type: ignore[assignment]
    try:
        assert lengths_of(["shop.orders.pending"]) == (Tally("shop.orders.pending", 4),)
    finally:
        sys.modules["shop.orders"] = kept


def test_no_instance_is_made_to_keep_a_dict(app: Any) -> None:
    """What is read is read in place."""
    before = sorted(map(str, map(type, gc.get_referents(app.service))))
    lengths_of([*FOUND, *NOT_FOUND])

    assert sorted(map(str, map(type, gc.get_referents(app.service)))) == before
