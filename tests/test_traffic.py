"""Units of work: counted exactly from any thread, anew in a forked child, or by the program's own counter."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from fresh import run_fresh
from leakdiff.capture import traffic
from leakdiff.capture.traffic import count_units, read_units
from leakdiff.errors import BadOption


@pytest.fixture(autouse=True)
def _nothing_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every test with a program that has counted nothing."""
    monkeypatch.setattr(traffic, "_units", 0)
    monkeypatch.setattr(traffic, "_is_counted", False)


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    """Let threads take turns as often as the interpreter allows."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_nothing_counted_is_not_zero() -> None:
    """A program that never counts has no units, rather than none done."""
    assert read_units() is None


def test_units_add_up() -> None:
    """One by one or many at once; counting 0 says that there is a counter."""
    count_units(0)
    assert read_units() == 0

    count_units()
    count_units(41)
    assert read_units() == 42


@pytest.mark.usefixtures("_hasty_threads")
def test_no_unit_is_lost_between_threads() -> None:
    """Eight threads that count at once count all."""

    def work() -> None:
        for _ in range(20_000):
            count_units()
            count_units(2)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert read_units() == 8 * 20_000 * 3


@pytest.mark.parametrize("n", [-1, 1.0, True, "1", None])
def test_only_whole_numbers_can_be_counted(n: int) -> None:
    """Anything else is refused, and nothing is counted."""
    with pytest.raises(BadOption, match="a whole number of at least 0"):
        count_units(n)

    assert read_units() is None


def test_the_program_s_own_counter_is_asked_instead() -> None:
    """A source wins over what was counted."""
    count_units(5)

    assert read_units(lambda: 7) == 7


class Broken(Exception):
    """What a counter may raise, with a text that is nobody's business."""


def raising() -> int:
    """Fail."""
    raise Broken("customer 4711")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (raising, f"raised {__name__}.Broken"),
        (lambda: 1.5, "returned float and not a whole number"),
        (lambda: True, "returned bool and not a whole number"),
        (lambda: -1, "returned a negative number"),
        (lambda _: 1, "raised TypeError"),
    ],
)
def test_a_source_that_fails_says_why(source: object, why: str) -> None:
    """It costs the units and nothing else; the note has no word of what it said."""
    notes: list[str] = []

    assert read_units(source, notes) is None  # type: ignore[arg-type]
    assert notes == [f"units of work are not known: what counts them {why}"]


def test_a_forked_child_counts_its_own_work() -> None:
    """What the parent did is not added to each of its children."""
    units = run_fresh("""
        import json, os
        from leakdiff.capture.traffic import count_units, read_units

        count_units(5)
        reader, writer = os.pipe()
        if not os.fork():
            seen = [read_units()]
            count_units(2)
            os.write(writer, json.dumps([*seen, read_units()]).encode())
            os._exit(0)
        os.wait()
        print(json.dumps({"parent": read_units(), "child": json.loads(os.read(reader, 1000))}))
    """)

    assert units == {"parent": 5, "child": [0, 2]}
