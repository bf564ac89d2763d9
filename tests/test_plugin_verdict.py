"""Which findings fail a test: values in, an answer out."""

from __future__ import annotations

import attrs
import pytest

from leakdiff.judge.novelty import rate_of
from leakdiff.model.native import DESCRIPTORS
from leakdiff.model.report import Novelty, Report, Verdict
from leakdiff.model.signals import Rate
from leakdiff.options import Options
from leakdiff.testing.demands import make_demands
from leakdiff.testing.verdict import fails
from reported import seen

CACHE = seen("app: module ─ .cache: dict ─ [*]: app.Order").finding
FILES = attrs.evolve(
    seen("file descriptors: native", depth=1, is_owned=False, owner_type=DESCRIPTORS, entries=None).finding,
    per_unit=Rate(objects=0.0, bytes=0.0, blocks=-1.0, native_bytes=-3_060.0, descriptors=1.0),
)


def report(finding: object) -> Report:
    """Return the report of a check that found one leak."""
    return Report(verdict=Verdict.LEAK, because="it grew", findings=(finding,))  # type: ignore[arg-type]


def test_descriptors_fail_a_test_whatever_the_heap_does() -> None:
    """The rest of the process may shrink meanwhile: what leaks is what the finding says."""
    assert rate_of(FILES) == (1.0, "descriptors")
    assert fails(report(FILES), make_demands(Options(), {}))
    assert fails(report(FILES), make_demands(Options(), {"max_growth": 0.5}))
    assert not fails(report(FILES), make_demands(Options(), {"max_growth": 1}))


def test_a_leak_without_a_rate_fails_where_none_is_allowed() -> None:
    """A report that says LEAK never lets a test pass unnoticed."""
    still = attrs.evolve(CACHE, entries_per_unit=None, per_unit=Rate(objects=0.0, bytes=0.0))

    assert fails(report(still), make_demands(Options(), {}))


@pytest.mark.parametrize("pattern", ["app.cache", "app.*", "dict", "3f9a2c"])
def test_owners_types_and_fingerprints_may_be_ignored(pattern: str) -> None:
    """By patterns, as of fnmatch."""
    assert fails(report(CACHE), make_demands(Options(), {"ignore": "other.*"}))
    assert not fails(report(CACHE), make_demands(Options(), {"ignore": ["other.*", pattern]}))


def test_what_the_baseline_knows_does_not_fail() -> None:
    """Nor does a verdict that the test allows."""
    assert not fails(report(attrs.evolve(CACHE, novelty=Novelty.KNOWN)), make_demands(Options(), {}))
    assert not fails(report(CACHE), make_demands(Options(), {"verdicts": ["NATIVE"]}))


def test_what_cannot_be_told_fails_unless_allowed() -> None:
    """A check that cannot tell is no pass."""
    unclear = Report(verdict=Verdict.INCONCLUSIVE, because="too few rounds")

    assert fails(unclear, make_demands(Options(), {}))
    assert not fails(unclear, make_demands(Options(), {"verdicts": "LEAK"}))
