"""Bounds: limits that a program sets itself, believed only if its code reads them."""

from __future__ import annotations

from typing import Any

import pytest

from leakdiff.capture.entries import find_bound
from leakdiff.model.heap import Bound


class Evicting:
    """A cache that keeps its own limit."""

    def __init__(self, max_entries: int) -> None:
        self.max_entries = max_entries
        self.entries: dict[int, int] = {}

    def put(self, key: int) -> None:
        """Keep a key, and forget the oldest beyond the limit."""
        self.entries[key] = key
        if len(self.entries) > self.max_entries:
            del self.entries[next(iter(self.entries))]


class Asking:
    """A queue whose limit is read where a method of its own measures the container."""

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.items: dict[int, int] = {}

    def size(self) -> int:
        """Return how many items wait."""
        return len(self.items)

    def is_full(self) -> bool:
        """Tell whether another item would be too many."""
        return self.size() >= self.max_size


class Throttled:
    """A crawler whose limit is about something else."""

    def __init__(self, rate_limit: int) -> None:
        self.rate_limit = rate_limit
        self.seen: dict[int, int] = {}

    def wait(self) -> float:
        """Return the seconds between two requests."""
        return 1 / self.rate_limit


def chain_of(owner: Any, container: dict[int, int]) -> list[Any]:
    """Fill a container with ten entries and return the chain that leads to it."""
    container.update((number, number) for number in range(10))
    return [{"owner": owner}, owner, container]


def test_a_limit_that_the_class_enforces_is_a_bound() -> None:
    """A method compares the length of the container with the attribute."""
    cache = Evicting(1_000)

    assert find_bound(chain_of(cache, cache.entries)) == Bound(f"{__name__}.Evicting.max_entries", 1_000, 10)


def test_a_limit_read_through_a_measuring_method_is_a_bound() -> None:
    """``qsize`` and its like stand for the container."""
    queue = Asking(1_000)

    assert find_bound(chain_of(queue, queue.items)) == Bound(f"{__name__}.Asking.max_size", 1_000, 10)


def test_a_limit_of_something_else_is_no_bound() -> None:
    """A rate limit does not empty the set of what was seen."""
    crawler = Throttled(1_000)

    assert find_bound(chain_of(crawler, crawler.seen)) is None


def test_a_limit_of_bytes_is_no_bound() -> None:
    """A mark of how many bytes may wait stops no container from growing, though the code names both."""

    class Protocol:
        def __init__(self) -> None:
            self.high_water_limit = 65_536
            self.transport: dict[int, int] = {1: 1}

        def feed(self, body: bytes) -> bool:
            return self.transport is not None and len(body) > self.high_water_limit

    protocol = Protocol()

    assert find_bound(chain_of(protocol, protocol.transport)) is None


@pytest.mark.parametrize("limit", [1, 9])
def test_a_limit_that_is_exceeded_already_is_no_bound(limit: int) -> None:
    """What holds ten entries is not limited to fewer."""
    cache = Evicting(limit)

    assert find_bound(chain_of(cache, cache.entries)) is None
