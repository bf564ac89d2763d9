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


def keep(store: str, version: str, hours_ago: int, hours: int, entries: int, size: int = 24 << 10) -> None:
    """Keep a life of a process in a store, a snapshot an hour.

    Args:
        store: Where to.
        version: The version of the service.
        hours_ago: When the process started.
        hours: How long it lived.
        entries: How many the map gains in an hour.
        size: Bytes of an entry.
    """
    one = leakdiff.snapshot(owners=False, service="matching")
    began = time.time() - hours_ago * _HOUR
    identity = attrs.evolve(one.identity, host="pod-1", version=version, started=began, pid=1000 + hours_ago)
    opened = open_store(store)
    for hour in range(hours + 1):
        length = _FIRST + entries * hour
        held = length * size
        memory = attrs.evolve(
            one.memory, rss=_BASE + held, uss=_BASE + held, pss=_BASE + held, blocks=2_000_000 + 10 * length
        )
        owner = OwnerSize(path=_OWNER, kind="module", type="dict", entries=length, bytes=held)
        opened.add(
            attrs.evolve(
                one,
                taken=Moment(began + hour * _HOUR),
                identity=identity,
                memory=memory,
                heap=Heap(types=(TypeCount(_TYPE, length, held),), owners=(owner,)),
                units=1000 * hour,
                cgroup=None,
            )
        )
    opened.close()
