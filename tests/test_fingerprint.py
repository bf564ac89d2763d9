"""Fingerprints: the same for one cause on the next run, different for different causes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.judge.fingerprint import fingerprint
from strategies import texts


def test_a_fingerprint_is_six_hex_digits() -> None:
    """Short enough to be read out, and always the same for the same name."""
    assert fingerprint("app.matching._inflight", "dict") == "a741ee"


@pytest.mark.parametrize(
    ("today", "tomorrow"),
    [
        ("thread Thread-7 (poll) local seen", "thread Thread-12 (poll) local seen"),
        ("app.workers[3].queue", "app.workers[11].queue"),
        ("<app.Pool object at 0x7f3ac41b>", "<app.Pool object at 0x55d0e9f2a>"),
    ],
)
def test_indexes_and_addresses_do_not_count(today: str, tomorrow: str) -> None:
    """What differs from run to run is not part of a name."""
    assert fingerprint(today) == fingerprint(tomorrow)


def test_names_count() -> None:
    """Two owners in one module have two fingerprints."""
    assert fingerprint("app.cache", "dict") != fingerprint("app.index", "dict")


def test_types_count() -> None:
    """A dict that became a list is another cause."""
    assert fingerprint("app.cache", "dict") != fingerprint("app.cache", "list")


def test_what_is_not_known_does_not_count() -> None:
    """A part that is missing leaves the others as they are."""
    assert fingerprint("app.cache", None, "") == fingerprint("app.cache")


@given(texts, st.lists(st.integers(0, 10**9), max_size=3), st.integers(0, 10**9))
def test_fingerprints_ignore_digits(text: str, numbers: list[int], other: int) -> None:
    """Any number may stand where another stood."""
    name = text + "".join(f".item{number}x" for number in numbers)

    assert fingerprint(name) == fingerprint(re.sub(r"\d+", str(other), name))


@given(st.lists(st.none() | texts, max_size=4))
def test_any_names_have_a_fingerprint(parts: list[str | None]) -> None:
    """Halves of surrogate pairs and control characters are names like any other."""
    assert re.fullmatch("[0-9a-f]{6}", fingerprint(*parts))
