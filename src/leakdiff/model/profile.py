"""Where the memory in use comes from, by stack: what pprof shows."""

from __future__ import annotations

import attrs

from leakdiff.model.heap import Site
from leakdiff.model.one_line import one_line


@attrs.frozen
class Sample:
    """What is in use under one stack.

    Attributes:
        stack: The lines, innermost first; for a profile by type or owner, frames with a function and no file.
        objects: Blocks or objects in use; negative in a difference where there are fewer.
        bytes: Their bytes.
    """

    stack: tuple[Site, ...]
    objects: int
    bytes: int

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Profile:
    """Memory in use by stack.

    Attributes:
        taken: UTC seconds.
        by: What a stack is made of: ``sites`` (allocation stacks of tracemalloc), ``types`` or ``owners``.
        samples: Most bytes first.
        seconds: How long the window was, for what was allocated in one; 0 for all that is alive.
        left_out: What is not in it, in sentences.
    """

    taken: float
    by: str
    samples: tuple[Sample, ...] = ()
    seconds: float = 0.0
    left_out: tuple[str, ...] = ()

    __repr__ = one_line
