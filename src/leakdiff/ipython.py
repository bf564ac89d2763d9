"""leakdiff in IPython and notebooks: ``%load_ext leakdiff``, then ``%leakdiff`` and ``%%leakdiff``.

The magics return values, as the functions do, so that ``_`` and ``Out`` have them; a result holds no object of the
program. What goes wrong is told in a sentence, without a traceback of leakdiff's own code.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import threading
import types
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from IPython.core import magic_arguments
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from leakdiff.errors import LeakdiffError, StepFailed
from leakdiff.interpreter import is_in_event_loop
from leakdiff.knobs import KNOBS
from leakdiff.model.shown import Shown
from leakdiff.model.snapshot import Snapshot
from leakdiff.source_files import is_own_file

T = TypeVar("T")
_MAGIC = "leakdiff"
_WITHOUT = ("diff", "help")  # verbs that take nothing
_LAST_WAIT = 10.0  # seconds that what awaits has to end after Ctrl-C
_VERBS = ("watch", "snapshot", "diff", "check", "why", "owners", "help")
_HELP = """\
%leakdiff watch [SECONDS]     watch live traffic, 60 s unless said: who keeps what it leaves behind
%leakdiff snapshot [LABEL]    what is known of this process now
%leakdiff diff                what changed since the last %leakdiff snapshot
%leakdiff check CALLABLE      repeat it: does it leak, and who holds what
%leakdiff why NAME            who keeps an object alive, or the instances of a class
%leakdiff owners TYPE         who holds the instances of a class
%%leakdiff                    repeat the code of the cell, as check does a callable

check and %%leakdiff take --rounds, --units, --patience and so on (%leakdiff? lists them). All of them return values:
_.why() tells more, _.findings[0].draw() draws, _.save("report.html") keeps it."""


def load_ipython_extension(ip: InteractiveShell) -> None:
    """Add ``%leakdiff`` and ``%%leakdiff``: what ``%load_ext leakdiff`` calls."""
    ip.register_magics(LeakdiffMagics)
    shell: Any = ip
    shell.set_hook("complete_command", _complete, str_key=f"%{_MAGIC}")


def unload_ipython_extension(ip: InteractiveShell) -> None:
    """Take both away again: what ``%unload_ext leakdiff`` calls."""
    manager = ip.magics_manager
    for kind in ("line", "cell"):
        manager.magics[kind].pop(_MAGIC, None)
    manager.registry.pop(LeakdiffMagics.__name__, None)
    ip.strdispatchers["complete_command"].strs.pop(f"%{_MAGIC}", None)


def _complete(_shell: InteractiveShell, event: Any) -> list[str]:
    """Return the verbs, where a verb is being written."""
    return sorted(_VERBS) if len(event.line.split()) <= 1 + bool(event.symbol) else []


def _with_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a magic its arguments, and every knob of a check; the last comes first in its help."""
    named: Any = magic_arguments
    for name, knob in reversed(KNOBS.items()):
        option = f"--{name.replace('_', '-')}"
        function = named.argument(option, dest=name, type=type(knob.default), help=knob.text)(function)
    function = named.argument("of", nargs="?", help="seconds, a label, a callable, a name or a class")(function)
    function = named.argument("verb", nargs="?", default="help", help=", ".join(_VERBS))(function)
    magic: Callable[..., Any] = named.magic_arguments(_MAGIC)(function)
    return magic


