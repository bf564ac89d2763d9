"""What is known of growth that no Python object owns."""

from __future__ import annotations

import attrs

from leakdiff.model.one_line import one_line

C_HEAP = "C heap"
LEAKED_REFERENCES = "leaked references"
DESCRIPTORS = "file descriptors"
HIDDEN_CYCLE = "hidden cycle"  # through an object that hides its references from gc
FROZEN = "frozen cycle"  # out of the collector's sight since the program called gc.freeze()
UNCOLLECTED = "uncollected cycles"  # nobody collects


@attrs.frozen
class CCall:
    """A C function, and what it was seen to leave behind.

    Attributes:
        function: Its qualified name, such as ``ujson.dump``.
        module: The extension module that defines it.
        distribution: The installed distribution it comes from and its version, such as ``ujson 5.12.0``; empty for
            the interpreter's own.
        calls: Calls per unit.
        bytes: Bytes of the C heap per unit that stay.
        blocks: Python memory blocks per unit that stay.
    """

    function: str
    module: str
    distribution: str
    calls: float
    bytes: float
    blocks: float

    __repr__ = one_line


@attrs.frozen
class NativeEvidence:
    """The evidence for a native leak.

    Attributes:
        kind: ``C heap``, ``leaked references``, ``hidden cycle`` or ``frozen cycle``.
        calls: C functions that leave something behind, the heaviest first.
        references: Reference-count arithmetic in a sentence, such as ``reference count 2, 1 visible referrer``.
        reproduce: A command that shows it again.
    """

    kind: str
    calls: tuple[CCall, ...] = ()
    references: str = ""
    reproduce: str = ""

    __repr__ = one_line
