"""A profile as pprof reads it: gzipped protobuf, as google/pprof's profile.proto defines it."""

from __future__ import annotations

import functools
import gzip
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from leakdiff.errors import MissingExtra
from leakdiff.model.heap import Site
from leakdiff.model.profile import Profile, Sample

_PACKAGE = "perftools.profiles"
_TYPES = (("inuse_objects", "count"), ("inuse_space", "bytes"))
_NANOS = 1_000_000_000
_REPEATED = "repeated "

# What profile.proto says of the fields that are used: number, type and name, by message. The classes are made of it
# when they are needed; code that protoc generates would fit some versions of protobuf and not others.
_FIELDS: dict[str, tuple[tuple[int, str, str], ...]] = {
    "ValueType": ((1, "int64", "type"), (2, "int64", "unit")),
    "Sample": ((1, "repeated uint64", "location_id"), (2, "repeated int64", "value")),
    "Mapping": (
        (1, "uint64", "id"),
        (5, "int64", "filename"),
        (7, "bool", "has_functions"),
        (8, "bool", "has_filenames"),
        (9, "bool", "has_line_numbers"),
        (10, "bool", "has_inline_frames"),
    ),
    "Line": ((1, "uint64", "function_id"), (2, "int64", "line")),
    "Location": ((1, "uint64", "id"), (2, "uint64", "mapping_id"), (4, "repeated Line", "line")),
    "Function": ((1, "uint64", "id"), (2, "int64", "name"), (3, "int64", "system_name"), (4, "int64", "filename")),
    "Profile": (
        (1, "repeated ValueType", "sample_type"),
        (2, "repeated Sample", "sample"),
        (3, "repeated Mapping", "mapping"),
        (4, "repeated Location", "location"),
        (5, "repeated Function", "function"),
        (6, "repeated string", "string_table"),
        (9, "int64", "time_nanos"),
        (10, "int64", "duration_nanos"),
        (11, "ValueType", "period_type"),
        (12, "int64", "period"),
        (13, "repeated int64", "comment"),
        (14, "int64", "default_sample_type"),
    ),
}


def profile_bytes(profile: Profile, base: Profile | None = None) -> bytes:
    """Return a profile, or what it has more than another, as ``go tool pprof`` and Pyroscope read it.

    Args:
        profile: It.
        base: What is subtracted, stack by stack; there are negative values then where it had more.

    Raises:
        MissingExtra: If protobuf is not installed.
    """
    made = message_class()()
    _Writer(made).write(profile, profile.samples if base is None else difference(profile.samples, base.samples))
    if base is not None:
        made.duration_nanos = round(max(0.0, profile.taken - base.taken) * _NANOS)
    return gzip.compress(made.SerializeToString(), compresslevel=6, mtime=0)


def difference(samples: Iterable[Sample], base: Iterable[Sample]) -> tuple[Sample, ...]:
    """Return what some samples have more than others, stack by stack; stacks that have as much are left out."""
    objects: Counter[tuple[Site, ...]] = Counter()
    sizes: Counter[tuple[Site, ...]] = Counter()
    for sign, some in ((1, samples), (-1, base)):
        for sample in some:
            objects[sample.stack] += sign * sample.objects
            sizes[sample.stack] += sign * sample.bytes
    changed = [Sample(stack, objects[stack], size) for stack, size in sizes.items() if size or objects[stack]]
    return tuple(sorted(changed, key=lambda sample: (-sample.bytes, -sample.objects, _named(sample.stack))))


def _named(stack: Sequence[Site]) -> list[tuple[str, int, str]]:
    return [(site.file, site.line, site.function) for site in stack]


@functools.cache
def message_class() -> Any:
    """Return the class of ``perftools.profiles.Profile`` messages.

    Raises:
        MissingExtra: If protobuf is not installed.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError:
        raise MissingExtra("A profile for pprof", "protobuf", "web") from None

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="leakdiff/profile.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, written, field in fields:
            kind = written.removeprefix(_REPEATED)
            label = kinds.LABEL_REPEATED if written.startswith(_REPEATED) else kinds.LABEL_OPTIONAL
            made = message.field.add(name=field, number=number, label=label)
            if kind in _FIELDS:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                made.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Profile"))


class _Writer:
    """Fills a message; strings, functions and locations are written once each and numbered."""

    def __init__(self, message: Any) -> None:
        self._message = message
        self._strings: dict[str, int] = {}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[Site, int] = {}
        self._text("")  # the first must be empty

    def write(self, profile: Profile, samples: Iterable[Sample]) -> None:
        """Write a profile with these samples."""
        message = self._message
        for name, unit in _TYPES:
            message.sample_type.add(type=self._text(name), unit=self._text(unit))
        name, unit = _TYPES[-1]
        message.default_sample_type = message.period_type.type = self._text(name)
        message.period_type.unit, message.period = self._text(unit), 1
        message.time_nanos, message.duration_nanos = round(profile.taken * _NANOS), round(profile.seconds * _NANOS)
        message.comment.extend(map(self._text, profile.left_out))
        message.mapping.add(  # all is known here: without it pprof would look for symbols
            id=1,
            filename=self._text("python"),
            has_functions=True,
            has_filenames=True,
            has_line_numbers=True,
            has_inline_frames=True,
        )
        for sample in samples:
            message.sample.add(
                location_id=[self._location(site) for site in sample.stack], value=[sample.objects, sample.bytes]
            )

    def _text(self, text: str) -> int:
        number = self._strings.get(text)
        if number is None:
            number = self._strings[text] = len(self._strings)
            self._message.string_table.append(text.encode("utf-8", "backslashreplace").decode())
        return number

    def _location(self, site: Site) -> int:
        number = self._locations.get(site)
        if number is None:
            number = self._locations[site] = len(self._locations) + 1
            made = self._message.location.add(id=number, mapping_id=1)
            made.line.add(function_id=self._function(site), line=site.line)
        return number

    def _function(self, site: Site) -> int:
        key = site.function, site.file
        number = self._functions.get(key)
        if number is None:
            number = self._functions[key] = len(self._functions) + 1
            name = self._text(site.function or site.file)
            self._message.function.add(id=number, name=name, system_name=name, filename=self._text(site.file))
        return number
