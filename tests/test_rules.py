"""Rules: what a suspect is, and the reason that a stranger can check."""

from __future__ import annotations

import itertools

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import bound, growing, orphaned
from leakdiff.judge.rules import RULES, Opinion, opinion_on
from leakdiff.model.evidence import Suspect
from leakdiff.model.owner import EntryType
from leakdiff.model.report import Verdict


def test_an_owner_that_gains_in_every_round_leaks() -> None:
    """Growth in all the rounds that watched it, without a bound, is a leak."""
    assert opinion_on(growing("cache", lengths=(303, 404, 505, 606))) == Opinion(
        Verdict.LEAK, "grew in 3 of 3 further rounds by 1.00 entries per unit, up to 606, and no bound was found"
    )


def test_an_owner_nobody_could_watch_leaks_by_what_is_still_held() -> None:
    """Where a length cannot be read, objects born in every round and still alive are the evidence."""
    assert opinion_on(growing("queue", entries=0)) == Opinion(
        Verdict.LEAK, "what was born in every one of the rounds is still held, and no bound was found"
    )


def test_a_buffer_leaks_bytes() -> None:
    """What grows in a buffer is counted in bytes, not in entries."""
    log = growing("log", 0, entries=0, buffer_bytes=30_300, lengths=(0, 10_100, 20_200, 30_300))

    assert opinion_on(log) == Opinion(
        Verdict.LEAK, "grew in 3 of 3 further rounds by 100.00 bytes per unit, up to 30,300, and no bound was found"
    )


def test_an_owner_whose_lows_rise_leaks_although_it_falls() -> None:
    """What is cleared lazily falls now and then, but never back to where it was."""
    gains = (*(101,) * 10, -700, *(101,) * 16, -1_200, *(101,) * 3)
    lengths = tuple(itertools.accumulate(gains, initial=555))

    assert opinion_on(growing("timers", lengths=lengths)) == Opinion(
        Verdict.LEAK, "grew in 29 of 31 further rounds by 0.33 entries per unit, up to 1,584, and no bound was found"
    )


def test_an_owner_that_falls_to_where_it_was_rises_and_falls() -> None:
    """A buffer that is flushed when it is full is no leak, wherever a round finds it."""
    lengths = (55, 298, 597, 17, 298, 680, 40, 340, 708, 2, 284)

    assert opinion_on(growing("buffer", lengths=lengths)) == Opinion(
        Verdict.CHURN, "rises and falls: between 2 and 708 entries"
    )


def test_a_rebuilt_list_of_weak_references_is_known_by_its_entries() -> None:
    """What is new in a list that was replaced is not known, but what it holds is."""
    weak, strong = EntryType("weakref.ReferenceType", 1.0, 72.0), EntryType("app.Job", 1.0, 56.0)
    lengths = (303, 404, 505, 606)
    rebuilt = growing("cursors", entries=0, types={}, lengths=lengths, entry_types=(weak,))

    assert opinion_on(rebuilt) == Opinion(
        Verdict.STABLE, "holds weak references only; they go when what they point to goes"
    )
    opinion = opinion_on(growing("jobs", entries=0, types={}, lengths=lengths, entry_types=(strong,)))
    assert opinion is not None
    assert opinion.verdict is Verdict.LEAK


def test_a_bounded_cache_is_filling() -> None:
    """A container that says how far it goes is no leak before it is there."""
    lru = growing("parse", bound=bound(312), lengths=(110, 211, 312))

    assert opinion_on(lru) == Opinion(Verdict.FILLING, "312 of 1,000 entries filled; lru_cache(maxsize) stops it there")


@pytest.mark.parametrize("filled", [1_000, 1_001])
def test_a_full_cache_is_stable(filled: int) -> None:
    """At its bound a container no longer grows."""
    lru = growing("parse", bound=bound(filled), lengths=(900, 1_000, 1_000))

    assert opinion_on(lru) == Opinion(Verdict.STABLE, "full: lru_cache(maxsize) keeps it at 1,000 entries")


def test_an_owner_that_has_stopped_is_stable() -> None:
    """Five rounds without a gain end the suspicion."""
    assert opinion_on(growing("cache", lengths=(303, 404, *[404] * 5))) == Opinion(
        Verdict.STABLE, "stopped growing at 404 entries"
    )


def test_a_buffer_that_has_stopped_is_stable() -> None:
    """The same for bytes."""
    log = growing("log", 0, entries=0, buffer_bytes=64, lengths=(64, *[4_096] * 6))

    assert opinion_on(log) == Opinion(Verdict.STABLE, "stopped growing at 4,096 bytes")


def test_one_round_without_a_gain_is_not_the_end() -> None:
    """A leak that happens once in a while has quiet rounds."""
    opinion = opinion_on(growing("cache", lengths=(303, 304, 304, 305)))

    assert opinion is not None
    assert opinion.verdict is Verdict.LEAK


def test_an_owner_that_is_emptied_churns() -> None:
    """What falls by more than a round adds has someone who removes."""
    assert opinion_on(growing("batch", lengths=(100, 201, 302, 0, 101))) == Opinion(
        Verdict.CHURN, "rises and falls: between 0 and 302 entries"
    )


def test_a_small_fall_does_not_excuse() -> None:
    """One entry less in one of the rounds is not a cleanup."""
    opinion = opinion_on(growing("cache", lengths=(100, 200, 199, 300, 400)))

    assert opinion is not None
    assert opinion.verdict is Verdict.LEAK


