"""Owners of a live heap that are known by path already: their steps, keys, bound and entries."""

from __future__ import annotations

from collections.abc import Iterable

from leakdiff.capture.entries import find_bound, key_shape, newest
from leakdiff.capture.homes import home_of
from leakdiff.capture.inventory import Holding
from leakdiff.capture.kinds import type_name
from leakdiff.capture.naming import describe_type, name_links, quiet_rules, steps_of
from leakdiff.capture.owners import entry_types_of
from leakdiff.capture.roots import Root, start_of
from leakdiff.capture.snapshots import HeapReading
from leakdiff.model.heap import Step
from leakdiff.model.owner import Owner

_SAMPLE = 32


def owners_at(reading: HeapReading, paths: Iterable[str]) -> dict[str, Owner]:
    """Describe the owners with these paths, as far as they exist in this heap."""
    holdings = reading.inventory.holdings if reading.inventory is not None else {}
    return {path: _owner(holdings[path]) for path in paths if path in holdings}


def _owner(held: Holding) -> Owner:
    container = held.chain[-1]
    root = Root(held.kind, held.root, held.chain[0])
    kind, name, first, chain = start_of(held.chain, root)
    links = name_links(chain, first, quiet_rules())
    steps = steps_of(chain, links)
    keys, values = newest(container, _SAMPLE)
    below = [Step("[*]", describe_type(values[-1]))] if values else []
    members = [*keys, *(value for value in values if not any(value is key for key in keys))]
    return Owner(
        kind=kind,
        name=held.path,
        steps=(Step(name, kind), *steps, *below),
        depth=len(steps) + 1,
        type=type_name(type(container)),
        length=held.entries,
        key_shape=key_shape(keys),
        bound=find_bound(held.chain) if held.containers == 1 else None,
        entry_types=entry_types_of(members, len(values)) if values else (),
        home=home_of(chain, links, root),
    )
