"""How a text fits where it is printed: width, colour and signs, as the terminal, the file or the pipe allows."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping

NARROWEST, WIDEST = 40, 200
_USUAL = 80  # columns of what cannot say how wide it is

_LABEL = re.compile(r"  [a-z]+(?: {2,}|$)")  # what a row begins with: "  owner  "
_HEADLINE = re.compile(r"leakdiff: (?:[A-Z]{4,}(?: [A-Z]+)?  )?")
_LOOSE = 2  # further columns by which what is wrapped stands to the right
_GAP = re.compile(r"( {2,})")
_VERDICT = re.compile(r"leakdiff: ([A-Z]{4,})(?=(?: [A-Z]+)?  )")
_HUES = {
    "LEAK": "1;31",
    "NATIVE": "1;31",
    "FILLING": "33",
    "WARMUP": "33",
    "CHURN": "33",
    "STABLE": "32",
    "INCONCLUSIVE": "35",
}
_BOLD = "1"
# What stands for the signs of our own that an old encoding does not have; others are escaped.
_PLAIN = {
    **dict.fromkeys("─━—\N{EN DASH}", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╰╯╭╮", "+"),
    "→": "->",
    "…": "...",
    "±": "+/-",
    "\N{MULTIPLICATION SIGN}": "x",
}


# -- what a stream can do --------------------------------------------------------------------------


def is_terminal(stream: object) -> bool:
    """Tell whether a stream is a terminal; what stands in for one may not be able to say."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - the program may have put anything there
        return False


def can_redraw(stream: object, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a line on a stream can be written over."""
    return is_terminal(stream) and environ.get("TERM") != "dumb"


def wants_colour(stream: object, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether to write in colour: on a terminal, unless ``NO_COLOR`` is set; elsewhere with ``FORCE_COLOR``."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return bool(environ.get("FORCE_COLOR")) or is_terminal(stream)


def width_of(stream: object, environ: Mapping[str, str] = os.environ) -> int:
    """Return how many columns there are, between ``NARROWEST`` and ``WIDEST``; ``COLUMNS`` knows better."""
    given = environ.get("COLUMNS", "")
    columns = int(given) if given.isdecimal() and len(given) < 9 else 0
    return min(WIDEST, max(NARROWEST, columns or _columns(stream) or _USUAL))


def _columns(stream: object) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001
        return 0


# -- signs -----------------------------------------------------------------------------------------


def encodable(text: str, encoding: str) -> str:
    """Return a text with every sign that an encoding does not have replaced by a plain one, or by its escape."""
    if _can_encode(text, encoding):
        return text
    missing = [sign for sign in set(text) if not _can_encode(sign, encoding)]
    return text.translate({ord(sign): _PLAIN.get(sign) or _escaped(sign) for sign in missing})


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _escaped(sign: str) -> str:
    return sign.encode("ascii", "backslashreplace").decode("ascii")


# -- width -----------------------------------------------------------------------------------------


def columns_of(text: str) -> int:
    """Return how many columns a text takes: signs of East Asia two, those that combine none."""
    if text.isascii():
        return len(text)
    return sum(_columns_of_sign(sign) for sign in text)


def _columns_of_sign(sign: str) -> int:
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def wrapped(text: str, width: int) -> str:
    """Return a text whose lines are no wider than a terminal, with what follows hanging below what it belongs to.

    Lines break between columns before they break between words, and never within a word: a path stays whole, even
    where it is wider than the terminal.

    Args:
        text: Lines as a report has them, ``  label  what it says``, or without a label.
        width: Columns of the terminal.
    """
    return "\n".join(made for line in text.split("\n") for made in _folded(line, width))


def _folded(line: str, width: int) -> Iterator[str]:
    if columns_of(line) <= width:
        yield line
        return
    start, hang = _beginning(line, width)
    now = start
    for gap, piece in _pieces(line[len(start) :], width - columns_of(start), width - len(hang)):
        if now == start or not now.strip() or columns_of(now) + len(gap) + columns_of(piece) <= width:
            now += gap + piece
        else:
            yield now
            now = hang + piece
    yield now


def _beginning(line: str, width: int) -> tuple[str, str]:
    """Return what stays before the first word, and what stands before all that follows below."""
    if headline := _HEADLINE.match(line):
        return headline[0], " " * _LOOSE
    label = _LABEL.match(line)
    start = label[0] if label else line[: len(line) - len(line.lstrip(" "))]
    return start, " " * min(len(start) + _LOOSE, width // 3)


def _pieces(text: str, first_room: int, room: int) -> Iterator[tuple[str, str]]:
    """Split a text into columns, and those that have no room into words, each with the space before it."""
    parts = ["", *_GAP.split(text)]
    for number, (gap, column) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        if columns_of(column) <= (room if number else first_room):
            yield gap, column
            continue
        for position, word in enumerate(column.split(" ")):
            yield (" " if position else gap), word


# -- colour ----------------------------------------------------------------------------------------


def coloured(text: str) -> str:
    """Return a text with its verdicts in colour and the labels of its rows in bold, as a terminal reads it."""
    return "\n".join(_coloured_line(line) for line in text.split("\n"))


def _coloured_line(line: str) -> str:
    if (verdict := _VERDICT.match(line)) and verdict[1] in _HUES:
        return f"{line[: verdict.start(1)]}{_paint(verdict[1], _HUES[verdict[1]])}{line[verdict.end(1) :]}"
    if label := _LABEL.match(line):
        said = label[0].rstrip()
        return f"  {_paint(said.lstrip(), _BOLD)}{line[len(said) :]}"
    return line


def _paint(text: str, hue: str) -> str:
    return f"\x1b[{hue}m{text}\x1b[0m"
