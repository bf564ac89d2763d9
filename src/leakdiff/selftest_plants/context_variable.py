"""A list that is the value of a context variable in a context that lives long."""

from __future__ import annotations

import contextvars


class Span:
    """One timed piece of work."""

    def __init__(self, name: str) -> None:
        self.name = name


_trace: contextvars.ContextVar[list[Span]] = contextvars.ContextVar("trace")
_trace_context = contextvars.copy_context()


def setup() -> None:
    """Begin a trace in the context."""
    _trace_context.run(_trace.set, [])


def note_span() -> None:
    """Add one span to the current context's trace."""
    _trace.get().append(Span("query"))


def drop_span() -> None:
    """Take the last span off the current context's trace."""
    _trace.get().pop()


def leak(units: int) -> None:
    """Add spans in the context."""
    for _ in range(units):
        _trace_context.run(note_span)


def clean(units: int) -> None:
    """Add spans in the context, and take each one off."""
    for _ in range(units):
        _trace_context.run(note_span)
        _trace_context.run(drop_span)


def teardown() -> None:
    """Begin a new trace."""
    _trace_context.run(_trace.set, [])
