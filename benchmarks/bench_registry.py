"""What there is to measure: the measurements by name, which their modules register when they are imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]
Measure = Callable[[int], Figures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One thing to measure.

    Attributes:
        name: Section, a slash, and what is measured.
        run: The function that does it, given the number of objects on the heap.
        needs: Packages without which it cannot run.
        optional: Leave it out silently where they are missing.
        slow: Run it once, not several times.
        environ: Further environment variables for its process.
    """

    name: str
    run: Measure
    needs: tuple[str, ...] = ()
    optional: bool = False
    slow: bool = False
    environ: tuple[tuple[str, str], ...] = ()

    @property
    def section(self) -> str:
        """What it is compared with."""
        return self.name.partition("/")[0]

    @property
    def tool(self) -> str:
        """Who is measured."""
        return self.name.partition("/")[2]


MEASUREMENTS: dict[str, Measurement] = {}


def measure(name: str, *needs: str, **traits: Any) -> Callable[[Measure], Measure]:
    """Register a measurement."""

    def register(run: Measure) -> Measure:
        MEASUREMENTS[name] = Measurement(name=name, run=run, needs=needs, **traits)
        return run

    return register
