"""A name for a finding that is the same on the next run, in the next replica, under another Python."""

from __future__ import annotations

import hashlib
import re

# What differs from run to run: UUIDs, addresses, hexadecimal ids, numbers.
_VARYING = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|0x[0-9a-fA-F]+"
    r"|(?<![^\W_])(?=[a-fA-F]*\d)[0-9a-fA-F]{6,}(?![^\W_])"
    r"|\d+"
)
_INLINED = re.compile(r"(?:\.<locals>)?\.<(?:list|dict|set)comp>")  # functions of their own up to 3.11
_SPAWNED = re.compile(r"\b__mp_main__\b")  # what multiprocessing calls __main__ in a child
_QUEUE_INSIDE = " entries"  # a SimpleQueue keeps a list up to 3.12, and an array of its own from 3.13 on
_QUEUE = "_queue.SimpleQueue"


def fingerprint(*parts: str | None) -> str:
    """Return six hex digits of what identifies a finding, such as its owner's name and type.

    What may be another on the next run, in another replica or under another Python does not count: numbers and
    ids in names, and what the interpreter calls its own parts.
    """
    text = "\n".join(_VARYING.sub("#", part) for part in _settled([part for part in parts if part]))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:6]


def _settled(parts: list[str]) -> list[str]:
    """Name the interpreter's own parts the same under every Python."""
    if parts and parts[0].endswith(_QUEUE_INSIDE):
        parts = [parts[0].removesuffix(_QUEUE_INSIDE), _QUEUE, *parts[2:]]
    return [_SPAWNED.sub("__main__", _INLINED.sub("", part)) for part in parts]
