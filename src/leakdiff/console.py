"""Where the command line writes: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from leakdiff.errors import LeakdiffError

if TYPE_CHECKING:
    from leakdiff.model.report import Report
    from leakdiff.model.soak import SoakReport
    from leakdiff.model.verdict import Verdict

CLEAN, LEAKS, TROUBLE = 0, 1, 2


class CannotPrint(OSError):
    """Standard output refused a result."""


class _Results:
    """Where results go, while ``sys.stdout`` stands for standard error because only JSON may be on it."""

    stream: TextIO | None = None
    are_json = False  # from the first time on: what the program prints when it ends comes after the JSON


# -- results ---------------------------------------------------------------------------------------


def tell(text: str, *, headline: str | None = None) -> None:
    """Print a result for people, as standard output can show it.

    Args:
        text: The result; ends without a newline.
        headline: What ``--quiet`` prints instead, nothing if it is empty; all of the text if None.

    Raises:
        CannotPrint: If it cannot be written, but for a reader who has seen enough.
    """
    from leakdiff.render.progress import QUIET, VOICE
    from leakdiff.render.terminal import coloured, is_terminal, wants_colour, width_of, wrapped

    if headline is not None and VOICE.get() == QUIET:
        text = headline
    if not text:
        return
    if is_terminal(_stdout()):
        text = wrapped(text, width_of(_stdout()))
    _write(f"{coloured(text) if wants_colour(_stdout()) else text}\n")


def emit(text: str) -> None:
    """Print a result for programs, as it is; ends with a newline.

    Raises:
        CannotPrint: If it cannot be written, but for a reader who has seen enough.
    """
    _write(text)


def emit_bytes(content: bytes) -> None:
    """Print a result for programs that has an encoding of its own.

    Raises:
        CannotPrint: If it cannot be written, but for a reader who has seen enough.
    """
    with _written(_stdout()) as stream:
        stream.flush()
        stream.buffer.write(content)


def flush() -> None:
    """Write what is left of what the step printed.

    Raises:
        CannotPrint: If it cannot be written, but for a reader who has seen enough.
    """
    with _written(_stdout()):
        pass


def deliver(found: Report | SoakReport, json_path: str | None) -> None:
    """Print a report, and write its JSON where that was asked for.

    Args:
        found: The report.
        json_path: Where its JSON goes: ``-`` for standard output, instead of the text; None for nowhere.

    Raises:
        CannotPrint: If it cannot be printed; a file has been written all the same.
        CannotWrite: If the file cannot be written.
    """
    from leakdiff.store.files import write_whole

    if json_path == "-":
        emit(found.json())
        return
    try:
        tell(found.text(), headline=str(found))
    finally:  # whether or not somebody reads it
        if json_path is not None:
            write_whole(Path(json_path), found.json().encode())


def status_of(verdict: Verdict) -> int:
    """Return the exit status that goes with a verdict."""
    from leakdiff.model.verdict import ACCUSING, Verdict

    if verdict in ACCUSING:
        return LEAKS
    return TROUBLE if verdict is Verdict.INCONCLUSIVE else CLEAN


def _stdout() -> TextIO:
    return _Results.stream or sys.stdout


def _write(text: str) -> None:
    from leakdiff.render.terminal import encodable

    with _written(_stdout()) as stream:
        stream.write(encodable(text, getattr(stream, "encoding", None) or "utf-8"))


@contextmanager
def _written(stream: TextIO) -> Iterator[TextIO]:
    """Write something, to the end: what cannot be written later would be an error of the interpreter."""
    try:
        yield stream
        stream.flush()
    except BrokenPipeError:  # as of `| head`: what was found is as true as before
        _abandon(stream)
    except (OSError, ValueError) as error:  # a ValueError if the program has closed it
        _abandon(stream)
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise CannotPrint(getattr(error, "errno", None), reason) from error


def _abandon(stream: TextIO) -> None:
    """Let nothing more reach a stream that refused: the interpreter would complain when it ends."""
    with suppress(Exception):  # it may be an object of the program's
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
    except Exception:  # noqa: BLE001 - the program may have put anything there
        _abandon(sys.stderr)


def complain_of(error: LeakdiffError) -> None:
    """Say what went wrong, and under which slug it is explained."""
    complain(f"{error} [{error.slug}]")


def show_traceback(error: BaseException | None) -> None:
    """Show where an error was raised, on standard error."""
    import traceback

    with suppress(Exception):  # as of a stream, or an error's own text
        traceback.print_exception(error)


@contextmanager
def step_prints_elsewhere(json_path: str | None) -> Iterator[None]:
    """Where standard output is for the JSON alone, send what the program prints to standard error; not our results."""
    if json_path != "-":
        yield
        return
    _Results.stream, _Results.are_json = sys.stdout, True
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout, _Results.stream = _Results.stream, None


def end_results() -> None:
    """Let nothing follow JSON on standard output: what the program prints as it ends goes to standard error."""
    if _Results.are_json:
        sys.stdout = sys.stderr


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
