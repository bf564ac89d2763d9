"""Which route grows which owner, what requests cost, and which of them hold far more than others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from leakdiff.capture.routes import MOST_ROUTES
from leakdiff.model.routes import LEAST_MEASURED, OTHER, OwnerByRoute, RouteCost, names_of
from leakdiff.render.plain import size
from leakdiff.web.routebook import RouteBook
from leakdiff.web.routing import Asked
from leakdiff.web.view import Block, Column, Table, Text, View

_MOST_SHOWN = 200
_REFRESH = 3.0  # seconds, while readings are new
_SPIKE = 4 << 20  # bytes of one request from which it is told
_EARLY = 30.0  # seconds of readings, below which a rate is said to be told early
_PIECE = 1 << 20  # bytes in one piece of an answer from which it is told
# Bytes below which what a request leaves is the request itself, which its server still holds: 1.8 KiB were measured of
# a GET that keeps nothing, in FastAPI under uvicorn.
_KEPT = 3 << 10
_OWNERS = (
    Column("Owner"),
    Column("Grew by"),
    Column("Gained", "number"),
    Column("In", "seconds"),
    Column("Not told apart"),
)
_ROUTES = (
    Column("Route"),
    Column("Requests", "number"),
    Column("Per second, last minute", "number"),
    Column("Measured", "number"),
    Column("Holds", "bytes"),
    Column("Keeps", "bytes"),
    Column("Peak", "bytes"),
    Column("Largest body", "bytes"),
    Column("Largest answer", "bytes"),
    Column("Largest piece", "bytes"),
)
_HOW = """\
from leakdiff.web import count_requests

application = count_requests(application)            # ASGI or WSGI, around everything else

