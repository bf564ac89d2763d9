"""Names as a picture shows them: printable, of bounded length, and measured in the columns that they take."""

from __future__ import annotations

import sys
import textwrap
import unicodedata

from leakdiff.render.plain import printable

LONGEST = 200  # characters of a name that are kept at all, for tooltips
_CUT = "…"


def bounded(text: str, most: int = LONGEST) -> str:
    """Return a text printable, and of so many characters at most: a longer one without its middle."""
    if len(text) > 2 * most:  # a name of 10 MB is cut before anything reads it through
        text = text[:most] + text[-most:]
        text = printable(text)
        return text[: most // 2] + _CUT + text[len(text) - (most - most // 2 - 1) :]
    text = printable(text)
    return text if len(text) <= most else text[: most // 2] + _CUT + text[len(text) - (most - most // 2 - 1) :]


def clipped(text: str, most: int, cut: str = _CUT) -> str:
    """Return a text in so many columns at most: a longer one without its middle."""
    if columns(text) <= most:
        return text
    left = max(0, most - len(cut))
    head = _fitting(text, left - left // 2)
    tail = _fitting(text[::-1], left // 2)[::-1]
    return (head + cut + tail)[: max(most, 0)] if left else cut[: max(most, 0)]


def wrapped(text: str, most: int) -> list[str]:
    """Return a text in lines of so many columns at most, three lines at most."""
    is_wide = columns(text) != len(text)  # its characters may take two columns each
    return textwrap.wrap(text, max(10, most // 2 if is_wide else most), max_lines=3, placeholder=" ...")


def columns(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def can_be_written(text: str) -> bool:
    """Tell whether standard output has an encoding for a text."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def ascii_only(text: str) -> str:
    """Return a text with what is not ASCII escaped, for terminals that have no more."""
    return text.replace(_CUT, "...").encode("ascii", "backslashreplace").decode()


def _fitting(text: str, most: int) -> str:
    taken = 0
    for position, char in enumerate(text):
        taken += _width(char)
        if taken > most:
            return text[:position]
    return text


def _width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
