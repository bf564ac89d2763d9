"""Why something grows: the first cause whose rule fits a finding."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from leakdiff.judge.cause_rules import RULES, growing
from leakdiff.judge.cause_table import CAUSES
from leakdiff.model.cause import Cause
from leakdiff.model.report import Finding, Verdict

__all__ = ["CAUSES", "cause_of"]

_EXPLAINED = (Verdict.LEAK, Verdict.NATIVE, Verdict.INCONCLUSIVE)
_NOTHING: Mapping[str, float] = MappingProxyType({})


def cause_of(finding: Finding, *, per_unit: Mapping[str, float] = _NOTHING) -> Cause | None:
    """Return the kind of mistake behind a finding, or None where none fits or nothing is wrong.

    Args:
        finding: What grows, and who holds it.
        per_unit: Rates of signals of the whole process per unit, by name: ``fds``, ``threads``, ``blocks``,
            ``native_bytes``, ``rss``. A signal that is missing was not measured.
    """
    if finding.verdict not in _EXPLAINED:
        return None
    seen = growing(finding, per_unit)
    return next((CAUSES[slug] for slug, fits in RULES if fits(seen)), None)