# Django: MIDDLEWARE = ["leakdiff.web.django_routes", ...] as well, for the names of its routes
# aiohttp: web.Application(middlewares=[leakdiff.web.aiohttp_routes()])
"""
_NO_COUNT = "Requests are not counted in this process: wrap the application, and each of its routes is told here."
_SEEN = (
    "What requests hold and keep is measured for a few of them, at the borders of what the event loop runs at a time, "
    "at each piece of an answer and at the end. Blocks of Python's own allocator count as 80 bytes each, the C heap "
    "exactly. What is taken and freed between two looks shows only if the process became larger than it ever was. "
    "Work that a request hands to other threads or tasks shows only if no other request ran beside it; under WSGI "
    "only such requests are measured. An answer that the server still sends when the request is over counts as kept. "
    "Of each route the first that is measured is left out: what it loads once stays. Holds and Keeps are medians of "
    "the latest fifty; Keeps is 0 where that cannot be told from nothing or is less than 3 KiB, and empty before six "
    "were measured."
)


def routes(asked: Asked) -> View:
    """Say which route grows which owner, and which routes hold much for a single request."""
    book = asked.desk.routes
    if not book.is_counting:
        return View(
            title="Routes",
            said=_NO_COUNT,
            blocks=[Text(title="How to count them", text=_HOW, is_preformatted=True)],
            data={"is_counting": False, "owners": [], "routes": [], "spikes": []},
        )
    book.follow_monitor()
    return _counted(book)


def _counted(book: RouteBook) -> View:
    owners, costs = book.owners(), book.costs()
    spikes = tuple(spikes_of(costs))
    blocks = [*_owner_blocks(book, owners), *_spike_blocks(spikes), _table(costs), *_notes(book, costs)]
    return View(
        title="Routes",
        said=_said(book, owners, spikes, costs),
        blocks=blocks,
        data={
            "is_counting": True,
            "running": book.running,
            "owners": [_plain_owner(one) | {"is_accused": book.is_accused(one.owner)} for one in owners],
            "routes": [attrs.asdict(cost) | {"surely_kept": cost.surely_kept} for cost in costs],
            "spikes": list(spikes),
        },
        refresh=_REFRESH if any(not one.rates for one in owners) else None,
    )


def _said(book: RouteBook, owners: Sequence[OwnerByRoute], spikes: Sequence[str], costs: Sequence[RouteCost]) -> str:
    """Say what a watch accused first; what only grew meanwhile may be a cache that fills, and is said to be no more."""
    told = [one for one in owners if one.rates]
    accused = [one for one in told if book.is_accused(one.owner)]
    if accused:
        return f"{accused[0].owner} grows by {accused[0]}{_so_far(accused[0])}."
    if spikes:
        return spikes[0]
    if told:
        first = told[0]
        return f"{first.owner} grew by {first} in {first.seconds:.0f} s; only a watch can say whether that has a bound."
    requests = sum(cost.requests for cost in costs)
    return f"{requests:,} requests on {len(costs):,} routes; no owner is known yet to grow with any of them."


def _so_far(one: OwnerByRoute) -> str:
    return f", by {one.seconds:.0f} s of readings so far" if one.seconds < _EARLY else ""


# -- owners ----------------------------------------------------------------------------------------


def _owner_blocks(book: RouteBook, owners: Sequence[OwnerByRoute]) -> Iterator[Block]:
    rows = tuple((one.owner, _grows_by(one), one.gained, one.seconds, names_of(one.unclear) or None) for one in owners)
    yield Table(
        title="Owners by route",
        columns=_OWNERS,
        rows=rows,
        empty="No owner that grows is followed. POST watch finds those that do, and follows them for five minutes.",
    )
    known = [total for total in book.totals() if total.rates]
    if not any(one.rates for one in owners) and known:
        yield Table(
            title="Whoever holds it",
            columns=_OWNERS[:4],
            rows=tuple((one.owner, _grows_by(one), one.gained, one.seconds) for one in known),
        )


def _grows_by(one: OwnerByRoute) -> str:
    return f"{one} ({one.counted})" if one.rates else f"not known: {one.why_not}"


def _plain_owner(one: OwnerByRoute) -> dict[str, Any]:
    rates = [{**attrs.asdict(rate), "said": str(rate)} for rate in one.rates]
    return attrs.asdict(one) | {"rates": rates, "unclear": list(one.unclear), "said": str(one)}


# -- routes ----------------------------------------------------------------------------------------


def spikes_of(costs: Sequence[RouteCost]) -> Iterator[str]:
    """Say of each route that holds much for a single request what it holds, the largest first."""
    large = [cost for cost in costs if cost.peak >= _SPIKE or cost.sent_at_once >= _PIECE]
    for cost in sorted(large, key=lambda cost: (-max(cost.peak, cost.sent_at_once), cost.route)):
        yield _spike(cost)


def _spike(cost: RouteCost) -> str:
    whole = f"its answer leaves in one piece of {size(cost.sent_at_once)}"
    held = f"{cost.route} holds up to {size(cost.peak)} for one request"
    if cost.peak < _SPIKE:
        return f"{cost.route}: {whole}, which was loaded whole."
    if cost.sent_at_once >= _PIECE:
        return f"{held}, {whole}."
    if cost.received >= _PIECE:
        return f"{held}, whose body has up to {size(cost.received)}."
    return f"{held}, while its answers have {size(cost.sent)} at most."


def _spike_blocks(spikes: Sequence[str]) -> Iterator[Block]:
    if spikes:
        yield Text(title="Routes that hold much for one request", text="\n".join(spikes))


def _table(costs: Sequence[RouteCost]) -> Table:
    return Table(
        title="Routes",
        columns=_ROUTES,
        rows=tuple(_row(cost) for cost in costs[:_MOST_SHOWN]),
        empty="No request has ended since counting began.",
        left_out=max(0, len(costs) - _MOST_SHOWN),
    )


def _row(cost: RouteCost) -> tuple[str | int | float | None, ...]:
    kept = None if cost.surely_kept is None else round(cost.surely_kept)
    return (
        cost.route,
        cost.requests,
        round(cost.per_second, 2),
        cost.sampled,
        None if cost.allocated is None else round(cost.allocated),
        0 if kept is not None and abs(kept) < _KEPT else kept,
        cost.peak or None,
        cost.received,
        cost.sent,
        cost.sent_at_once,
    )


def _notes(book: RouteBook, costs: Sequence[RouteCost]) -> Iterator[Block]:
    notes = [_SEEN]
    few = [cost.route for cost in costs if cost.sampled < LEAST_MEASURED and cost.route != OTHER]
    if few:
        some = ", ".join(few[:5]) + (f" and {len(few) - 5:,} more" if len(few) > 5 else "")
        notes.append(f"Fewer than {LEAST_MEASURED} requests were measured of {some}.")
    if any(cost.route.endswith("(no route)") for cost in costs):
        notes.append(
            "A path that no framework names is never shown, for it may hold secrets: count_requests(app, "
            "route=['/rides/{id}', ...]) names them."
        )
    if book.nameless:
        notes.append(f"The program's own route= failed {book.nameless:,} times.")
    if book.failures:
        notes.append(f"Counting failed for {book.failures:,} requests, which were answered all the same.")
    if any(cost.route == OTHER for cost in costs):
        notes.append(f"Of more than {MOST_ROUTES} routes the least used are counted together, as {OTHER}.")
    yield Text(title="What is not seen", text="\n".join(notes))