def test_an_owner_that_gains_less_and_less_is_warming_up() -> None:
    """Keys from a limited set come back more and more often."""
    assert opinion_on(growing("cache", lengths=(0, 600, 900, 1_100, 1_200, 1_250, 1_280))) == Opinion(
        Verdict.WARMUP,
        "grows more and more slowly: 4.46 entries per unit at first, 0.40 at last; "
        "going on like that it stops at about 1,313",
    )


def test_chance_is_no_slowing_down() -> None:
    """A rare leak gains three entries in one round and one in another."""
    opinion = opinion_on(growing("cache", lengths=(0, 3, 5, 6)))

    assert opinion is not None
    assert opinion.verdict is Verdict.LEAK


def test_small_falls_at_both_ends_leave_an_opinion() -> None:
    """Lengths that fall a little before and after a rise are judged like any others."""
    assert opinion_on(growing("cache", lengths=(100, 96, 106, 102))) is not None


def test_a_rate_below_that_of_the_deep_rounds_is_slowing_down() -> None:
    """What it gained before it was watched counts as its beginning."""
    suspect = attrs.evolve(growing("cache", lengths=(0, 101, 202, 303)), rate=4.0)
    opinion = opinion_on(suspect)

    assert opinion is not None
    assert opinion.verdict is Verdict.WARMUP


def test_one_fall_by_less_than_a_round_adds_does_not_excuse() -> None:
    """A map from which someone removes a few once goes on growing."""
    opinion = opinion_on(growing("cache", lengths=(100, 200, 160, *range(260, 2_260, 100))))

    assert opinion is not None
    assert opinion.verdict is Verdict.LEAK


@pytest.mark.parametrize("name", ["weakref.ReferenceType", "weakref.KeyedRef", "weakref.WeakMethod"])
def test_a_registry_of_weak_references_is_stable(name: str) -> None:
    """Dead weak references are entries, and hold nothing."""
    registry = growing("registry", types={name: 303}, lengths=(303, 404, 505))

    assert opinion_on(registry) == Opinion(
        Verdict.STABLE, "holds weak references only; they go when what they point to goes"
    )


def test_one_object_in_flight_is_no_accusation_of_a_registry_of_weak_references() -> None:
    """With few entries a single other object is more than a tenth of them."""
    registry = growing("registry", 9, types={"weakref.ReferenceType": 8, "app.Call": 1}, lengths=(300, 304, 309))

    assert opinion_on(registry) == Opinion(
        Verdict.STABLE, "holds weak references only; they go when what they point to goes"
    )


def test_a_weak_reference_beside_each_object_does_not_excuse() -> None:
    """Objects that are weakly referenced as well are held all the same."""
    cache = growing("cache", 606, types={"app.Result": 303, "weakref.ReferenceType": 303}, lengths=(1, 102, 203))
    opinion = opinion_on(cache)

    assert opinion is not None
    assert opinion.verdict is Verdict.LEAK


def test_no_rule_has_an_opinion_on_orphans() -> None:
    """What has no owner is judged by the growth of the whole process."""
    assert opinion_on(orphaned()) is None


def test_a_users_rule_comes_before_ours() -> None:
    """Rules are functions in an order; the first with an opinion wins."""

    def known(suspect: Suspect) -> Opinion | None:
        return Opinion(Verdict.STABLE, "we know") if suspect.owner.name == "app.cache" else None

    rules = (known, *RULES)

    assert opinion_on(growing("cache"), rules) == Opinion(Verdict.STABLE, "we know")
    assert opinion_on(growing("other"), rules) == opinion_on(growing("other"))


def test_rules_say_in_a_sentence_what_they_excuse() -> None:
    """A reader of the tuple learns what is judged, and in which order."""
    assert [rule.__name__ for rule in RULES] == [
        "only_weak_references",
        "bounded_and_filling",
        "rises_and_falls",
        "stopped_growing",
        "slows_down",
        "grows_for_ever",
    ]
    assert all(rule.__doc__ for rule in RULES)


@given(st.lists(st.integers(0, 10**9), max_size=9))
def test_any_owner_gets_an_opinion_with_a_reason(lengths: list[int]) -> None:
    """However the length went on, there is one verdict, and why."""
    opinion = opinion_on(growing("cache", lengths=tuple(lengths)))

    assert opinion is not None
    assert opinion.because


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=9).map(sorted))
def test_what_never_rises_less_than_before_always_leaks(gains: list[int]) -> None:
    """No pace of growth excuses growth that does not slow down."""
    opinion = opinion_on(growing("cache", lengths=tuple(sum(gains[:at]) for at in range(len(gains) + 1))))

    assert opinion is not None
    assert opinion.verdict is Verdict.LEAK


@given(st.lists(st.integers(0, 1_000), max_size=9))
def test_a_bound_is_never_a_leak(lengths: list[int]) -> None:
    """Whatever its length does below the bound, what is bounded does not grow for ever."""
    suspect = growing("cache", lengths=tuple(lengths))
    opinion = opinion_on(attrs.evolve(suspect, owner=attrs.evolve(suspect.owner, bound=bound(5))))

    assert opinion is not None
    assert opinion.verdict is Verdict.FILLING


def test_a_bound_that_the_length_has_passed_is_none() -> None:
    """What holds more than its limit allows is not limited by it."""
    suspect = growing("cache", lengths=(1_000, 1_101, 1_202, 1_303, 1_404, 1_505, 1_606))
    opinion = opinion_on(attrs.evolve(suspect, owner=attrs.evolve(suspect.owner, bound=bound(5))))

    assert opinion is not None
    assert opinion.verdict is Verdict.LEAK
