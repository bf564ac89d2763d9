"""An awaitable that is measured step by step: what other tasks do between two steps does not count."""

from __future__ import annotations

import types
from collections.abc import Generator
from typing import Any

from leakdiff.capture.request_meter import RequestMeter

_DRIVEN = (types.CoroutineType, types.GeneratorType)  # the second: of types.coroutine, which is no other type


class Steps:
    """Drives an awaitable, and measures each of its steps.

    ``capture.tasks`` looks through it: it holds the coroutine itself, for those who follow what awaits what.
    """

    __slots__ = ("_meter", "_steps")

    def __init__(self, steps: Any, meter: RequestMeter) -> None:
        self._steps, self._meter = steps, meter

    def __await__(self) -> Generator[Any, Any, Any]:
        """Return itself: whoever awaits it drives it step by step."""
        return self

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on with a value."""
        steps = self._steps
        self._meter.enter()
        try:
            return next(steps) if value is None and type(steps) not in _DRIVEN else steps.send(value)
        finally:
            self._meter.leave()

    def throw(self, *error: Any) -> Any:
        """Go on with an exception, such as a cancellation."""
        if not hasattr(self._steps, "throw"):
            raise error[0]
        self._meter.enter()
        try:
            return self._steps.throw(*error)
        finally:
            self._meter.leave()

    def close(self) -> None:
        """End it where it stands."""
        close = getattr(self._steps, "close", None)
        if close is not None:
            close()


def measured(awaitable: Any, meter: RequestMeter) -> Any:
    """Return an awaitable that does what another does, and is measured; the other itself if ``await`` will refuse it.

    Args:
        awaitable: A coroutine, or anything that an application of ASGI may return.
        meter: What measures it.
    """
    if type(awaitable) in _DRIVEN:
        return Steps(awaitable, meter)
    begin = getattr(type(awaitable), "__await__", None)
    return awaitable if begin is None else Steps(begin(awaitable), meter)
