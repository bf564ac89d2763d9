"""Every knob once: its name, default, bounds and line of help, in plain values that cost nothing to import."""

from __future__ import annotations

from typing import NamedTuple

_MOST_FRAMES = 65_535  # what tracemalloc can keep


class Knob(NamedTuple):
    """One knob.

    Attributes:
        default: Its value where nobody gives one; of its type all others are.
        text: One line of help.
        least: The least whole number it may be; None for a number above 0.
        most: The greatest whole number it may be, if there is one.
    """

    default: int | float
    text: str
    least: int | None = None
    most: int | None = None


KNOBS = {
    "rounds": Knob(5, "measured rounds", 2),
    "units": Knob(101, "units of work in a round (a prime is best)", 1),
    "warmup": Knob(2, "rounds before the first measurement", 0),
    "frames": Knob(12, "frames kept for each allocation site", 1, _MOST_FRAMES),
    "max_objects": Knob(50_000_000, "objects the forward walk may visit", 1_000),
    "max_seconds": Knob(120.0, "seconds the forward walk may take"),
    "patience": Knob(1.5, "seconds to watch whether an owner stops growing"),
}
