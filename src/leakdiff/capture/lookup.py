"""Lengths of containers whose path is made of names alone, without a walk: microseconds each."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Sequence
from typing import Any

from leakdiff.capture.attributes import MISSING, attribute_of
from leakdiff.capture.census import CONTAINERS
from leakdiff.capture.containers import length_of
from leakdiff.capture.entries import key_shape, newest
from leakdiff.capture.kinds import derives, dict_of_module, dict_of_type, is_own_module, type_name
from leakdiff.model.snapshot import Tally


def lengths_of(paths: Iterable[str]) -> tuple[Tally, ...]:
    """Return the present lengths of containers by path; those that are not found by names alone are left out.

    A path of names starts at a module and goes on through attributes of modules, classes and instances:
    ``app.matching.service._inflight``. One with ``[*]`` or a local in it needs a walk.
    """
    found = ((path, _find(path)) for path in paths if _is_all_names(path))
    return tuple(Tally(path, length_of(obj)) for path, obj in found if derives(type(obj), *CONTAINERS))


def how_far(path: str) -> tuple[str, str]:
    """Return how much of a path of names leads to something, and the type of that; both empty if nothing of it does."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        found: Any = sys.modules.get(".".join(parts[:end]))
        if derives(type(found), types.ModuleType) and not is_own_module(".".join(parts[:end])):
            return _names_found(found, parts, end)
    return "", ""


def _names_found(module: object, parts: Sequence[str], end: int) -> tuple[str, str]:
    found = module
    for name in parts[end:]:
        below = _attribute(found, name)
        if below is MISSING:
            break
        found, end = below, end + 1
    return ".".join(parts[:end]), type_name(type(found))


def newest_in(path: str, count: int) -> tuple[str, str | None, tuple[str, ...]]:
    """Return the type of a container, the shape of its newest keys, and the types of its newest values."""
    found = _find(path)
    keys, values = newest(found, count)
    names = dict.fromkeys(type_name(type(value)) for value in values)
    return type_name(type(found)), key_shape(keys), tuple(names)


def container_at(path: str) -> object:
    """Return the container that a path of names leads to; ``MISSING`` where there is none. Let go of it soon."""
    found = _find(path) if _is_all_names(path) else MISSING
    return found if derives(type(found), *CONTAINERS) else MISSING


def _is_all_names(path: str) -> bool:
    return all(part.isidentifier() for part in path.split("."))


def chain_at(path: str) -> tuple[str, list[Any]]:
    """Return the module that a path of names starts at, and the objects on its way: the first is its namespace.

    Nothing is found where the path leads nowhere: an empty chain. Let go of it soon.
    """
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:end])
        module = sys.modules.get(name)
        if derives(type(module), types.ModuleType) and not is_own_module(name):
            chain = _go_down(module, parts[end:])
            if len(chain) == len(parts) - end:  # else a package may have an attribute of the name of a module of its
                return name, [dict_of_module(module), *chain]
    return "", []


def _find(path: str) -> object:
    chain = chain_at(path)[1]
    return chain[-1] if chain else MISSING


def _go_down(start: object, names: Sequence[str]) -> list[Any]:
    """Return what each name leads to, as far as they do."""
    found: list[Any] = []
    for name in names:
        below = _attribute(found[-1] if found else start, name)
        if below is MISSING:
            break
        found.append(below)
    return found


def _attribute(obj: Any, name: str) -> object:
    """Read an attribute without running any code."""
    if derives(type(obj), types.ModuleType):
        return dict_of_module(obj).get(name, MISSING)
    if derives(type(obj), type):
        return dict_of_type(obj).get(name, MISSING)
    if derives(type(obj), types.FunctionType, types.BuiltinFunctionType, types.MethodType):
        return MISSING
    return attribute_of(obj, name)
