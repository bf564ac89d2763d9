"""Names of instance attributes, found without making instances keep a ``__dict__``.

Since 3.11 an instance keeps its attributes in place until someone reads its ``__dict__``; from then on, on 3.11 and
3.12 for good, it carries a dict. A snapshot names thousands of containers and must not leave that behind: it asks for
the names that the code of the class mentions.
"""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from typing import Any

from leakdiff.capture.kinds import derives, dict_of_type, mro_of

_read: Any = object.__getattribute__  # never calls __getattr__, nor a __getattribute__ of the class
_MISSING = object()
_FIRST_KEYS = 4
_LISTS_OF_NAMES = ("__match_args__", "__static_attributes__")
_DICTS_BY_NAME = ("__annotations__", "__dataclass_fields__")


class AttributeNames:
    """The attribute names that the code of a class mentions, by class; lives no longer than one naming."""

    def __init__(self) -> None:
        self._by_class: dict[int, tuple[type, tuple[str, ...]]] = {}

    def name_of(self, obj: object, value: object) -> str | None:
        """Return the attribute under which an instance keeps a value in place; None if no known name does."""
        for name in self._names(type(obj)):
            try:
                if _read(obj, name) is value:
                    return name
            except AttributeError:
                continue
        return None

    def _names(self, cls: type) -> tuple[str, ...]:
        known = self._by_class.get(id(cls))
        if known is None:
            names = () if derives(cls, type, types.ModuleType) else _names_in_code(cls)
            bases = [dict_of_type(base) for base in mro_of(cls)]
            own = tuple(name for name in names if not any(name in base for base in bases))  # those may be descriptors
            known = self._by_class[id(cls)] = cls, own
        return known[1]


def known_attributes(obj: object) -> list[tuple[Any, Any]]:
    """Return names and values of an instance's attributes, without making it keep a ``__dict__``.

    All of them where it keeps a dict already, else those that the code of its class mentions.
    """
    for ref in gc.get_referents(obj):
        if type(ref) is dict and is_instance_dict(obj, ref):
            try:
                return list(dict.items(ref))
            except RuntimeError:  # another thread changed it while we looked
                return []
    pairs = ((name, read_in_place(obj, name)) for name in _names_in_code(type(obj)))
    return [(name, value) for name, value in pairs if value is not _MISSING]


def read_in_place(obj: object, name: str) -> object:
    """Return an instance's own attribute without its ``__dict__`` and without running any code; else a marker.

    Names that a class of it defines are left out: those may be descriptors.
    """
    cls = type(obj)
    if derives(cls, type, types.ModuleType) or any(name in dict_of_type(base) for base in mro_of(cls)):
        return _MISSING
    try:
        return _read(obj, name)
    except AttributeError:
        return _MISSING


def is_instance_dict(obj: object, candidate: dict[Any, Any]) -> bool:
    """Tell whether a dict is the ``__dict__`` of an instance that refers to it: its keys are attributes then."""
    try:
        pairs = [pair for pair, _ in zip(dict.items(candidate), range(_FIRST_KEYS), strict=False)]
    except RuntimeError:  # another thread changed it while we looked
        return False
    names = [(key, value) for key, value in pairs if type(key) is str]
    return len(names) == len(pairs) > 0 and all(read_in_place(obj, name) is value for name, value in names)


def _names_in_code(cls: type) -> Iterator[str]:
    seen: set[str] = set()
    for base in mro_of(cls):
        for name in _names_of_class(dict_of_type(base)):
            if name not in seen:
                seen.add(name)
                yield name


def _names_of_class(namespace: Any) -> Iterator[str]:
    for listed in _LISTS_OF_NAMES:
        found = namespace.get(listed)
        if type(found) is tuple:
            yield from (name for name in found if type(name) is str)
    for listed in _DICTS_BY_NAME:
        found = namespace.get(listed)
        if type(found) is dict:
            yield from (name for name in dict.keys(found) if type(name) is str)
    for member in tuple(namespace.values()):
        if type(member) is types.FunctionType:
            code: types.CodeType = types.FunctionType.__dict__["__code__"].__get__(member)
            yield from code.co_names
            yield from (text for text in code.co_consts if type(text) is str and text.isidentifier())
