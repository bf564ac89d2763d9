"""Snapshots as plain dicts, lists, texts and numbers, and back: format 1.

Values are written field by field as their classes declare them. A tuple of values is a table: the names of the fields
once, then a list for each row.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from leakdiff.__about__ import __version__
from leakdiff.model.snapshot import Snapshot

FORMAT = 1

LARGEST = 2**63 - 1  # what a database can hold and a renderer can divide
MOST_BYTES = 2**28  # 256 MiB of JSON; the largest heaps seen gave 20

_LATEST = 2**37  # the year 6325: what a calendar can still print
_OTHER = "Name a file that Snapshot.save wrote."
_ROWS_AT_ONCE = 500  # the encoder lets no other thread run; 500 rows take it about a millisecond
_CALLED = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}

_T = TypeVar("_T")


class Malformed(ValueError):
    """What was read is no snapshot in a format known here.

    Attributes:
        saw: What is wrong with it.
        todo: What to do.
    """

    def __init__(self, saw: str, todo: str = "Take another snapshot, or read a copy that is whole.") -> None:
        super().__init__(saw)
        self.saw = saw
        self.todo = todo


def encoded(snapshot: Snapshot) -> bytes:
    """Return a snapshot as JSON; the same snapshot gives the same bytes.

    Raises:
        ValueError: If a number of it is not finite.
    """
    return "".join(_written(to_plain(snapshot))).encode("utf-8", "surrogatepass")


def decoded(content: bytes) -> Snapshot:
    """Return the snapshot that JSON holds.

    Raises:
        Malformed: If it is no JSON, no snapshot, or of a newer format.
    """
    if not content.lstrip().startswith(b"{"):
        raise Malformed("it is no leakdiff snapshot" if content else "it is empty", _OTHER)
    try:
        plain = json.loads(content.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise Malformed("it is truncated or damaged JSON") from error
    return from_plain(plain)


def to_plain(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as what JSON can hold, with its format number."""
    return {"format": FORMAT, "leakdiff": __version__, "snapshot": plain_of(snapshot)}


def from_plain(plain: object) -> Snapshot:
    """Return the snapshot that was made plain; fields that are not known here are left out.

    Raises:
        Malformed: If it is no snapshot, lacks a field, has one of another type, or is of a newer format.
    """
    snapshot = value_of(Snapshot, _document(plain)["snapshot"], "snapshot")
    if not 0 <= snapshot.taken.utc < _LATEST:
        raise Malformed("snapshot.taken.utc is no time")
    return snapshot


def plain_of(value: Any) -> dict[str, Any]:
    """Return a value of the model as a dict."""
    return {name: _plain(kind, getattr(value, name)) for name, kind in _kinds(type(value)).items()}


def value_of(cls: type[_T], plain: object, at: str = "it") -> _T:
    """Return the value of a class of the model that ``plain_of`` made plain.

    Args:
        cls: The class.
        plain: What was read.
        at: Where it stood, for the error.

    Raises:
        Malformed: If a field is missing or has another type.
    """
    if type(plain) is not dict:
        raise Malformed(f"{at} should be an object and is {_called(plain)}")
    known = {name: kind for name, kind in _kinds(cls).items() if name in plain}
    _check_complete(cls, known, at)
    return cls(**{name: _value(kind, plain[name], f"{at}.{name}") for name, kind in known.items()})


# -- the format ------------------------------------------------------------------------------------


def _document(plain: object) -> dict[str, Any]:
    if type(plain) is not dict or type(plain.get("format")) is not int or "leakdiff" not in plain:
        raise Malformed("it is no leakdiff snapshot", _OTHER)
    if plain["format"] > FORMAT:
        raise Malformed(
            f"it was written by a newer leakdiff (format {plain['format']}; this one reads up to {FORMAT})",
            "Upgrade leakdiff.",
        )
    if "snapshot" not in plain:
        raise Malformed("it is something else of leakdiff, and no snapshot", _OTHER)
    return plain


def _written(plain: object) -> Iterator[str]:
    """Yield JSON text in pieces, so that other threads can run between them."""
    if isinstance(plain, dict):
        for position, (name, held) in enumerate(plain.items()):
            yield f"{',' if position else '{'}{json.dumps(name)}:"
            yield from _written(held)
        yield "}" if plain else "{}"
    elif isinstance(plain, list) and len(plain) > _ROWS_AT_ONCE:
        for start in range(0, len(plain), _ROWS_AT_ONCE):
            yield ("," if start else "[") + _json(plain[start : start + _ROWS_AT_ONCE])[1:-1]
        yield "]"
    else:
        yield _json(plain)


