"""When a monitor measures and what it leaves: plain values in, decisions out."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.model.snapshot import Cgroup, OwnerSize
from leakdiff.schedule import (
    Deep,
    Reading,
    Reason,
    Settings,
    Walks,
    deep_reason,
    first_due,
    fits_in_memory,
    is_affordable,
    is_growing,
    newest,
    next_due,
    predicted_cpu,
    worth_watching,
)
from snapshots import cheap, snapshot

MIB = 1 << 20
HOUR = 3_600.0
_shares = st.floats(0, 0.99)
_chances = st.floats(0, 1)


# -- when ------------------------------------------------------------------------------------------


@given(st.floats(1, 1e5), _shares, _chances)
def test_the_first_measurement_comes_soon_but_not_at_once_everywhere(
    interval: float, jitter: float, chance: float
) -> None:
    """It is put off by a random part of the jitter."""
    assert 1_000 <= first_due(1_000, interval=interval, jitter=jitter, chance=chance) <= 1_000 + interval * jitter


def test_a_late_measurement_does_not_delay_those_after_it() -> None:
    """The next one is due an interval after the last was due, not after it was over."""
    assert next_due(600, 640, interval=300, jitter=0, chance=0.5) == 900


def test_what_was_missed_is_not_made_up_for() -> None:
    """After ten hours of sleep the next measurement is an interval away, and only one."""
    assert next_due(600, 36_600, interval=300, jitter=0, chance=0.5) == 36_900


@given(st.floats(1, 1e5), _shares, _chances, st.floats(0, 1e6))
def test_the_next_measurement_lies_ahead(interval: float, jitter: float, chance: float, late: float) -> None:
    """Whatever happened, it is in the future, and no further than an interval and its jitter."""
    due = next_due(500, 500 + late, interval=interval, jitter=jitter, chance=chance)

    assert 500 + late < due <= 500 + late + interval * (1 + jitter)


def test_measurements_that_cost_much_come_less_often() -> None:
    """An interval that would take more than the share of CPU is stretched."""
    assert next_due(0, 0, interval=1, jitter=0.1, chance=0.5, least=200) == 200


# -- deep or not -----------------------------------------------------------------------------------


def readings(values: Sequence[float], signal: str = "rss") -> list[Reading]:
    """Return readings five minutes apart, of which one signal takes these values."""
    flat = {"blocks": 400_000, "native": 30 * MIB, "rss": 100 * MIB}
    return [Reading(time=300.0 * at, **(flat | {signal: int(value)})) for at, value in enumerate(values)]


def line(start: float, slope: float, count: int = 12) -> list[float]:
    """Return values that grow by so much from one to the next."""
    return [start + slope * at for at in range(count)]


@pytest.mark.parametrize(
    ("signal", "values"),
    [
        ("rss", line(100 * MIB, MIB)),
        ("native", line(30 * MIB, MIB)),
        ("blocks", line(400_000, 5_000)),
    ],
)
def test_steady_growth_of_any_signal_is_seen(signal: str, values: list[float]) -> None:
    """Python's blocks, the C heap and the resident set each tell."""
    assert is_growing(readings(values, signal))


@pytest.mark.parametrize(
    "values",
    [
        line(100 * MIB, 0),
        line(100 * MIB, -MIB),
        line(100 * MIB, MIB / 100),
        [*line(100 * MIB, 0, 11), 200 * MIB],
        [100 * MIB, 130 * MIB, 160 * MIB] * 4,
        line(100 * MIB, 10 * MIB, 5),
    ],
    ids=["flat", "falling", "a trifle", "one outlier", "a sawtooth", "too few readings"],
)
def test_what_is_no_growth_is_not_called_so(values: list[float]) -> None:
    """Neither noise nor a trifle asks for a walk of the heap."""
    assert not is_growing(readings(values))


def test_noise_seldom_asks_for_a_walk() -> None:
    """Of 200 quiet hours with 5 % of noise few look like growth; a false one costs a walk and nothing else."""
    chance = random.Random(3)  # noqa: S311 - noise
    hours = [[100 * MIB * (1 + chance.gauss(0, 0.05)) for _ in range(12)] for _ in range(200)]

    assert sum(is_growing(readings(values)) for values in hours) <= 10


def test_a_signal_that_is_not_known_is_left_out() -> None:
    """Where the C library cannot tell its bytes, the others decide."""
    known = readings(line(100 * MIB, MIB))
    unknown = [Reading(time=each.time, blocks=each.blocks, native=None, rss=each.rss) for each in known]

    assert is_growing(unknown)


def test_growth_that_goes_on_asks_less_and_less_often() -> None:
    """Every walk that growth asked for doubles the readings it takes to ask for the next, up to four hours of them."""
    growing = readings(line(100 * MIB, MIB, 48))
    needed = [
        next(count for count in range(1, 49) if is_growing(growing[:count], asked)) for asked in (0, 1, 2, 3, 4, 99)
    ]

    assert needed == [6, 12, 24, 48, 48, 48]


