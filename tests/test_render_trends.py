"""The trend as text: whole expected texts for every verdict, and safe whatever stands in a name."""

from __future__ import annotations

import textwrap

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.model.report import Verdict
from leakdiff.model.series import Shape
from leakdiff.model.trend import Deploy, OwnerTrend, SeriesTrend, Slope, TimeToLimit, Trend
from leakdiff.render.trends import trend_headline, trend_text
from strategies import texts

MIB = 1 << 20
A_MIB_A_DAY = MIB / 24
FIX = "remove the entry on every path (try/finally), or bound the container (maxsize, TTL)"


def series(name: str, what: str, per_day: tuple[float, float, float], *, first: float, last: float) -> SeriesTrend:
    """Return a series with its slope a day, lowest, middle and highest."""
    low, value, high = (each / 24 for each in per_day)
    slope = Slope(value=value, low=low, high=high)
    return SeriesTrend(name=name, what=what, shape=Shape.LINEAR, per_hour=slope, baseline=first, last=last)


MEMORY = series("memory", "bytes", (13.9 * MIB, 14.7 * MIB, 15.6 * MIB), first=812.4 * MIB, last=856 * MIB)
BACKGROUND = OwnerTrend(
    path="app.matching._background",
    entries=series("app.matching._background", "entries", (240, 250, 260), first=0, last=750),
    bytes=series("app.matching._background", "bytes", (14 * MIB, 14.9 * MIB, 16 * MIB), first=0, last=44 * MIB),
    verdict=Verdict.LEAK,
    because="rose from level to level 66 of 66 times, up to 750 entries, and no bound was found",
)
LEAK = Trend(
    verdict=Verdict.LEAK,
    because=f"{BACKGROUND.path} {BACKGROUND.because}",
    memory=attrs.evolve(MEMORY, per_unit=Slope(value=53.5, low=50.6, high=56.8)),
    owners=(BACKGROUND,),
    deploy=Deploy(version="2.4.1", before="2.4.0", per_hour_before=0.1 * A_MIB_A_DAY, per_hour=14.7 * A_MIB_A_DAY),
    resets_on_restart=True,
    to_limit=TimeToLimit(limit=2_048 * MIB, low=13.2 * 24, high=15.4 * 24),
    advice=FIX,
    replicas=6,
    processes=14,
    points=5_184,
    hours=72.0,
)


def text_of(expected: str) -> str:
    """Return text as it is written in a test, without its margin."""
    return textwrap.dedent(expected).strip("\n")


# -- whole trends ----------------------------------------------------------------------------------


def test_a_leak_is_told_on_the_first_screen() -> None:
    """Owner, rates a day, deploy, restart, limit, reason, advice and what it rests on."""
    assert trend_text(LEAK) == text_of("""
        leakdiff: LEAK  app.matching._background grows by 250 entries and 14.9 MiB a day, since 2.4.1

          memory   812.4 MiB after a start, 856.0 MiB at last; 14.7 MiB a day (13.9 MiB to 15.6 MiB); 53.5 B per unit
          owner    app.matching._background     750 entries, 44.0 MiB, 61.0 KiB each
          since    2.4.1, memory 14.7 MiB a day
          was      2.4.0, memory 102.4 KiB a day
          restart  brings memory back to where it started
          limit    reaches 2.0 GiB in 13-15 days
          why      app.matching._background rose from level to level 66 of 66 times, up to 750 entries, and no bound was found
          fix      remove the entry on every path (try/finally), or bound the container (maxsize, TTL)
          rests    on 5,184 snapshots of 6 replicas (14 processes) over 72 h
    """)  # noqa: E501 - as it is printed


