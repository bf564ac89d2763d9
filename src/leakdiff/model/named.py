"""Sequences of values that have a name each: taken out by it, completed by it, and shown in one line."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, Self, SupportsIndex, TypeVar, overload

from leakdiff.errors import NoSuchName
from leakdiff.model.one_line import bounded
from leakdiff.model.showing import Showing
from leakdiff.model.shown import Shown

T = TypeVar("T")
_MOST_COMPLETED = 10_000
_MOST_COMPARED = 10_000  # names that difflib is given: a millisecond for a hundred of them
_MOST_NEAR = 3
_MOST_SHORT = 5  # members in a repr
_LONGEST_COMPARED = 200
_ALIKE = 0.5


class Named(Showing, tuple[T, ...]):  # noqa: SLOT001 - a tuple cannot have slots with names
    """A tuple of values with names: ``findings[0]``, ``findings[:2]``, ``findings["3f9a2c"]``.

    Slices, and what methods like ``like`` return, are of the same class.

    Attributes:
        note: Why it may be empty; empty itself where that says all.
    """

    one: ClassVar[str] = "entry"  # what a member is called in messages
    _between: ClassVar[str] = ", "
    note: str

    def __new__(cls, values: Iterable[T] = (), note: str = "") -> Self:
        """Make one of any values, in their order."""
        made = super().__new__(cls, values)
        made.note = note
        return made

    @overload
    def __getitem__(self, at: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    @overload
    def __getitem__(self, at: str) -> T: ...
    def __getitem__(self, at: SupportsIndex | slice | str) -> T | Self:
        """Return a value by its number or its name, or a part of them by a slice.

        Raises:
            NoSuchName: If none has this name; says which are near. It is a ``KeyError``.
        """
        if isinstance(at, str):
            return self._named(at)
        found = super().__getitem__(at)
        return type(self)(found, self.note) if isinstance(at, slice) else found  # type: ignore[arg-type,return-value]

    def __repr__(self) -> str:
        head = f"<{type(self).__name__} {len(self):,}"
        if not self:
            return bounded(f"{head}: {self.note}>" if self.note else f"{head}>")
        first = self._between.join(self._short(value) for value in self[:_MOST_SHORT])
        return bounded(f"{head}: {first}{self._between + '...' if len(self) > _MOST_SHORT else ''}>")

    def __contains__(self, what: object) -> bool:
        """Tell whether a value is among them, or one that has this name."""
        if isinstance(what, str):
            return any(what in self.names_of(value) for value in self)
        return super().__contains__(what)

    def names(self) -> list[str]:
        """Return the names, in their order."""
        return [self.names_of(value)[0] for value in self]

    def like(self, text: str) -> Self:
        """Return those of which a name contains a text, in any case."""
        wanted = text.casefold()
        found = (value for value in self if any(wanted in name.casefold() for name in self.names_of(value)))
        return type(self)(found, self.note)

    @staticmethod
    def names_of(value: Any) -> tuple[str, ...]:
        """Return the names by which a value is found, the one it is told by first."""
        return (value.name,)

    def why(self) -> Shown:
        """Return them as a table that shows itself at a prompt."""
        from leakdiff.render.sheets import sheets_of, sheets_text

        return Shown(sheets_text(sheets_of(self)))

    def _named(self, name: str) -> T:
        for value in self:
            if name in self.names_of(value):
                return value
        raise NoSuchName(self.one, bounded(name, _LONGEST_COMPARED), self._near(name), len(self), self.note)

    def _near(self, name: str) -> list[str]:
        """Return names that contain a text, then those that look like it."""
        known = [known for value in self[:_MOST_COMPARED] for known in self.names_of(value)]
        if not name or len(name) > _LONGEST_COMPARED:
            return []
        containing = [one for one in known if name.casefold() in one.casefold()]
        comparable = [one for one in known if len(one) <= _LONGEST_COMPARED]
        alike = difflib.get_close_matches(name, comparable, _MOST_NEAR, _ALIKE)
        return [bounded(one, _LONGEST_COMPARED) for one in dict.fromkeys([*containing, *alike])][:_MOST_NEAR]

    def _short(self, value: T) -> str:
        """Return a member as it stands in the repr of all."""
        return self.names_of(value)[0][:_LONGEST_COMPARED]

    def _ipython_key_completions_(self) -> list[str]:
        return self.names()[:_MOST_COMPLETED]


class part(Generic[T]):  # noqa: N801 - it decorates, as property does
    """An attribute that is made when it is asked for.

    A ``property`` would do, but for completion: IPython evaluates ``snapshot.types["`` only where that runs no
    property, of which it cannot know what it does.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, of: None, cls: type) -> Self: ...
    @overload
    def __get__(self, of: object, cls: type) -> T: ...
    def __get__(self, of: object | None, cls: type) -> T | Self:
        return self if of is None else self._make(of)