@magics_class
class LeakdiffMagics(Magics):
    """The magics, and the snapshot that ``%leakdiff diff`` compares with."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._ip: Any = shell
        self._before: Snapshot | None = None

    @line_cell_magic(_MAGIC)  # type: ignore[arg-type]
    @_with_arguments
    def leakdiff(self, line: str, cell: str | None = None) -> Any:
        """Ask leakdiff: ``%leakdiff help`` lists what there is."""
        given = self._parsed(line if cell is None else f"cell {line}")
        told = {name: getattr(given, name) for name in KNOBS}
        knobs = {name: value for name, value in told.items() if value is not None}
        if cell is not None:
            if given.of is not None:
                raise UsageError(f"%%leakdiff takes options only, and no {given.of}; the cell is what is checked.")
            return self._answer(lambda: self._check_cell(cell, knobs))
        if given.verb not in _VERBS:
            raise UsageError(f"%leakdiff {given.verb}: there is no such verb; one of {', '.join(_VERBS)}.")
        if knobs and given.verb != "check":
            raise UsageError(
                f"%leakdiff {given.verb} takes no --{next(iter(knobs)).replace('_', '-')}: only check does."
            )
        if given.of is not None and given.verb in _WITHOUT:
            raise UsageError(f"%leakdiff {given.verb} takes nothing besides, and no {given.of}.")
        return self._answer(lambda: getattr(self, f"_{given.verb}")(given.of, knobs))

    def _parsed(self, line: str) -> Any:
        try:
            return self.leakdiff.parser.parse_argstring(line)
        except ValueError as error:
            said = str(error)
        raise UsageError(f"%leakdiff {line}: {said}.")

    def _answer(self, ask: Callable[[], T]) -> T:
        """Answer, or raise a sentence: beyond the ``except``, as it would keep the error and the program's objects."""
        try:
            return ask()
        except LeakdiffError as error:
            said = self._told(error)
        raise UsageError(said)

    def _told(self, error: LeakdiffError) -> str:
        """Return what an error says, and show where the program raised, if it did."""
        cause = error.__cause__ if isinstance(error, StepFailed) else None
        if cause is not None:
            self._show(cause, _of_the_program(cause.__traceback__))
        return f"{error} [{error.slug}]"

    def _show(self, error: BaseException, trace: types.TracebackType | None) -> None:
        self._ip.showtraceback((type(error), error.with_traceback(trace), trace))

    # -- the verbs -------------------------------------------------------------------------------------

    def _help(self, _of: str | None, _knobs: dict[str, Any]) -> Shown:
        return Shown(_HELP)

    def _watch(self, seconds: str | None, _knobs: dict[str, Any]) -> Any:
        from leakdiff.live import watch

        try:
            most = float(seconds) if seconds is not None else 60.0
        except ValueError:
            raise UsageError(f"%leakdiff watch {seconds}: give a number of seconds.") from None
        return watch(most)

    def _snapshot(self, label: str | None, _knobs: dict[str, Any]) -> Snapshot:
        from leakdiff.live import snapshot

        self._before = snapshot(label=label)
        return self._before

    def _diff(self, _of: str | None, _knobs: dict[str, Any]) -> Any:
        from leakdiff.live import diff

        if self._before is None:
            raise UsageError("%leakdiff diff: there is nothing to compare with; take a %leakdiff snapshot first.")
        return diff(self._before)

    def _check(self, callable_: str | None, knobs: dict[str, Any]) -> Any:
        from leakdiff.session import check

        step = self._evaluated("check", callable_)
        return _checked(step, knobs) if _is_async(step) and is_in_event_loop() else check(step, **knobs)

    def _why(self, name: str | None, _knobs: dict[str, Any]) -> Any:
        from leakdiff.alive import why_alive

        return why_alive(self._meant("why", name))

    def _owners(self, name: str | None, _knobs: dict[str, Any]) -> Any:
        from leakdiff.alive import owners

        return owners(self._meant("owners", name))

    def _evaluated(self, verb: str, name: str | None, *, or_name: bool = False) -> Any:
        """Return what an expression stands for here; where it stands for nothing, itself if that will do."""
        if name is None:
            raise UsageError(f"%leakdiff {verb}: say of what.")
        try:
            return self._ip.ev(name)
        except Exception as error:  # noqa: BLE001 - it is the program's
            if or_name and isinstance(error, NameError | AttributeError | SyntaxError):
                return name
            said = f"%leakdiff {verb} {name}: {type(error).__name__}: {error}"
            if (trace := _below_what_was_typed(error.__traceback__)) is not None:
                self._show(error, trace)
            del trace  # it would be kept with this frame
        raise UsageError(said)

    def _meant(self, verb: str, name: str | None) -> Any:
        """Return what a name stands for here, or the name itself: classes are also found by their own."""
        return self._evaluated(verb, name, or_name=True)

    # -- a cell ----------------------------------------------------------------------------------------

    def _check_cell(self, cell: str, knobs: dict[str, Any]) -> Any:
        from leakdiff.session import check

        try:
            code, names = self._compiled(cell), self._ip.user_ns
        except SyntaxError:
            self._ip.showsyntaxerror()
            return None
        if not code.co_flags & inspect.CO_COROUTINE:
            return check(lambda: eval(code, names), **knobs)  # noqa: S307 - it is the cell

        async def awaited() -> None:
            await eval(code, names)  # noqa: S307

        return _checked(awaited, knobs)

    def _compiled(self, cell: str) -> Any:
        """Compile a cell as IPython does: its magics work, its lines are found by those who ask for source."""
        shell = self._ip
        source = shell.transform_cell(cell)
        name = shell.compile.cache(source, len(shell.user_ns["_ih"]) - 1, raw_code=cell)
        tree = shell.transform_ast(ast.parse(source, name))
        flags = shell.compile.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return compile(tree, name, "exec", flags, dont_inherit=True)