def test_too_little_data_says_when_there_is_enough() -> None:
    """And what is known so far."""
    trend = Trend(
        verdict=Verdict.INCONCLUSIVE,
        because="not enough data yet: the longest of its processes was seen for 3 h, 3 hours of the day",
        memory=series("memory", "bytes", (-9 * MIB, 2 * MIB, 12 * MIB), first=800 * MIB, last=800 * MIB),
        enough_in=21.0,
        replicas=1,
        processes=1,
        points=36,
        hours=3.0,
        notes=("there is no deep snapshot: which owner grows is not known",),
    )

    assert trend_text(trend) == text_of("""
        leakdiff: INCONCLUSIVE  not enough data yet: the longest of its processes was seen for 3 h, 3 hours of the day; in about 21 h

          memory   800.0 MiB; 2.0 MiB a day (-9.0 MiB to 12.0 MiB)
          rests    on 36 snapshots of 1 replica (1 process) over 3 h
          note     there is no deep snapshot: which owner grows is not known
    """)  # noqa: E501 - as it is printed


def test_high_but_stable() -> None:
    """The runbook's advice."""
    trend = Trend(
        verdict=Verdict.STABLE,
        because="memory does not grow: 0.1 MiB a day (-0.9 to 1.1), and no owner does",
        memory=series("memory", "bytes", (-0.9 * MIB, 0.1 * MIB, 1.1 * MIB), first=1_800 * MIB, last=1_800 * MIB),
        advice="high but stable is not a leak: raise the limit, or look at what holds the memory in a deep snapshot",
        replicas=6,
        processes=6,
        points=5_184,
        hours=200.0,
    )

    assert trend_text(trend) == text_of("""
        leakdiff: STABLE  memory does not grow: 0.1 MiB a day (-0.9 to 1.1), and no owner does

          memory   1.8 GiB; 102.4 KiB a day (-921.6 KiB to 1.1 MiB)
          do       high but stable is not a leak: raise the limit, or look at what holds the memory in a deep snapshot
          rests    on 5,184 snapshots of 6 replicas (6 processes) over 8 days
    """)


def test_an_owner_that_fills_and_one_that_slows_down() -> None:
    """What the verdict is about comes first, the rest with its own."""
    filling = attrs.evolve(BACKGROUND, path="app.cache", verdict=Verdict.FILLING, because="750 of 1,000 entries filled")
    slowing = attrs.evolve(BACKGROUND, bytes=None, verdict=Verdict.WARMUP, because="grows more and more slowly")
    trend = Trend(verdict=Verdict.FILLING, because="app.cache: 750 of 1,000 entries filled", owners=(filling, slowing))

    assert trend_text(trend) == text_of("""
        leakdiff: FILLING  app.cache: 750 of 1,000 entries filled

          owner    app.cache     750 entries, 44.0 MiB, 61.0 KiB each
          also     app.matching._background     750 entries  WARMUP: grows more and more slowly
    """)


# -- first lines -----------------------------------------------------------------------------------


def test_the_c_heap_has_no_owner() -> None:
    """NATIVE says what memory does."""
    native = attrs.evolve(LEAK, verdict=Verdict.NATIVE, owners=(), deploy=None)

    assert trend_headline(native) == (
        "leakdiff: NATIVE  the C heap grows and no Python object owns it, memory grows by 14.7 MiB a day"
    )
    assert trend_headline(attrs.evolve(native, memory=None)) == (
        "leakdiff: NATIVE  the C heap grows and no Python object owns it"
    )


def test_a_leak_whose_owner_was_not_seen() -> None:
    """Memory is all that is known."""
    unseen = attrs.evolve(LEAK, owners=())

    assert trend_headline(unseen) == (
        "leakdiff: LEAK  memory grows by 14.7 MiB a day, and no owner that was seen does, since 2.4.1"
    )


def test_descriptors_have_no_entries() -> None:
    """A number of things that are open, and a plural."""
    opened = series("descriptors", "number", (20, 24, 30), first=20, last=90)
    owner = OwnerTrend(path="descriptors", entries=opened, verdict=Verdict.LEAK)
    text = trend_text(Trend(verdict=Verdict.LEAK, because="", owners=(owner,)))

    assert text.startswith("leakdiff: LEAK  descriptors grow by 24 a day\n")
    assert "  owner    descriptors     90 open" in text


