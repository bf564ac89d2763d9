"""A report without texts of any length: what is written of it is of bounded size, whatever a name holds."""

from __future__ import annotations

from typing import Any, TypeVar

import attrs

MOST_CHARACTERS = 4_096  # of one text; the longest path that Linux allows

_T = TypeVar("_T")


def trimmed(value: _T, most: int = MOST_CHARACTERS) -> _T:
    """Return a report, or anything in one, with texts that are too long cut; the same object where none is.

    Args:
        value: The report or finding.
        most: Characters of a text, at most.
    """
    cut: Any = _trimmed(value, most)
    return cut  # type: ignore[no-any-return]


def shortened(text: str, most: int) -> str:
    """Return a text, or its first characters and an ellipsis where it has more than so many."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _trimmed(value: Any, most: int) -> Any:
    if type(value) is str:
        return shortened(value, most)
    if isinstance(value, tuple):
        return _same(value, [_trimmed(held, most) for held in value])
    return _trimmed_fields(value, most) if attrs.has(type(value)) else value


def _same(value: tuple[Any, ...], cut: list[Any]) -> tuple[Any, ...]:
    is_same = all(one is other for one, other in zip(value, cut, strict=True))
    return value if is_same else type(value)(cut)


def _trimmed_fields(value: Any, most: int) -> Any:
    changed = {}
    for field in attrs.fields(type(value)):
        held = getattr(value, field.name)
        if (cut := _trimmed(held, most)) is not held:
            changed[field.name] = cut
    return attrs.evolve(value, **changed) if changed else value