@pytest.mark.parametrize(
    ("deep", "walks", "now", "values", "expected"),
    [
        ("never", Walks(), 9 * HOUR, line(100 * MIB, MIB), None),
        ("always", Walks(last=0), 1, line(100 * MIB, 0), Reason.ALWAYS),
        ("on-growth", Walks(), 10, line(100 * MIB, 0), None),
        ("on-growth", Walks(), 290, line(100 * MIB, 0), Reason.BASELINE),
        ("on-growth", Walks(last=300), HOUR, line(100 * MIB, 0), None),
        ("on-growth", Walks(last=300), HOUR, line(100 * MIB, MIB), Reason.GROWTH),
        ("on-growth", Walks(last=300, asked=1), HOUR, line(100 * MIB, MIB, 11), None),
        ("on-growth", Walks(last=300), 6 * HOUR + 300, line(100 * MIB, 0), Reason.INTERVAL),
    ],
)
def test_why_a_heap_is_walked(deep: Deep, walks: Walks, now: float, values: list[float], expected: Reason) -> None:
    """As a baseline, when memory grows, when the last walk is old, always, or never."""
    assert deep_reason(Settings(deep=deep), walks, readings(values), now=now, started=0.0) is expected


def test_only_growth_in_a_row_counts_as_asked() -> None:
    """A walk for any other reason begins the count anew."""
    walks = Walks()
    asked = []
    for reason in (Reason.BASELINE, Reason.GROWTH, Reason.GROWTH, Reason.INTERVAL, Reason.GROWTH):
        walks = walks.and_one(reason, began=1.0, cpu=1.0, blocks=1)
        asked.append(walks.asked)

    assert asked == [0, 1, 2, 0, 1]


# -- what it may cost ------------------------------------------------------------------------------


def test_a_walk_is_expected_to_cost_what_the_last_one_did_a_block() -> None:
    """At first two microseconds for each allocated block."""
    assert predicted_cpu(1_000_000, Walks()) == pytest.approx(2.0)
    assert predicted_cpu(3_000_000, Walks(last=0, cpu=1.5, blocks=1_000_000)) == pytest.approx(4.5)


@pytest.mark.parametrize(("elapsed", "expected"), [(399, False), (401, True)])
def test_cpu_is_spent_only_after_it_was_saved(elapsed: float, expected: bool) -> None:  # noqa: FBT001
    """What was spent and what it will cost stay below the share of the time since the start."""
    assert is_affordable(1.5, spent=0.5, elapsed=elapsed, cpu_share=0.005) is expected


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (None, True),
        (Cgroup(version=2, usage=1 << 40), True),
        (Cgroup(version=2, usage=800 * MIB, limit=1_000 * MIB), True),
        (Cgroup(version=2, usage=870 * MIB, limit=1_000 * MIB), False),
        (Cgroup(version=2, usage=870 * MIB, limit=1_000 * MIB, inactive_file=50 * MIB), True),
        (Cgroup(version=1, usage=1_200 * MIB, limit=1_000 * MIB), False),
    ],
    ids=["no container", "no limit", "room", "no room", "page cache", "beyond"],
)
def test_a_walk_must_fit_below_the_limit(cgroup: Cgroup | None, expected: bool) -> None:  # noqa: FBT001
    """A million blocks need 38 MiB of tables; page cache that can be given back is room."""
    assert fits_in_memory(cgroup, 1_000_000, 0.9) is expected


# -- what to keep ----------------------------------------------------------------------------------


def test_of_what_cannot_be_stored_the_newest_is_kept() -> None:
    """Twenty snapshots wait, the others are lost."""
    pending = [cheap(at=at) for at in range(25)]

    assert newest(pending) == tuple(pending[-20:])


def test_of_deep_snapshots_two_wait() -> None:
    """Older ones shrink to the cheap measurement they began as: a thousand owners take megabytes."""
    pending = [snapshot(at=at, owners={"app.cache": (3, 300)}) for at in range(4)]
    kept = newest(pending)

    assert [each.is_deep for each in kept] == [False, False, True, True]
    assert [each.memory for each in kept] == [each.memory for each in pending]
    assert kept[0].resources is None


def owner(path: str, size: int = 1, containers: int = 1) -> OwnerSize:
    """Return an owner."""
    return OwnerSize(path=path, kind="module", type="dict", entries=size, bytes=size, containers=containers)


def test_owners_are_watched_that_can_be_found_by_name() -> None:
    """The largest of those that need no walk: no key, no local, no thread in their path, and only one of them."""
    owners = [
        owner("app.cache", 5),
        owner("app.sessions[*].log", 90),
        owner("app.serve() in thread 'MainThread'.rows", 80),
        owner("app.Handler.instances", 70, containers=7),
        owner("app.inflight", 9),
    ]

    assert worth_watching(owners) == ("app.inflight", "app.cache")


def test_only_few_owners_are_watched() -> None:
    """Twenty lengths take microseconds."""
    assert worth_watching([owner(f"app.cache_{at}", at) for at in range(50)]) == tuple(
        f"app.cache_{at}" for at in range(49, 29, -1)
    )