def _checked(step: Callable[..., Awaitable[Any]], knobs: dict[str, Any]) -> Any:
    """Check what awaits."""
    from leakdiff.session import check

    awaiting = _InALoop(step)
    return _where_no_loop_runs(lambda: check(awaiting.step(), **knobs), awaiting.give_up)


def _is_async(step: Any) -> bool:
    return inspect.iscoroutinefunction(step) or inspect.iscoroutinefunction(getattr(type(step), "__call__", None))  # noqa: B004 - it is looked at, not called


def _below_what_was_typed(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Return a traceback from where an expression called the program on; None if it raised by itself."""
    while trace is not None and trace.tb_frame.f_code.co_filename != "<string>":
        trace = trace.tb_next
    return trace.tb_next if trace is not None else None


def _of_the_program(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Return a traceback from where leakdiff called the program on."""
    below = trace
    while below is not None and is_own_file(below.tb_frame.f_code.co_filename):
        below = below.tb_next
    return below or trace


class _InALoop:
    """A step that awaits, and that can be given up from another thread, also while it waits."""

    def __init__(self, step: Callable[..., Awaitable[Any]]) -> None:
        self._awaits = step
        self._is_given_up = False
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None] | None = None

    def step(self) -> Callable[..., Awaitable[Any]]:
        """Return what to repeat; it takes the number of units if the step does."""
        from leakdiff.capture.workload import takes_units

        async def awaited() -> None:
            await self._await()

        async def awaited_units(units: int) -> None:
            await self._await(units)

        return awaited_units if takes_units(self._awaits) else awaited

    async def _await(self, *units: int) -> None:
        if self._is_given_up:
            raise KeyboardInterrupt
        self._running = asyncio.get_running_loop(), asyncio.current_task()
        try:
            await self._awaits(*units)
        except asyncio.CancelledError:
            if self._is_given_up:
                raise KeyboardInterrupt from None
            raise

    def give_up(self) -> None:
        """End what is awaited just now, and all that would follow."""
        self._is_given_up = True
        loop, task = self._running or (None, None)
        if loop is not None and task is not None:
            with suppress(RuntimeError):  # the loop was closed in between
                loop.call_soon_threadsafe(task.cancel)


def _where_no_loop_runs(call: Callable[[], T], give_up: Callable[[], None]) -> T:
    """Call something in this thread, or in another where an event loop runs in this one, as in a notebook.

    Args:
        call: What to call.
        give_up: What ends it; called on Ctrl-C, which reaches the main thread only.

    Raises:
        UsageError: If it did not end after that.
    """
    if not is_in_event_loop():
        return call()
    answers: list[tuple[Any, BaseException | None]] = []
    ended = threading.Event()
    threading.Thread(target=_call_into, args=(call, answers, ended), name="leakdiff-check", daemon=True).start()
    try:
        ended.wait()
    except KeyboardInterrupt:
        give_up()
        ended.wait(_LAST_WAIT)
    if not answers:
        raise UsageError(f"it has not stopped {_LAST_WAIT:g} s after Ctrl-C: its code goes on in another thread.")
    found, error = answers.pop()
    try:
        if error is not None:
            raise error
        return found  # type: ignore[no-any-return]
    finally:
        del error  # it has this frame in its traceback


def _call_into(
    call: Callable[[], Any], answers: list[tuple[Any, BaseException | None]], ended: threading.Event
) -> None:
    try:
        answers.append((call(), None))
    except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
        answers.append((None, error))
    finally:
        ended.set()
