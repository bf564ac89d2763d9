"""What windows of traffic left behind → suspects: owners of what survived a whole window."""

from __future__ import annotations

from collections.abc import Sequence

from leakdiff.model.evidence import Suspect
from leakdiff.model.heap import HeapGraph
from leakdiff.model.owner import Accumulation, Owner

_MOST = 12


def that_stay(found: Sequence[Accumulation], graph: HeapGraph) -> list[Accumulation]:
    """Leave out what holds objects of the last window only: they are in flight.

    Containers whose entries gc does not track have no dated objects; how their length goes on will tell. What no root
    reaches is left out as well: under live traffic it cannot be told from what is being made or freed.
    """
    kept = [item for item in found if not item.orphan and (_survives(item, graph) or not item.reached)]
    return kept[:_MOST]


def _survives(item: Accumulation, graph: HeapGraph) -> bool:
    births = {graph.births[node] for node in item.reached}
    return births.issuperset(range(1, graph.rounds))


def suspects_of_windows(
    found: Sequence[Accumulation],
    owners: Sequence[Owner],
    lengths: Sequence[tuple[int, ...]],
    gaps: tuple[float, ...],
    seconds: float,
) -> list[Suspect]:
    """Put together what was found in the windows and how lengths went on after them.

    Args:
        found: Accumulations.
        owners: Their owners.
        lengths: Their lengths after the windows; empty where they cannot be read.
        gaps: Seconds between the readings.
        seconds: How long the windows lasted.
    """
    return [
        Suspect(
            found=item,
            owner=owner,
            lengths=read,
            units=gaps,
            rate=(item.entries or item.buffer_bytes) / seconds,
        )
        for item, owner, read in zip(found, owners, lengths, strict=True)
    ]
