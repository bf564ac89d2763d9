"""Where the command line writes: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TextIO

from leakdiff.errors import LeakdiffError

CLEAN, LEAKS, TROUBLE = 0, 1, 2


# -- results ---------------------------------------------------------------------------------------


def tell(text: str, *, headline: str | None = None) -> None:
    """Print a result for people, as standard output can show it.

    Args:
        text: The result; ends without a newline.
        headline: What ``--quiet`` prints instead, nothing if it is empty; all of the text if None.

    Raises:
        OSError: If it cannot be written, but for a reader who has seen enough.
    """
    from leakdiff.render.progress import QUIET, VOICE
    from leakdiff.render.terminal import coloured, is_terminal, wants_colour, width_of, wrapped

    if headline is not None and VOICE.get() == QUIET:
        text = headline
    if not text:
        return
    if is_terminal(sys.stdout):
        text = wrapped(text, width_of(sys.stdout))
    _write(f"{coloured(text) if wants_colour(sys.stdout) else text}\n")


def emit(text: str) -> None:
    """Print a result for programs, as it is; ends with a newline.

    Raises:
        OSError: If it cannot be written, but for a reader who has seen enough.
    """
    _write(text)


def emit_bytes(content: bytes) -> None:
    """Print a result for programs that has an encoding of its own.

    Raises:
        OSError: If it cannot be written, but for a reader who has seen enough.
    """
    with _written(sys.stdout) as stream:
        stream.flush()
        stream.buffer.write(content)


def flush() -> None:
    """Write what is left of what the step printed.

    Raises:
        OSError: If it cannot be written, but for a reader who has seen enough.
    """
    with _written(sys.stdout):
        pass


def _write(text: str) -> None:
    from leakdiff.render.terminal import encodable

    with _written(sys.stdout) as stream:
        stream.write(encodable(text, getattr(stream, "encoding", None) or "utf-8"))


@contextmanager
def _written(stream: TextIO) -> Iterator[TextIO]:
    """Write something, to the end: what cannot be written later would be an error of the interpreter."""
    try:
        yield stream
        stream.flush()
    except BrokenPipeError:  # as of `| head`: what was found is as true as before
        _abandon(stream)
    except OSError:
        _abandon(stream)
        raise


def _abandon(stream: TextIO) -> None:
    """Let nothing more reach a stream that refused: the interpreter would complain when it ends."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


# -- everything else -------------------------------------------------------------------------------


def note(text: str) -> None:
    """Say something beside the result, unless ``--quiet`` was given."""
    from leakdiff.render.progress import QUIET, VOICE

    if VOICE.get() != QUIET:
        complain(text)


def detail(text: str) -> None:
    """Say something that only ``--verbose`` asks for."""
    from leakdiff.render.progress import VERBOSE, VOICE

    if VOICE.get() == VERBOSE:
        complain(text)


def complain(text: str) -> None:
    """Say something on standard error, if there is anybody to hear it."""
    beside(f"leakdiff: {text}")


def beside(text: str) -> None:
    """Write what stands beside a result, on standard error."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        _abandon(sys.stderr)


def complain_of(error: LeakdiffError) -> None:
    """Say what went wrong, and under which slug it is explained."""
    complain(f"{error} [{error.slug}]")


def show_traceback(error: BaseException | None) -> None:
    """Show where an error was raised, on standard error."""
    import traceback

    with suppress(OSError, ValueError):
        traceback.print_exception(error)


@contextmanager
def step_prints_elsewhere(json_path: str | None) -> Iterator[None]:
    """Where standard output is for the JSON alone, send what the step prints to standard error."""
    if json_path != "-":
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def require_streams() -> bool:
    """Tell whether there is a standard output; what is closed is filled, so that no file takes its number."""
    if sys.stdout is not None and sys.stderr is not None:
        return True
    is_there = sys.stdout is not None
    if not is_there:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until the process ends
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    return is_there
