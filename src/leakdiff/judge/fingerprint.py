"""A name for a finding that is the same on the next run, in the next replica, under another Python."""

from __future__ import annotations

import hashlib
import re

_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")


def fingerprint(*parts: str | None) -> str:
    """Return six hex digits of what identifies a finding; numbers in names (thread 7) do not count."""
    text = "\n".join(_NUMBERS.sub("#", part) for part in parts if part)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:6]
