"""Leave to show keys and values of the program, or to run code of its classes: given in the call, or asked for."""

from __future__ import annotations

import sys

from leakdiff.errors import ValuesNotAllowed


def allowed(what: str, show_values: bool | None, *, warning: str = "") -> None:  # noqa: FBT001 - handed on as it came
    """Return if keys and values may be shown; ask where nobody said so and somebody sits at a terminal.

    Args:
        what: What would show them, as the question begins: ``Finding.entries()``.
        show_values: What the caller said; None asks at a terminal.
        warning: A sentence that the question tells besides.

    Raises:
        ValuesNotAllowed: If it was refused, or there is nobody to ask.
    """
    if show_values is None:
        if not is_somebody_there():
            raise ValuesNotAllowed(what)
        show_values = _answer(" ".join(filter(None, (_question(what), warning, "Go on? [y/N] "))))
    if not show_values:
        raise ValuesNotAllowed(what, "that was refused")


def is_somebody_there() -> bool:
    """Tell whether a question would reach a person."""
    try:
        return sys.stdin.isatty() and sys.stderr is not None
    except (AttributeError, ValueError):  # there is no stdin, or it is closed
        return False


def _question(what: str) -> str:
    return f"{what} would show keys and values of the program."


def _answer(question: str) -> bool:
    """Put a question to stderr, as stdout may go to a file; anything but a yes is a no."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