def _json(plain: object) -> str:
    # Halves of surrogate pairs would be joined by escapes, and come back as another text.
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


# -- fields ----------------------------------------------------------------------------------------


@attrs.frozen
class _Kind:
    """What a field holds: an atom or a value, perhaps many of them, perhaps None."""

    core: Any
    is_value: bool
    is_many: bool
    is_optional: bool


_SEEN: dict[type, Mapping[str, _Kind]] = {}  # reading the annotations of a class takes longer than writing its values


def _kinds(cls: type) -> Mapping[str, _Kind]:
    if cls not in _SEEN:
        hints = typing.get_type_hints(cls)
        _SEEN[cls] = {name: _kind(hints[name]) for name in attrs.fields_dict(cls)}
    return _SEEN[cls]


def _kind(hint: Any) -> _Kind:
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    is_optional = types.NoneType in choices
    core = next(choice for choice in choices if choice is not types.NoneType)
    is_many = typing.get_origin(core) is tuple
    if is_many:
        core = typing.get_args(core)[0]
    return _Kind(core, attrs.has(core), is_many, is_optional)


def _plain(kind: _Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind.is_many:
        return _table(kind.core, value) if kind.is_value else list(value)
    if kind.core is int:
        return max(-LARGEST, min(value, LARGEST))  # someone's cache may have maxsize=10**30
    return plain_of(value) if kind.is_value else value


def _table(cls: type, values: Sequence[Any]) -> dict[str, Any]:
    kinds = _kinds(cls)
    return {
        "fields": list(kinds),
        "rows": [[_plain(kind, getattr(value, name)) for name, kind in kinds.items()] for value in values],
    }


def _value(kind: _Kind, plain: Any, at: str) -> Any:
    if plain is None and kind.is_optional:
        return None
    if kind.is_many:
        return tuple(_read_table(kind.core, plain, at) if kind.is_value else _read_list(kind.core, plain, at))
    return value_of(kind.core, plain, at) if kind.is_value else _atom(kind.core, plain, at)


def _read_list(core: type, plain: object, at: str) -> Iterator[Any]:
    return (_atom(core, cell, f"{at}[{position}]") for position, cell in enumerate(_list(plain, at)))


def _read_table(cls: type, plain: object, at: str) -> Iterator[Any]:
    if type(plain) is not dict or not plain.keys() >= {"fields", "rows"}:
        raise Malformed(f"{at} should be a table with fields and rows and is {_called(plain)}")
    names = tuple(_read_list(str, plain["fields"], f"{at}.fields"))
    known = {name: kind for name, kind in _kinds(cls).items() if name in names}
    _check_complete(cls, known, at)
    columns = [(name, names.index(name), kind) for name, kind in known.items()]
    for number, row in enumerate(_list(plain["rows"], at)):
        if len(_list(row, at)) != len(names):
            raise Malformed(f"row {number} of {at} has {len(row)} cells for {len(names)} fields")
        yield cls(**{name: _value(kind, row[position], at) for name, position, kind in columns})


def _check_complete(cls: type, known: Mapping[str, _Kind], at: str) -> None:
    for field in attrs.fields(cls):
        if field.name not in known and field.default is attrs.NOTHING:
            raise Malformed(f"{at} has no {field.name}")


def _list(plain: object, at: str) -> list[Any]:
    if type(plain) is not list:
        raise Malformed(f"{at} should be a list and is {_called(plain)}")
    return plain


def _atom(core: type, plain: Any, at: str) -> Any:
    if type(plain) is not core and not (core is float and type(plain) is int):
        raise Malformed(f"{at} should be {_CALLED[core]} and is {_called(plain)}")
    if type(plain) is int and not -LARGEST <= plain <= LARGEST:
        raise Malformed(f"{at} is too large a number")
    if type(plain) is float and not math.isfinite(plain):
        raise Malformed(f"{at} is not finite")
    return plain


def _called(plain: object) -> str:
    called = {**_CALLED, dict: "an object", list: "a list", types.NoneType: "null"}
    return called.get(type(plain), type(plain).__name__)
