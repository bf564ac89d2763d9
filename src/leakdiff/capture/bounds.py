"""Limits that a program sets itself: an attribute named like one, and code that reads it."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from leakdiff.capture.attributes import known_attributes
from leakdiff.capture.containers import length_of, pairs_of
from leakdiff.capture.kinds import dict_of_module, dict_of_type, is_exactly, mro_of, type_name
from leakdiff.model.heap import Bound

# What measures something else than entries, such as HIGH_WATER_LIMIT, is no limit of a container.
_LIMIT_NAMES = re.compile(
    r"(?!.*(?:water|bytes?|chunk|body|header|timeout|depth))"
    r"_*(?:[a-z]+_+)*(max_?(size|len|length|entries|items|count|keys|cache)?|cap|capacity|limit|size_limit|cache_?size|bound)$",
    re.IGNORECASE,
)
_SAYS_NOTHING = (  # what these mention is not enforced by them
    "__init__",
    "__repr__",
    "__str__",
    "__eq__",
    "__hash__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
    "__getstate__",
)
_code_of: Callable[[Any], types.CodeType] = types.FunctionType.__dict__["__code__"].__get__


def attribute_bound(holder: Any, chain: Sequence[Any]) -> Bound | None:
    """Find an attribute named like a limit on an object of the chain that ends in the container it may bound."""
    is_namespace = is_exactly(type(holder), dict, types.ModuleType, types.FunctionType)
    if is_namespace:
        return None
    attributes = known_attributes(holder)
    filled = length_of(chain[-1])
    own = [*attributes, *(pair for base in mro_of(type(holder)) for pair in dict_of_type(base).items())]
    constants = _module_names(type(holder))
    for at, (name, value) in enumerate([*own, *constants]):
        is_limit = type(value) is int and type(name) is str and _LIMIT_NAMES.fullmatch(name)
        if (
            is_limit
            and value >= filled > 0
            and _is_enforced(type(holder), name, _way_to(chain, attributes), is_own=at < len(own))
        ):
            return Bound(f"{type_name(type(holder))}.{name}", value, filled)
    return None


def module_bound(namespace: dict[str, Any], chain: Sequence[Any]) -> Bound | None:
    """Find a constant named like a limit in the module that holds the container itself."""
    filled = length_of(chain[-1])
    container = next((name for name, value in pairs_of(namespace) if value is chain[-1]), None)
    codes = list(_codes([value for _, value in pairs_of(namespace)]))
    for name, value in pairs_of(namespace):
        is_limit = type(value) is int and type(name) is str and _LIMIT_NAMES.fullmatch(name)
        if is_limit and value >= filled > 0 and any({name, container} <= set(code.co_names) for code in codes):
            return Bound(name, value, filled)
    return None


def _way_to(chain: Sequence[Any], attributes: Sequence[tuple[Any, Any]]) -> str | None:
    """Return the attribute by which an object leads on along the chain."""
    names = [name for name, value in attributes if any(value is link for link in chain)]
    return names[0] if names and type(names[0]) is str else None


def _is_enforced(cls: type, limit: str, container: str | None, *, is_own: bool) -> bool:
    """Tell whether some function reads the limit where it also names the container; C code is believed.

    Looked at are the names in the code of the class's methods and of its module's functions. A method that names
    the container, such as ``qsize``, stands for it. A constant of the module may be about anything else in it, so
    that ``len`` alone does not tell; an attribute of the object is its own.
    """
    members = [member for base in mro_of(cls) for member in dict_of_type(base).values()]
    names = {limit, *_properties_for(limit, members)}
    codes = list(_codes([*members, *(member for _, member in _module_names(cls))]))
    measures = {
        *({"len"} if is_own else ()),
        container,
        *(code.co_name for code in codes if container in code.co_names),
    }
    return not codes or any(
        names.intersection(code.co_names) and (container is None or measures.intersection(code.co_names))
        for code in codes
        if code.co_name not in _SAYS_NOTHING
    )


def _properties_for(name: str, members: Sequence[Any]) -> Iterator[str]:
    """Yield the names of properties that read an attribute."""
    for member in members:
        if type(member) is property and type(member.fget) is types.FunctionType:
            code = _code_of(member.fget)
            if name in code.co_names:
                yield code.co_name


def _module_names(cls: type) -> list[tuple[Any, Any]]:
    module = dict_of_type(cls).get("__module__")
    found = sys.modules.get(module) if type(module) is str else None
    return pairs_of(dict_of_module(found)) if type(found) is types.ModuleType else []


def _codes(members: Sequence[Any]) -> Iterator[types.CodeType]:
    return (_code_of(member) for member in members if type(member) is types.FunctionType)
