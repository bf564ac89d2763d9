"""A monitor that measures what a test says, for what looks at monitors."""

from __future__ import annotations

from typing import Any

import attrs

from leakdiff.model.snapshot import Snapshot, Tally
from leakdiff.monitor import Monitor
from leakdiff.watcher import World


class Monitored:
    """A monitor, and what it measures next.

    Attributes:
        monitor: The monitor; it has no thread.
        lengths: Lengths that are read without a walk, by path.
    """

    def __init__(self, **options: Any) -> None:
        self.lengths: dict[str, int] = {}
        self._next = Snapshot(taken=None, identity=None)  # type: ignore[arg-type]  # nothing is measured before see()
        self._now = 0.0
        world = World(
            clock=lambda: self._now,
            cpu=lambda: 0.0,
            measure=lambda **_: attrs.evolve(self._next, heap=None, resources=None),
            deepen=lambda taken, _: attrs.evolve(taken, heap=self._next.heap, cost=self._next.cost),
            lengths=self.read,
        )
        self.monitor = Monitor(_world=world, **{"deep": "never", "service": "matching", "version": "2.4.1"} | options)

    def see(self, snapshot: Snapshot, *, after: float = 300.0) -> Snapshot:
        """Measure this, so many seconds after what was measured before."""
        self._now += after
        self._next = snapshot
        taken = self.monitor.measure_now(deep=snapshot.is_deep)
        assert taken is not None
        return taken

    def read(self, paths: tuple[str, ...]) -> tuple[Tally, ...]:
        """Read lengths by path."""
        return tuple(Tally(path, self.lengths[path]) for path in paths if path in self.lengths)
