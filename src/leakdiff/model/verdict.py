"""What leakdiff can say of growth, and what a baseline says of that: the words alone."""

from __future__ import annotations

import enum


class Verdict(enum.StrEnum):
    """How sure we are of what."""

    LEAK = "LEAK"  # grows every round at a steady rate, and no bound was found
    NATIVE = "NATIVE"  # C heap or leaked references grow: no Python object owns it
    FILLING = "FILLING"  # grows towards a known bound and will stop there
    WARMUP = "WARMUP"  # grows more and more slowly
    CHURN = "CHURN"  # rises and falls
    STABLE = "STABLE"  # does not grow, or has stopped
    INCONCLUSIVE = "INCONCLUSIVE"  # cannot be told; the reason says what to do


class Novelty(enum.StrEnum):
    """What a baseline says of a finding."""

    NEW = "NEW"  # not in the baseline
    KNOWN = "KNOWN"  # in it: somebody has looked at it and accepts it for now


ACCUSING = (Verdict.LEAK, Verdict.NATIVE)
