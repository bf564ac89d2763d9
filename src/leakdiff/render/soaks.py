"""What a soak adds to a report: sentences on scenarios, the limit of memory and what did not run; and its JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from leakdiff.model.signals import rate_text
from leakdiff.model.soak import Growth, NeverRan, Projection, ScenarioRun, SoakReport
from leakdiff.render.plain import size
from leakdiff.render.text import short_path

_MOST_SHOWN = 8
_UNITS = ((365.0, "years"), (1.0, "days"), (1 / 24, "hours"), (1 / 1_440, "minutes"))
_SOON = 2  # of a unit of time, below which a smaller one says more


def grows_text(growth: Growth, names: Sequence[str]) -> str:
    """Say which scenario grows something: ``1.00 per driver cancels, 0 for the others``."""
    them = " and ".join(names[at] for at in growth.unclear)
    if growth.unclear and not any(growth.rates):
        return f"{them} cannot be told apart: {growth.why_not}"
    if not growth.rates:
        return f"by which scenario is not known: {growth.why_not}"
    rates = _rates_text(growth, names)
    return f"{rates}; of {them} it is not known: {growth.why_not}" if growth.unclear else rates


def _rates_text(growth: Growth, names: Sequence[str]) -> str:
    rated = sorted(((rate, names[at]) for at, rate in growth.known.items()), key=lambda pair: (-pair[0], pair[1]))
    told = [f"{_amount(rate, growth.counted)} per {name}" for rate, name in rated if rate > 0]
    rest = len(rated) - len(told)
    if rest == 1:
        told.append(f"0 per {rated[-1][1]}")
    return ", ".join(told) + (", 0 for the others" if rest > 1 else "")


def _amount(rate: float, counted: str) -> str:
    if counted == "entries":
        return rate_text(rate)
    return size(rate) if counted == "bytes" else f"{rate_text(rate)} {counted}"


def also_of(soak: SoakReport) -> tuple[tuple[str, str], ...]:
    """Return what a soak has to tell beside the findings, as short names and texts."""
    return tuple(_also(soak))


def _also(soak: SoakReport) -> Iterator[tuple[str, str]]:
    yield "soak", f"{soak.units:,} units in {soak.seconds:.1f} s, seed {soak.seed}: {_mix(soak.scenarios)}"
    if soak.projection is not None:
        yield "limit", projection_text(soak.projection)
    yield from _never(soak)
    if soak.missing_faults:
        yield "fault", f"no scenario has {', '.join(soak.missing_faults)}: what these leave behind was not seen"


def _mix(scenarios: Sequence[ScenarioRun]) -> str:
    return ", ".join(f"{one.units:,} {one.name}{_struck(one)}" for one in scenarios)


def _struck(one: ScenarioRun) -> str:
    return f" (struck {one.struck:,} times)" if one.fault and one.struck != one.units else ""


def projection_text(found: Projection) -> str:
    """Say when the limit is reached, as a range of whole days, hours or minutes."""
    each = f"{found.per_day:,.0f} leaks a day and {size(found.each)} each" if found.each else ""
    pace = each or f"{size(found.bytes_per_day)} a day"
    if found.used >= found.limit:
        return f"the limit of {size(found.limit)} is reached already: {size(found.used)} are in use"
    return f"at {pace} the limit of {size(found.limit)} is reached {_when(found)}, from {size(found.used)} now"


def _when(found: Projection) -> str:
    days, name = next(((days, name) for days, name in _UNITS if found.soonest >= _SOON * days), _UNITS[-1])
    soonest, latest = math.floor(found.soonest / days), math.ceil(found.latest / days)
    if latest <= 1:
        return "within a minute"
    return f"in {soonest:,}-{latest:,} {name}" if soonest < latest else f"in {soonest:,} {name}"


def _never(soak: SoakReport) -> Iterator[tuple[str, str]]:
    if not soak.unexercised:
        return
    yield "never", f"ran in {soak.traced:,} units traced by line, though the functions did:"
    for part in soak.unexercised[:_MOST_SHOWN]:
        yield "", never_text(part)
    if len(soak.unexercised) > _MOST_SHOWN:
        yield "", f"and {len(soak.unexercised) - _MOST_SHOWN} more (--json has them all)"


def never_text(part: NeverRan) -> str:
    """Say where a part that never ran is, and when it would."""
    lines = str(part.first) if part.first == part.last else f"{part.first}-{part.last}"
    where = f"in {part.function}"
    return f"{short_path(part.file)}:{lines}  {where:<20}  {part.only}".rstrip()


def render_json(soak: SoakReport) -> str:
    """Return a soak as JSON text with sorted keys and a final newline."""
    return json.dumps(as_dict(soak), indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def as_dict(soak: SoakReport) -> dict[str, Any]:
    """Return the report's dict with a key ``soak``, and ``grows`` in its findings."""
    plain = soak.report.as_dict()
    for told, finding in zip(plain["findings"], soak.report.findings, strict=True):
        told["grows"] = finding.grows or None
    names = [one.name for one in soak.scenarios]
    return {
        **plain,
        "soak": {
            "units": soak.units,
            "seconds": round(soak.seconds, 3),
            "seed": soak.seed,
            "scenarios": [attrs.asdict(one) for one in soak.scenarios],
            "growth": [_growth(one, names) for one in soak.growth],
            "projection": attrs.asdict(soak.projection) if soak.projection is not None else None,
            "unexercised": [attrs.asdict(part) for part in soak.unexercised],
            "missing_faults": list(soak.missing_faults),
            "traced": soak.traced,
        },
    }


def _growth(one: Growth, names: Sequence[str]) -> dict[str, Any]:
    return {
        "owner": one.owner,
        "fingerprint": one.fingerprint,
        "counted": one.counted,
        "per_scenario": {names[at]: round(rate, 4) for at, rate in one.known.items()},
        "unclear": [names[at] for at in one.unclear],
        "why_not": one.why_not or None,
    }
