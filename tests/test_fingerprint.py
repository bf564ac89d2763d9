"""Fingerprints: the same for one cause on the next run, different for different causes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fresh import shell
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


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (
            ("work.<locals>.<listcomp>() in thread 'Thread-1 (work)' local held", "list"),
            ("work() in thread 'Thread-1 (work)' local held", "list"),
        ),
        (("app.Rows.load.<dictcomp>() local seen", "set"), ("app.Rows.load() local seen", "set")),
        (("app.inbox entries", "list"), ("app.inbox", "_queue.SimpleQueue")),
    ],
)
def test_what_the_interpreter_calls_its_own_parts_does_not_count(
    older: tuple[str, str], newer: tuple[str, str]
) -> None:
    """Up to 3.11 a comprehension is a function of its own, and up to 3.12 a SimpleQueue keeps a list."""
    assert fingerprint(*older) == fingerprint(*newer)


def test_lambdas_and_local_functions_count() -> None:
    """They are named the same under every Python, and are not the function around them."""
    names = [
        "app.serve() local seen",
        "app.serve.<locals>.<lambda>() local seen",
        "app.serve.<locals>.work() local seen",
    ]

    assert len({fingerprint(name) for name in names}) == len(names)


def test_a_spawned_child_has_the_fingerprints_of_its_parent() -> None:
    """The module that multiprocessing runs again has another name there."""
    assert fingerprint("__mp_main__.cache", "dict") == fingerprint("__main__.cache", "dict")


def test_words_of_hexadecimal_letters_count() -> None:
    """``decade`` is a name and no number."""
    assert fingerprint("app.decade") != fingerprint("app.facade")


@given(st.uuids(), st.uuids(), st.integers(0, 2**64), st.integers(0, 2**64))
def test_what_differs_from_replica_to_replica_does_not_count(one: UUID, other: UUID, here: int, there: int) -> None:
    """Ids, addresses and numbers of any length are the same wherever they stand."""
    assert _named(one, here) == _named(other, there)


def _named(identity: UUID, number: int) -> str:
    return fingerprint(
        f"thread 'poll-{identity}-{number}' at {number:#x} of 0f{identity.hex} local seen[{number}]", "list"
    )


@given(st.lists(st.none() | texts, max_size=4))
def test_any_names_have_a_fingerprint(parts: list[str | None]) -> None:
    """Halves of surrogate pairs and control characters are names like any other."""
    assert re.fullmatch("[0-9a-f]{6}", fingerprint(*parts))


@pytest.mark.parametrize(
    ("plant", "owner", "kind"),
    [
        ("dict_by_request_id", "_orders", "dict"),
        ("simple_queue_nobody_drains", "_backlog", "_queue.SimpleQueue"),
        ("thread_local", "_session.breadcrumbs", "list"),
    ],
)
def test_a_program_has_the_same_fingerprint_under_every_python(
    tmp_path: Path, plant: str, owner: str, kind: str
) -> None:
    """It is that of the owner's name and type, whatever the interpreter keeps inside and wherever it runs."""
    module = f"leakdiff.selftest_plants.{plant}"
    ended = shell(tmp_path, "check", f"{module}:leak", "--patience", "0.05", "--json", "-")

    assert json.loads(ended.out)["findings"][0]["fingerprint"] == fingerprint(f"{module}.{owner}", kind)
