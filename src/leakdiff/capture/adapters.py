"""Adapters: how to look into objects of extension types that do not tell gc what they hold."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from leakdiff.errors import BadOption

Contents = Callable[[Any], Iterable[Any]]
Number = Callable[[Any], int]


@attrs.frozen(eq=False)
class Adapter:
    """How to look into the objects of one extension type.

    Attributes:
        name: The type's name with its module, such as ``lru.LRU``.
        members: Returns the objects that one holds.
        items: Returns the keys and values that one holds, as pairs.
        length: Returns how many entries it holds.
        limit: Returns how many it can hold.
        slot: A name that C code must define, so that somebody's own class of the same name is not meant.
        holds_entries: Whether what it holds are entries, rather than parts such as locals.
    """

    name: str
    members: Contents | None = None
    items: Contents | None = None
    length: Number | None = None
    limit: Number | None = None
    slot: str = ""
    holds_entries: bool = True


_built_in: dict[str, Adapter] = {}
_registered: dict[str, Adapter] = {}


def register_adapter(
    name: str,
    *,
    members: Contents | None = None,
    items: Contents | None = None,
    length: Number | None = None,
    limit: Number | None = None,
) -> None:
    """Let leakdiff look into objects of an extension type that does not tell gc what it holds.

    The type is found by its name among the objects of the program; nothing is imported. Subclasses are meant as
    well. What the functions do is done in the middle of a measurement: they should only read, must return what the
    object holds rather than copies of it, and should call the type's own methods (``LRU.items(obj)``), which a
    subclass cannot override. One that raises is noted in the report, and the object is taken to hold nothing.

        leakdiff.register_adapter("lru.LRU", items=lru.LRU.items, length=lru.LRU.__len__, limit=lru.LRU.get_size)

    Args:
        name: The type's module and qualified name, as ``type(obj).__module__`` and ``__qualname__`` have them.
        members: Takes an object and returns the objects it holds.
        items: Instead, for a mapping: returns pairs of keys and values.
        length: Takes an object and returns how many entries it holds; they are counted if it is not given.
        limit: Takes an object and returns how many entries it can hold, after which it lets go of some.

    Raises:
        BadOption: If the name is not one of a type in a module, or a function is missing or cannot be called.
    """
    if type(name) is not str or not all(part.isidentifier() or part == "<locals>" for part in name.split(".")):
        raise BadOption("name", name, "the name of a type with its module, such as 'lru.LRU'")
    if "." not in name or name.startswith("builtins."):
        raise BadOption("name", name, "the name of a type of an extension module, such as 'lru.LRU'")
    if (members is None) == (items is None):
        raise BadOption("members", members, "a function, unless items is one: give one of the two")
    for knob, function in (("members", members), ("items", items), ("length", length), ("limit", limit)):
        if function is not None and not callable(function):
            raise BadOption(knob, function, "a function that takes the object")
    _registered[name] = Adapter(name, members, items, length, limit)


def unregister_adapter(name: str) -> None:
    """Forget an adapter that ``register_adapter`` was given; nothing happens if there is none."""
    _registered.pop(name, None)


def build_in(adapter: Adapter) -> None:
    """Add an adapter that leakdiff ships with; one of the same name that a user registers goes before it."""
    _built_in[adapter.name] = adapter


def adapter_named(name: str) -> Adapter | None:
    """Return the adapter for the type of a name."""
    return _registered.get(name) or _built_in.get(name)


def contents(adapter: Adapter, obj: Any) -> list[Any]:
    """Return what an object holds; what was only made to be returned is left out, for it is gone in a moment."""
    if adapter.items is not None:
        return _lasting([part for key, value in adapter.items(obj) for part in (key, value)])
    return _lasting(list(adapter.members(obj)) if adapter.members is not None else [])


def some_items(adapter: Adapter, obj: Any, most: int) -> tuple[list[Any], list[Any]]:
    """Return the keys and the values of some entries of a mapping; none where that cannot be read."""
    try:
        pairs = list(itertools.islice(adapter.items(obj), most)) if adapter.items is not None else []
        return [key for key, _ in pairs], [value for _, value in pairs]
    except Exception:  # noqa: BLE001 - the walk has noted it
        return [], []


def count(adapter: Adapter, obj: Any) -> int:
    """Return how many entries an object holds."""
    if adapter.length is not None:
        return number(adapter.length, obj) or 0
    try:
        return len(contents(adapter, obj)) // (1 if adapter.items is None else 2)
    except Exception:  # noqa: BLE001 - the walk has noted it
        return 0


def number(read: Number, obj: Any) -> int | None:
    """Return what an adapter reads of an object; None if it raises or is no number."""
    try:
        found = read(obj)
    except Exception:  # noqa: BLE001 - a user's function may raise anything, and there is an answer without it
        return None
    return found if type(found) is int else None


def _counts(found: list[Any]) -> list[int]:
    return [sys.getrefcount(one) for one in found]


_OURS = _counts([object()])[0]  # references to what only our list holds


def _lasting(found: list[Any]) -> list[Any]:
    return [one for one, references in zip(found, _counts(found), strict=True) if references > _OURS]
