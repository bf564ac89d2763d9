"""Why something grows, by the name the runbook has for it."""

from __future__ import annotations

import attrs

from leakdiff.model.one_line import one_line


@attrs.frozen
class Cause:
    """One kind of mistake.

    Attributes:
        slug: Its stable name; docs/how-to/causes/<slug>.md explains it.
        title: What it is, in a few words.
        why: Why that grows, in one or two plain sentences.
        fix: What to do, in one sentence.
        pattern: The fix as a few lines of Python.
    """

    slug: str
    title: str
    why: str
    fix: str
    pattern: str

    __repr__ = one_line
