"""Leave to show keys and values of the program, or to run code of its classes: given in the call, or asked for."""

from __future__ import annotations

import sys
import threading

from leakdiff.errors import BadOption, ValuesNotAllowed


def allowed(what: str, show_values: bool | None, *, warning: str = "") -> None:  # noqa: FBT001 - handed on as it came
    """Return if keys and values may be shown; ask where nobody said so and somebody sits at a terminal.

    Args:
        what: What would show them, as the question begins: ``Finding.entries()``.
        show_values: What the caller said; None asks at a terminal.
        warning: A sentence that the question tells besides.

    Raises:
        BadOption: If the caller said neither True nor False nor None.
        ValuesNotAllowed: If it was refused, or there is nobody to ask.
    """
    if show_values is not None and type(show_values) is not bool:
        raise BadOption("show_values", show_values, "True, False or None")
    if show_values is None:
        if not is_somebody_there():
            raise ValuesNotAllowed(what)
        show_values = _answer(" ".join(filter(None, (_question(what), warning, "Go on? [y/N] "))))
    if not show_values:
        raise ValuesNotAllowed(what, "that was refused")


def is_somebody_there() -> bool:
    """Tell whether a question would reach a person: one who types at a prompt, and not the thread of a service."""
    if threading.get_ident() != threading.main_thread().ident or not _is_prompt():
        return False
    try:
        return sys.stdin.isatty() and sys.stderr is not None
    except (AttributeError, ValueError):  # there is no stdin, or it is closed
        return False


def _is_prompt() -> bool:
    """Tell whether somebody types here; a terminal alone says that somebody started the process."""
    if hasattr(sys, "ps1") or sys.flags.interactive:
        return True
    from leakdiff.capture.prompt import live_shell

    return live_shell() is not None


def _question(what: str) -> str:
    return f"{what} would show keys and values of the program."


def _answer(question: str) -> bool:
    """Put a question to stderr, as stdout may go to a file; anything but a yes is a no."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
