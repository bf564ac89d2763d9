"""How a check runs: the knobs as a value that is checked when it is made; all faces make it here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from leakdiff.errors import BadOption
from leakdiff.knobs import KNOBS

_FOREVER = 1e9


def _whole(minimum: int, maximum: int | None = None) -> Any:
    def check(_: object, attribute: attrs.Attribute[int], value: object) -> None:
        if type(value) is not int or value < minimum or (maximum is not None and value > maximum):
            most = f" and at most {maximum}" if maximum is not None else ""
            raise BadOption(attribute.name, value, f"a whole number of at least {minimum}{most}")

    return check


def _positive(_: object, attribute: attrs.Attribute[float], value: object) -> None:
    if type(value) not in (int, float) or not 0 < value < _FOREVER:  # type: ignore[operator]
        raise BadOption(attribute.name, value, "a number above 0")


def _knob(name: str) -> Any:
    knob = KNOBS[name]
    check = _positive if knob.least is None else _whole(knob.least, knob.most)
    return attrs.field(default=knob.default, validator=check)


@attrs.frozen(kw_only=True)
class Options:
    """How a check runs.

    Attributes:
        rounds: Measured rounds of the cheap tier.
        units: Units of work a round; a prime makes accidental multiples unlikely.
        warmup: Rounds before the first measurement.
        frames: Frames tracemalloc keeps for each allocation in the deep tier.
        max_objects: Objects the forward walk may visit.
        max_seconds: Seconds the forward walk may take.
        patience: Seconds spent on further rounds that only watch whether an owner stops growing.
    """

    rounds: int = _knob("rounds")
    units: int = _knob("units")
    warmup: int = _knob("warmup")
    frames: int = _knob("frames")
    max_objects: int = _knob("max_objects")
    max_seconds: float = _knob("max_seconds")
    patience: float = _knob("patience")


DEFAULTS = Options()


def make_options(**knobs: Any) -> Options:
    """Build options from keyword arguments.

    Raises:
        BadOption: If a name is unknown or a value cannot work.
    """
    refuse_unknown(knobs, attrs.fields_dict(Options))
    return Options(**knobs)


def refuse_unknown(given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse arguments that nobody knows.

    Raises:
        BadOption: If there is one; says which there are.
    """
    names = sorted(known)
    for name, value in given.items():
        if name not in names:
            raise BadOption(name, value, f"one of {', '.join(names)}")


def another_prime(units: int) -> int:
    """Return a prime about half as large again as a number of units: what came at multiples of one does not of both."""
    found = max(3, units * 3 // 2) | 1
    while any(found % divisor == 0 for divisor in range(3, math.isqrt(found) + 1, 2)):
        found += 2
    return found