def test_few_entries_a_day_are_told_with_a_decimal() -> None:
    """Half an entry a day is not none."""
    slow = attrs.evolve(BACKGROUND, bytes=None, entries=series("x", "entries", (0, 0.5, 1), first=0, last=2))

    assert trend_headline(attrs.evolve(LEAK, owners=(slow,), deploy=None)) == (
        "leakdiff: LEAK  app.matching._background grows by 0.5 entries a day"
    )


# -- rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (13.2 * 24, 15.4 * 24, "reaches 2.0 GiB in 13-15 days"),
        (60.0, 61.0, "reaches 2.0 GiB in 2-3 days"),
        (30.0, 41.4, "reaches 2.0 GiB in 30-41 h"),
        (30.0, 30.2, "reaches 2.0 GiB in 30 h"),
        (0.0, 0.0, "2.0 GiB is reached"),
        (30.0, None, "reaches 2.0 GiB in 30 h at the soonest, if ever"),
    ],
)
def test_time_to_the_limit(low: float, high: float | None, told: str) -> None:
    """In days from two days on, as an interval, open where it may never be."""
    text = trend_text(attrs.evolve(LEAK, to_limit=TimeToLimit(limit=2_048 * MIB, low=low, high=high)))

    assert f"  limit    {told}\n" in text


def test_a_restart_that_does_not_help() -> None:
    """What grows is loaded again."""
    text = trend_text(attrs.evolve(LEAK, resets_on_restart=False))

    assert "  restart  does not bring memory back: what grows is there again after a start\n" in text


@pytest.mark.parametrize(
    ("hours", "told"), [(0.0, "1 min"), (0.4, "24 min"), (72.0, "72 h"), (95.0, "95 h"), (240.0, "10 days")]
)
def test_hours(hours: float, told: str) -> None:
    """Minutes, hours or days."""
    assert trend_text(attrs.evolve(LEAK, hours=hours)).endswith(f" over {told}")


def test_no_more_than_four_owners() -> None:
    """The rest is counted."""
    owners = tuple(attrs.evolve(BACKGROUND, path=f"app.x{at}") for at in range(9))
    text = trend_text(attrs.evolve(LEAK, owners=owners))

    assert text.count("  owner    ") == 4
    assert "  also     5 more owners" in text


# -- safe ------------------------------------------------------------------------------------------


def test_names_cannot_steer_a_terminal() -> None:
    """Versions and paths come from users."""
    evil = "app.\x1b[2J\nx"
    deploy = Deploy(version=evil, before=evil, per_hour_before=0.0, per_hour=1.0)
    text = trend_text(attrs.evolve(LEAK, owners=(attrs.evolve(BACKGROUND, path=evil),), deploy=deploy, notes=(evil,)))

    assert "\x1b" not in text
    assert text.count("\n") == trend_text(LEAK).count("\n") + 1


_NUMBERS = st.floats(-1e15, 1e15)


@given(texts, st.lists(_NUMBERS, min_size=5, max_size=5), st.sampled_from(Verdict), st.integers(0, 1))
def test_it_never_raises_and_says_the_verdict_first(
    name: str, numbers: list[float], verdict: Verdict, known: int
) -> None:
    """Whatever the numbers and names."""
    low, value, high, first, last = numbers
    some = series(name, "entries", (low, value, high), first=first, last=last)
    owner = OwnerTrend(path=name, entries=some, bytes=some if known else None, verdict=verdict)
    trend = Trend(verdict=verdict, because=name, memory=some if known else None, owners=(owner,), hours=abs(first))

    assert trend_text(trend).startswith(f"leakdiff: {verdict}  ")
    assert trend_text(trend) == trend.text()
