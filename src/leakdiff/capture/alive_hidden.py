"""References that gc does not tell of: constants and names of code, time zones of datetimes, keys of dicts of texts."""

from __future__ import annotations

import itertools
import operator
import types
from collections.abc import Iterator, Sequence
from typing import Any

from leakdiff.capture.kinds import derives, loaded
from leakdiff.capture.references import time_zone_of

CONSTANTS = (int, float, complex, str, bytes, tuple, frozenset, types.CodeType)  # what code may keep
_MOST_CONSTANTS = 10_000


def hiding(cls: type) -> list[type]:
    """Return the types of leaves that may hide a reference to an object of some class."""
    if any(cls is constant for constant in CONSTANTS):
        return [types.CodeType]
    zone = loaded("datetime", "tzinfo")
    holders = [loaded("datetime", name) for name in ("datetime", "time")]
    return [found for found in holders if found is not None] if zone is not None and derives(cls, zone) else []


def is_hidden_in(leaf: Any, subject: Any) -> bool:
    """Tell whether code keeps an object, also within the code of inner functions, or a datetime as its time zone."""
    return any(times_hidden_in(part, subject) for part in parts_of(leaf))


def parts_of(leaf: Any) -> Iterator[Any]:
    """Yield a leaf; of code, also that of the functions within, which nothing else may lead to."""
    left = [leaf]
    for _ in range(_MOST_CONSTANTS):
        if not left:
            return
        part = left.pop()
        yield part
        if type(part) is types.CodeType:
            left.extend(held for held in part.co_consts if type(held) is types.CodeType)


def times_hidden_in(leaf: Any, subject: Any) -> int:
    """Return how often code refers to an object, that of inner functions left out, or a datetime to its time zone."""
    if type(leaf) is types.CodeType:
        return sum(held is subject for held in _held_by_code(leaf))
    return int(time_zone_of(leaf) is subject)


def _held_by_code(code: types.CodeType) -> Iterator[Any]:
    """Yield what code refers to, as often as it does, and what lies in tuples and sets of constants."""
    yield from (code.co_name, code.co_qualname, code.co_filename, code.co_consts, code.co_names, *code.co_names)
    variables = (*code.co_varnames, *code.co_cellvars, *code.co_freevars)
    yield from {id(name): name for name in variables}.values()  # an argument in a cell is in two of them
    left = [*code.co_consts]
    for _ in range(_MOST_CONSTANTS):
        if not left:
            return
        held = left.pop()
        yield held
        if type(held) is tuple or type(held) is frozenset:
            left.extend(held)


def with_hidden_keys(mapping: Any, refs: Sequence[Any], text: str) -> Sequence[Any]:
    """Add a text to what a dict refers to, as often as it is a key there that gc does not show.

    It shows no key where all are text. What else a mapping refers to, such as its class, says nothing of that: so the
    text itself is counted, among keys, values and what gc shows.
    """
    try:
        if not any(map(operator.is_, dict.keys(mapping), itertools.repeat(text))):
            return refs
        as_value = sum(map(operator.is_, dict.values(mapping), itertools.repeat(text)))
    except RuntimeError:  # another thread changed it
        return refs
    ordered = loaded("collections", "OrderedDict")
    as_key = 2 if ordered is not None and derives(type(mapping), ordered) else 1  # it has a list of keys as well
    shown = sum(map(operator.is_, refs, itertools.repeat(text)))
    return [*refs, *[text] * (as_key + as_value - shown)]
