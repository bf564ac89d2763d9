"""How sure a verdict is: the sentence beside it."""

from __future__ import annotations

import pytest

from builder import bound, growing, rounds_of
from leakdiff.judge.confidence import confidence
from leakdiff.judge.verdicts import judge
from leakdiff.model.evidence import Evidence
from leakdiff.model.report import Verdict
from leakdiff.model.series import Growth, series_of
from leakdiff.model.signals import Phase
from leakdiff.options import another_prime


def evidence_of(*gains: int, later: tuple[int, ...] = (), signal: str = "blocks") -> Evidence:
    """Return the evidence of a run in which a signal gained so much in each confirming and each later round."""
    confirming = rounds_of(signal, gains)
    growth = (Growth(signal, series_of(confirming, signal)),)
    marked = rounds_of(signal, (900, *gains), Phase.MARK)
    watched = rounds_of(signal, later, Phase.WATCH)
    return Evidence(marked=marked, confirming=confirming, watched=watched, suspected=growth, growing=growth)


def test_growth_in_every_one_of_many_rounds_is_sure() -> None:
    """Ten heads in a row are no accident."""
    said = confidence(evidence_of(202, 202, 202, later=(202,) * 6), Verdict.LEAK, ())

    assert said == (
        "sure: memory blocks grew in 12 of 12 rounds, by 2.00 per unit; "
        "by accident that happens less than once in 4,096 times"
    )


def test_growth_with_exceptions_is_fairly_sure() -> None:
    """Rounds that did not grow are told, and what would help."""
    said = confidence(evidence_of(202, 0, 101), Verdict.NATIVE, ())

    assert said == (
        "fairly sure: memory blocks grew in 4 of 6 rounds, by 0.00 to 2.00 per unit; "
        "more rounds would make it surer (rounds=8)"
    )


def test_the_c_heap_is_named_where_blocks_do_not_grow() -> None:
    """The signal that grew is the one that is counted."""
    assert "bytes of the C heap grew in 6 of 6" in confidence(
        evidence_of(3_232, 3_232, 3_232, signal="native_bytes"), Verdict.NATIVE, ()
    )


def test_rest_says_what_would_not_have_shown() -> None:
    """A clean run of 101 units a round knows nothing of what leaks once in a thousand."""
    assert judge(Evidence(marked=rounds_of("blocks", (0, 0, 0), Phase.MARK))).confidence == (
        "sure of what leaks at least once in 101 units; what leaks more rarely shows with more units a round"
    )


def test_what_fills_up_is_as_sure_as_its_bound() -> None:
    """A bound that was read is believed, and named."""
    evidence = evidence_of(101, 101, 101)
    findings = judge(
        Evidence(
            suspects=(growing("parse", bound=bound(312)),),
            deep_units=303,
            growing=evidence.growing,
            suspected=evidence.suspected,
            confirming=evidence.confirming,
        )
    ).findings

    assert confidence(evidence, Verdict.FILLING, findings) == "sure, as far as lru_cache(maxsize) is enforced"


@pytest.mark.parametrize(("units", "prime"), [(1, 3), (2, 3), (7, 11), (101, 151), (1_009, 1_523)])
def test_another_prime_is_half_as_large_again(units: int, prime: int) -> None:
    """What comes at multiples of one number of units does not come at multiples of both."""
    assert another_prime(units) == prime
