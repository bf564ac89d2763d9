"""Lives of a process as a monitor keeps them, for the examples of the documentation: one map that gains entries."""

from __future__ import annotations

import time

import attrs

import leakdiff
from leakdiff.model.snapshot import Heap, Moment, OwnerSize, TypeCount
from leakdiff.store.sqlite import open_store

_HOUR = 3_600.0
_OWNER, _TYPE = "app.matching._inflight", "app.matching.Result"
_BASE, _FIRST = 600 << 20, 40  # bytes of the process, and entries, after a start


def keep(  # noqa: PLR0913 - a life has as many sides
    store: str, version: str, *, began: int, hours: int, gains: int, size: int = 24 << 10
) -> None:
    """Keep a life of a process in a store, a snapshot an hour.

    Args:
        store: Where to.
        version: The version of the service.
        began: When the process started, in hours before now.
        hours: How long it lived.
        gains: Entries that the map gains in an hour.
        size: Bytes of an entry.
    """
    one = leakdiff.snapshot(owners=False, service="matching")
    started = time.time() - began * _HOUR
    identity = attrs.evolve(one.identity, host="pod-1", version=version, started=started, pid=1000 + began)
    opened = open_store(store)
    for hour in range(hours + 1):
        length = _FIRST + gains * hour
        held = length * size
        memory = attrs.evolve(
            one.memory, rss=_BASE + held, uss=_BASE + held, pss=_BASE + held, blocks=2_000_000 + 10 * length
        )
        owner = OwnerSize(path=_OWNER, kind="module", type="dict", entries=length, bytes=held)
        opened.add(
            attrs.evolve(
                one,
                taken=Moment(started + hour * _HOUR),
                identity=identity,
                memory=memory,
                heap=Heap(types=(TypeCount(_TYPE, length, held),), owners=(owner,)),
                units=1000 * hour,
                cgroup=None,
            )
        )
    opened.close()
