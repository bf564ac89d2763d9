"""What is said of what outlived tests: who holds it, whether that is known to be harmless, and in which order."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import attrs

from leakdiff.judge.artefacts import Artefact, artefact_at
from leakdiff.judge.fingerprint import fingerprint
from leakdiff.model.outlived import Gain, Outlived, belongs_to_runner
from leakdiff.model.owner import Owner

_MOST_TYPES = 8
_LAST_FAILURE = re.compile(r"sys\.last_(exc|value|traceback|type)(\W.*)?")
_KEEPS_FOR_ITSELF = "pytest or one of its plugins keeps it for itself"
_MANY = 64  # entries of which the tests are not known that weigh as much as a test
_OF_AN_IMPORT = {"module", "str"}  # a module by its name
_KEEPS_MODULES = "a package keeps the modules of it that are imported"
_KEEPS_LAST_FAILURE = "pytest keeps the last failure there for a debugger, until the next one"


def outlived(gains: Sequence[Gain], owners: Sequence[Owner], tests: Sequence[str]) -> list[Outlived]:
    """Return what outlived tests, one value for each owner, those that gained from most tests first.

    Args:
        gains: What was found in the graph.
        owners: The owner of each.
        tests: Node ids of the tests; births count them from 1 on.
    """
    told = [
        _outlived(gain, owner, tests, [owners[at].name or "" for at in gain.also if at < len(owners)])
        for gain, owner in zip(gains, owners, strict=True)
        if owner.name is not None
    ]
    return merged(told)


def merged(found: Iterable[Outlived]) -> list[Outlived]:
    """Make one of what is told of the same owner, here and in other processes, and order it."""
    by_owner: dict[tuple[str, str], Outlived] = {}
    for item in found:
        key = item.owner, item.owner_type
        by_owner[key] = _one_of(by_owner[key], item) if key in by_owner else item
    return sorted(by_owner.values(), key=_most_telling_first)


def _most_telling_first(item: Outlived) -> tuple[object, ...]:
    return (
        bool(item.kept_by),
        -(len(item.tests) or item.entries // _MANY),
        -item.objects,
        -item.entries,
        item.owner,
        item.owner_type,
    )


def _outlived(gain: Gain, owner: Owner, tests: Sequence[str], also: Sequence[str]) -> Outlived:
    found, name = gain.found, owner.name or ""
    counts = Counter(found.types)
    for entry in owner.entry_types:
        if gain.untold and entry.name not in counts:
            counts[entry.name] = round(entry.per_entry * gain.untold)
    types = sorted(((kind, count) for kind, count in counts.items() if count > 0), key=_named_first)
    return Outlived(
        owner=name,
        owner_type=owner.type,
        path=_path(owner),
        objects=found.objects,
        entries=found.entries,
        bytes=found.bytes,
        types=tuple(types[:_MOST_TYPES]),
        tests=tuple(tests[birth - 1] for birth in gain.births),
        kept_by=_kept_by(owner, counts),
        also=tuple(dict.fromkeys(other for other in also if other and other != name)),
        fingerprint=fingerprint(name, owner.type),
    )


def _named_first(counted: tuple[str, int]) -> tuple[bool, int, str]:
    return "." not in counted[0], -counted[1], counted[0]


def _path(owner: Owner) -> str:
    first, *rest = owner.steps
    named = [f"{first.type} {first.label}", *(step.label.strip().removeprefix(".") for step in rest)]
    if len(owner.steps) > owner.depth:
        named.append(owner.steps[-1].type)
    return " ─ ".join(named)


def _kept_by(owner: Owner, counts: Mapping[str, int]) -> str:
    """Say why an owner keeps what it gained, where that is known."""
    if len(owner.steps) == 1 and owner.kind == "module" and counts["module"] and counts.keys() <= _OF_AN_IMPORT:
        return _KEEPS_MODULES
    if owner.name is not None and _LAST_FAILURE.fullmatch(owner.name):
        return _KEEPS_LAST_FAILURE
    if owner.kind in ("module", "class") and belongs_to_runner(owner.steps[0].label):
        return _KEEPS_FOR_ITSELF
    known = _artefact_around(owner)
    if known is None and owner.bound is not None:
        return f"a cache that is bounded, by {owner.bound.limit:,}"
    return known.reason if known is not None else ""


def _artefact_around(owner: Owner) -> Artefact | None:
    """Return the artefact that an owner is, or that it lies in: an entry of a cache belongs to the cache."""
    own, *around = (artefact_at(owner.steps[:end], sys.version_info[:2]) for end in range(owner.depth, 0, -1))
    if own is not None:
        return own
    # What pytest holds of the program's, such as a fixture, is not pytest's.
    return next((known for known in around if known is not None and not known.slug.startswith("pytest")), None)


def _one_of(one: Outlived, other: Outlived) -> Outlived:
    types = Counter(dict(one.types))
    types.update(dict(other.types))
    return attrs.evolve(
        one,
        objects=one.objects + other.objects,
        entries=one.entries + other.entries,
        bytes=one.bytes + other.bytes,
        types=tuple(sorted(types.items(), key=_named_first)[:_MOST_TYPES]),
        tests=tuple(dict.fromkeys([*one.tests, *other.tests])),
        also=tuple(dict.fromkeys([*one.also, *other.also])),
    )
