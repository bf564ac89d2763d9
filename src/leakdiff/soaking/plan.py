"""What a soak was asked for: every argument once, checked, as Python, the shell and a marker give it."""

from __future__ import annotations

import re
from typing import Any, Literal

import attrs

from leakdiff.errors import BadOption
from leakdiff.options import refuse_unknown

Load = Literal["steady", "ramp", "burst"]

LOADS = ("steady", "ramp", "burst")
LEAST_UNITS = 100
LEAST_ARRIVALS = 30  # in the duration: so many rounds, of a unit each, it takes to say what grows, and by whom
_FOREVER = 1e9
_SECONDS = {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|[smhdw]?)")
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([kKmMgGtT]?)(?:i?B)?")


def seconds_of(value: object) -> object:
    """Return a duration such as ``"20s"`` or ``"10m"`` in seconds; anything else as it is."""
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    return float(found[1]) * _SECONDS[found[2]] if found is not None else value


def bytes_of(value: object) -> object:
    """Return a size such as ``"2G"`` or ``"512 MiB"`` in bytes; anything else as it is."""
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(float(found[1]) * _BYTES[found[2].lower()]) if found is not None else value


def _number(must: str) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        is_number = type(value) in (int, float) and 0 < value < _FOREVER  # type: ignore[operator]
        if value is not None and not is_number:
            raise BadOption(attribute.name, value, must)

    return check


def _whole(minimum: int) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not None and (type(value) is not int or value < minimum):
            raise BadOption(attribute.name, value, f"a whole number of at least {minimum}")

    return check


def _load(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    if type(value) is not str or value not in LOADS:
        raise BadOption(attribute.name, value, "'steady', 'ramp' or 'burst'")


def _bytes(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (type(value) is not int or value < 1):
        raise BadOption(attribute.name, value, "a number of bytes above 0, such as 2147483648 or '2G'")


def _seed(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if type(value) is not int:
        raise BadOption(attribute.name, value, "a whole number")


@attrs.frozen(kw_only=True)
class Plan:
    """How a soak runs; ``leakdiff.soak`` explains each.

    Attributes:
        duration: Seconds it may take, about.
        units: Arrivals it may make.
        rate: Arrivals per second; None for as fast as they can be served.
        concurrency: How many may be served at the same time; None for one, or with a rate for any number.
        seed: Of the random numbers that draw the mix and the places of the faults.
        load: How arrivals are spread over a round.
        limit: Bytes of memory at which the process is killed.
        per_day: Units a day in production.
    """

    duration: float | None = attrs.field(
        default=None, converter=seconds_of, validator=_number("a number of seconds above 0, or such as '20s' or '10m'")
    )
    units: int | None = attrs.field(default=None, validator=_whole(LEAST_UNITS))
    rate: float | None = attrs.field(default=None, validator=_number("a number of units per second above 0"))
    concurrency: int | None = attrs.field(default=None, validator=_whole(1))
    seed: int = attrs.field(default=0, validator=_seed)
    load: Load = attrs.field(default="steady", validator=_load)
    limit: int | None = attrs.field(default=None, converter=bytes_of, validator=_bytes)
    per_day: float | None = attrs.field(default=None, validator=_number("a number of units a day above 0"))

    def __attrs_post_init__(self) -> None:
        if self.load != "steady" and self.rate is None and self.concurrency in (None, 1):
            raise BadOption("load", self.load, "'steady' unless rate or concurrency says what rises or comes in bursts")
        if self.rate is not None and self.duration is not None and self.rate * self.duration < LEAST_ARRIVALS:
            must = f"{LEAST_ARRIVALS / self.duration:,.4g} or more with a duration of {self.duration:g} s"
            raise BadOption("rate", self.rate, f"{must}: {LEAST_ARRIVALS} units should come")


def make_plan(**given: Any) -> Plan:
    """Build a plan from keyword arguments; without a budget of time or units it takes 30 seconds.

    Raises:
        BadOption: If a name is unknown or a value cannot work.
    """
    refuse_unknown(given, attrs.fields_dict(Plan))
    if given.get("duration") is None and given.get("units") is None:
        given["duration"] = 30.0
    return Plan(**given)
