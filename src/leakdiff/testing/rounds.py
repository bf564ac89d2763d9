"""A ``for`` loop whose body is one unit of work: a check that runs beside it says how often it goes round."""

from __future__ import annotations

import os
import threading
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from leakdiff.capture.workload import Workload
from leakdiff.errors import BadRounds, LeakdiffError, StepForked
from leakdiff.interpreter import require_supported_interpreter
from leakdiff.options import Options
from leakdiff.session import Examined, examine_workload


class Rounds:
    """One check of the body of a loop.

    A check calls a step, and a loop is called by nobody: so it runs in a thread of its own, and asks the thread of
    the loop to go round so many times, or to do for it what only that thread can. One of the two always waits for the
    other.

    Attributes:
        passes: How often the body has begun.
        examined: What was found; None before the end, and where the loop was left early.
        error: Why nothing was found, where the check itself failed.
    """

    def __init__(self, options: Options) -> None:
        self.passes = 0
        self.examined: Examined | None = None
        self.error: BaseException | None = None
        self._options = options
        self._has_begun = False
        self._exchange = _Exchange()

    def __iter__(self) -> Iterator[None]:
        """Go round as often as the check asks for; end with it."""
        exchange = self._exchange
        require_supported_interpreter()
        start_new_thread(self._examine, ())  # no threading.Thread: it would be seen in the heap as somebody's
        self._has_begun = True
        try:
            while units := exchange.units():
                for _ in range(units):
                    self.passes += 1
                    yield
        finally:
            self.close()

    def close(self) -> None:
        """End the check, if it has begun and has not come to its end."""
        if self._has_begun:
            self._exchange.close()

    def _examine(self) -> None:
        try:
            workload = Workload(self._go_round, host=self._exchange.call)
            self.examined = examine_workload(workload, self._options)
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread of the loop
            self._keep(error)
        finally:
            _forget_thread()
            self._exchange.end()

    def _keep(self, error: BaseException) -> None:
        """Keep why the check failed, but not the frames of one that was left: they hold objects of the program."""
        if not isinstance(error.__cause__ or error, _Left):
            self.error = error.with_traceback(None) if isinstance(error, LeakdiffError) else error

    def _go_round(self, units: int) -> None:
        self._exchange.go_round(units)


def _forget_thread() -> None:
    """Let threading forget this thread: asked for the current one, it remembers it, and up to 3.12 for good."""
    threading._active.pop(get_ident(), None)  # type: ignore[attr-defined]  # noqa: SLF001 - psutil asks


class _Left(BaseException):
    """The loop was left: the check has to end."""


@attrs.define(eq=False)
class _Wish:
    """What the check wants of the thread of the loop: some units, or a call."""

    units: int = 0
    function: Callable[[], Any] | None = None
    result: Any = None
    error: BaseException | None = None


_NOTHING = _Wish()


class _Exchange:
    """Two threads of which one waits; nothing of it stays on the heap, which is being measured.

    A signal may raise in the loop's thread wherever that waits: what is wished for is the state, and the locks only
    wake the other thread. None is handled between two statements that call nothing before the last.
    """

    def __init__(self) -> None:
        self._wished, self._answered = allocate_lock(), allocate_lock()
        self._wished.acquire()
        self._answered.acquire()
        self._wish = _NOTHING
        self._has_left = self._has_ended = False
        self._pid = os.getpid()

    # -- called by the check -----------------------------------------------------------------------

    def go_round(self, units: int) -> None:
        """Let the loop run so many units."""
        if not self._has_left:
            self._ask(_Wish(units=units))
        if self._has_left:
            raise _Left

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function in the thread of the loop."""
        wish = _Wish(function=function)
        self._ask(wish)
        if wish.error is not None:
            raise wish.error
        return wish.result

    def end(self) -> None:
        """Say that the check is over."""
        self._has_ended = True
        self._wake()

    def _ask(self, wish: _Wish) -> None:
        self._wish = wish
        self._wake()
        self._answered.acquire()

    def _wake(self) -> None:
        if self._wished.locked():  # else it is about to look by itself
            self._wished.release()

    # -- called by the loop ------------------------------------------------------------------------

    def units(self) -> int:
        """Do what the check asks for until it asks for units; 0 when it is over.

        Raises:
            StepForked: In a forked child, where there is no check.
        """
        if os.getpid() != self._pid:
            self._has_ended = True
            raise StepForked("a round")
        if self._wish.units:
            self._answer()
        while not self._has_ended:
            if self._wish is _NOTHING:
                self._wished.acquire()
            elif self._wish.function is None:
                return self._wish.units
            else:
                _serve(self._wish, self._wish.function)
                self._answer()
        return 0

    def _answer(self) -> None:
        self._wish = _NOTHING
        self._answered.release()

    def close(self) -> None:
        """Let the check end, wherever it is, and put everything back before anybody goes on."""
        self._has_left = True
        while not self._has_ended:
            self.units()


def _serve(wish: _Wish, function: Callable[[], Any]) -> None:
    try:
        wish.result = function()
    except BaseException as error:  # noqa: BLE001 - Ctrl-C, too: the check ends by it
        wish.error = error


def found_by(rounds: Rounds) -> Examined:
    """Return what a loop that has come to its end found.

    Raises:
        LeakdiffError: If the check failed, or the loop was left early.
        KeyboardInterrupt: If the check was interrupted.
    """
    if rounds.error is not None:
        raise rounds.error
    if rounds.examined is None:
        raise BadRounds.left(rounds.passes)
    if rounds.examined.evidence.interrupted is not None:
        raise KeyboardInterrupt
    return rounds.examined
