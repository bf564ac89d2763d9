"""How a value shows itself at a prompt: one line, bounded and printable, that says how much rather than what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

LONGEST = 200  # characters of a repr
_LONGEST_TEXT = 80
IN_BYTES = {"in_bytes": True}  # metadata of a field whose name does not say so
_IN_BYTES = re.compile(r".*bytes|bytes_.*|rss|uss|pss|shared|native|usage|anon|file|inactive_file|memory")


def one_line(self: object) -> str:
    """Return what ``repr`` of an attrs value is: its name, then its fields as far as they say something.

    Texts and numbers are shown, of collections how much they hold. Set it in the class: ``__repr__ = one_line``.
    """
    fields = list(told_fields(self))
    first = [fields.pop(0)[1]] if fields and type(getattr(self, fields[0][0])) is str else []
    told = ", ".join([*first, *(f"{name} {text}".rstrip() for name, text in fields)])
    return bounded(f"<{type(self).__name__} {told}".rstrip() + ">")


def bounded(text: str, most: int = LONGEST) -> str:
    """Return a text in one line, printable and at most so many characters long; one of ours keeps its last ``>``."""
    from leakdiff.render.plain import printable

    shown = printable(text[: most + 1])
    if len(shown) <= most:
        return shown
    end = "...>" if text.startswith("<") else "..."
    return shown[: most - len(end)] + end


def told_fields(value: object) -> Iterator[tuple[str, str]]:
    """Yield names and short texts of the fields of an attrs value that say something: of collections how many."""
    for field in attrs.fields(type(value)):  # type: ignore[arg-type]
        held = getattr(value, field.name)
        if field.repr and not _says_nothing(held):
            yield field.name, _part(held, is_bytes="in_bytes" in field.metadata or _says_bytes(field.name))


def _says_nothing(held: Any) -> bool:
    return held is None or held is False or (isinstance(held, str | tuple | list | frozenset | Mapping) and not held)


def _says_bytes(name: str) -> bool:
    return _IN_BYTES.fullmatch(name) is not None


def _part(held: Any, *, is_bytes: bool) -> str:
    from leakdiff.render.plain import size

    if isinstance(held, str):
        return bounded(str(held), _LONGEST_TEXT)
    if type(held) in (int, float):
        return size(held) if is_bytes else _number(held)
    if isinstance(held, tuple | list | frozenset | Mapping):
        return f"{len(held):,}"
    return "" if held is True else _inner(held)


def _inner(held: object) -> str:
    """Return another value within one's own repr, without its brackets."""
    shown = str(held)
    own = f"<{type(held).__name__} "
    return bounded(shown[len(own) : -1] if shown.startswith(own) else shown, _LONGEST_TEXT)


def _number(held: float) -> str:
    return f"{held:,}" if type(held) is int else f"{held:,.6g}"
