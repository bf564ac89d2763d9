"""A second opinion as text."""

from __future__ import annotations

from leakdiff.model.opinion import PeerOpinion, SecondOpinion, TypeSeen
from leakdiff.model.signals import rate_text
from leakdiff.render.plain import printable, size

_MOST_TYPES = 4


def render_opinion(opinion: SecondOpinion) -> str:
    """Return a block for each peer; ends without a newline."""
    first = f"second opinion on {opinion.verdict}: the same work, {opinion.units:,} {opinion.unit}s for each"
    return "\n".join([first, *(f"\n{_block(each, opinion.unit)}" for each in opinion.opinions)])


def _block(opinion: PeerOpinion, unit: str) -> str:
    seen = opinion.sighting
    title = f"  {printable(f'{seen.peer} {seen.version}'.rstrip())}"
    if seen.absent:
        return f"{title}: {opinion.stance}\n    why   {printable(seen.absent)}"
    rows = (
        ("saw", _saw(seen.types, unit)),
        ("not", seen.cannot_see),
        ("why", opinion.because),
        ("cost", f"{seen.cpu_seconds:.2f} CPU s"),
    )
    return "\n".join([f"{title}: {opinion.stance}", *(f"    {name:<4}  {printable(text)}" for name, text in rows)])


def _saw(types: tuple[TypeSeen, ...], unit: str) -> str:
    if not types:
        return "nothing that grows"
    shown = [_one(each) for each in types[:_MOST_TYPES]]
    more = len(types) - _MOST_TYPES
    return "   ".join(shown) + (f"   and {more} more types" if more > 0 else "") + f"   per {unit}"


def _one(each: TypeSeen) -> str:
    if each.per_unit <= 0:
        return f"{each.name} +{size(each.bytes)}"
    return f"+{rate_text(each.per_unit)} {each.name}" + (f" ({size(each.bytes)})" if each.bytes > 0 else "")
