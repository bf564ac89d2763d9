"""What counts requests, whichever protocol they come by: sizes, the name of the route, and what is measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leakdiff.capture.request_meter import RequestMeter, RouteSampler
from leakdiff.capture.routes import HARMLESS, LEDGER
from leakdiff.web.patterns import Namer, Names, plain_name

Route = Namer | Iterable[str] | None
COUNTED = "leakdiff.counted"  # in a scope or an environ: another of these is at it
MISSING = 404


def size_of(piece: object) -> int:
    """Return the bytes, or characters, of a piece of a body; 0 of what is neither: it is the program's own."""
    if type(piece) in (bytes, bytearray, str):
        return len(piece)  # type: ignore[arg-type]
    return piece.nbytes if type(piece) is memoryview else 0


class Sizes:
    """Bytes that went through, in and out, and looks at the level where a piece of an answer is there.

    Attributes:
        is_missing: Whether the answer was that nothing is there.
    """

    __slots__ = ("at_once", "is_missing", "meter", "received", "sent")

    def __init__(self, meter: RequestMeter | None) -> None:
        self.meter = meter
        self.received = self.sent = self.at_once = 0
        self.is_missing = False

    def came(self, piece: object) -> None:
        """Note a piece of the request's body."""
        self.received += size_of(piece)

    def went(self, piece: object) -> None:
        """Note a piece of the answer."""
        size = size_of(piece)
        self.sent += size
        self.at_once = max(self.at_once, size)
        if self.meter is not None and size:
            self.meter.look()


class Counter:
    """Counts the requests of one application.

    Nothing it does fails a request, and each one that began ends, whatever fails on the way.

    Args:
        route: How the program names its routes.
        sample: Share of the requests that are measured.
        units: Whether each request counts as a unit of work.
        has_steps: Whether requests are measured step by step.

    Raises:
        BadOption: If an argument cannot work.
    """

    def __init__(self, route: Route, sample: float, *, units: bool, has_steps: bool) -> None:
        self._names, self._sampler = Names(route), RouteSampler(sample, has_steps=has_steps)
        self._units = units
        LEDGER.prepare()

    def begin(self, path: object) -> RequestMeter | None:
        """Note that a request began, and return what measures it; None for most."""
        meter = None
        with HARMLESS:
            meter = self._sampler.meter(path)
        LEDGER.begin()
        return meter

    def end(self, sizes: Sizes, route: str | None) -> None:
        """Count a request that is over; one whose route is None was for leakdiff itself."""
        try:
            with HARMLESS:
                self._end(sizes, route)
        finally:
            LEDGER.end()

    def _end(self, sizes: Sizes, route: str | None) -> None:
        meter = sizes.meter
        if meter is not None:
            meter.end()
        if route is None:
            return
        tally = LEDGER.count(route, as_unit=self._units)
        tally.answered(sizes.received, sizes.sent, sizes.at_once)
        if meter is not None:
            tally.measured(meter)
            self._sampler.done(meter)

    def name(self, method: object, pattern: str | None, request: Any, *, is_missing: bool) -> str:
        """Return the name of a request's route; a callable of the program's that fails does not cost the request.

        Args:
            method: As the client sent it.
            pattern: As the framework says.
            request: Its scope or environ.
            is_missing: Whether it was answered that nothing is there.
        """
        try:
            return self._names.name(method, pattern, request, is_missing=is_missing)
        except Exception:  # noqa: BLE001 - whatever it raises
            LEDGER.nameless += 1
            return plain_name(method, pattern)

    def unnamed(self, method: object) -> str:
        """Return what a request is called of whose route nothing is known."""
        return plain_name(method, None)
