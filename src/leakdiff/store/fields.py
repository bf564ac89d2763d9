"""What one object of a JSON document has, read by name and type; where it is wrong, it is said where."""

from __future__ import annotations

import enum
import math
import types
from collections.abc import Callable
from typing import Any, TypeVar

from leakdiff.store.codec import Malformed

REQUIRED: Any = object()  # the default of what cannot be missing

_CALLED = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "a text",
    types.NoneType: "null",
}
_MOST_BITS = 256  # no count is larger, and what is drawn divides it
_LONGEST_NAME = 100
_TODO = "Take a copy that is whole, or write the report again."

_T = TypeVar("_T")
_Choice = TypeVar("_Choice", bound=enum.StrEnum)


class Fields:
    """An object of a JSON document. What is missing or null has the default, where there is one."""

    def __init__(self, plain: object, at: str) -> None:
        """Look at an object.

        Args:
            plain: What was read.
            at: Where it stands in the document; empty for the document itself.

        Raises:
            Malformed: If it is no object.
        """
        self._held: dict[str, Any] = _of_type(plain, dict, at or "it")
        self._at = at

    def text(self, name: str, default: Any = REQUIRED) -> Any:
        """Return a text."""
        return self._typed(name, str, default)

    def name(self, name: str, default: Any = REQUIRED) -> Any:
        """Return a short text that can be printed as it is."""
        found = self.text(name, default)
        if found is not default and (len(found) > _LONGEST_NAME or not found.isprintable()):
            raise Malformed(f"{self._where(name)} is no name", _TODO)
        return found

    def whole(self, name: str, default: Any = REQUIRED, least: int | None = None) -> Any:
        """Return a whole number, which is not below the least."""
        found = self._typed(name, int, default)
        if found is not default and (found.bit_length() > _MOST_BITS or (least is not None and found < least)):
            raise Malformed(f"{self._where(name)} is out of range", _TODO)
        return found

    def number(self, name: str, default: Any = REQUIRED) -> Any:
        """Return a number, whole or not, that is finite."""
        if type(self._held.get(name)) is int:
            return self.whole(name)
        found = self._typed(name, float, default)
        if found is not default and not math.isfinite(found):
            raise Malformed(f"{self._where(name)} is not finite", _TODO)
        return found

    def flag(self, name: str, default: Any = REQUIRED) -> Any:
        """Return true or false."""
        return self._typed(name, bool, default)

    def choice(self, name: str, choices: type[_Choice], default: Any = REQUIRED) -> Any:
        """Return one of some words."""
        found = self.text(name, default)
        if found is default or found in list(choices):
            return found if found is default else choices(found)
        raise Malformed(
            f"{self._where(name)} is none of {', '.join(choices)}", "If a newer leakdiff wrote it, upgrade leakdiff."
        )

    def value(self, name: str, read: Callable[[Fields], _T], default: Any = REQUIRED) -> Any:
        """Return what is read from an object in it."""
        found = self._typed(name, dict, default)
        return found if found is default else read(Fields(found, self._where(name)))

    def values(self, name: str, read: Callable[[Fields], _T], default: Any = ()) -> tuple[_T, ...]:
        """Return what is read from each object of a list."""
        return tuple(read(Fields(one, at)) for one, at in self._items(name, default))

    def texts(self, name: str, default: Any = ()) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(_of_type(one, str, at) for one, at in self._items(name, default))

    def _items(self, name: str, default: Any) -> list[tuple[Any, str]]:
        found = self._typed(name, list, default)
        return [(one, f"{self._where(name)}[{position}]") for position, one in enumerate(found)]

    def _typed(self, name: str, kind: type, default: Any) -> Any:
        found = self._held.get(name)
        if found is None and default is not REQUIRED:
            return default
        if found is None:
            raise Malformed(f"{self._at or 'it'} has no {name}", _TODO)
        return _of_type(found, kind, self._where(name))

    def _where(self, name: str) -> str:
        return f"{self._at}.{name}" if self._at else name


def _of_type(found: object, kind: type, at: str) -> Any:
    if type(found) is not kind:
        raise Malformed(f"{at} should be {_CALLED[kind]} and is {_CALLED[type(found)]}", _TODO)
    return found
