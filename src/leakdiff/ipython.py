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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from IPython.core import magic_arguments
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from leakdiff.errors import LeakdiffError, StepFailed
from leakdiff.knobs import KNOBS
from leakdiff.model.shown import Shown
from leakdiff.model.snapshot import Snapshot
from leakdiff.source_files import is_own_file

T = TypeVar("T")
_MAGIC = "leakdiff"
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
        given: Any = self.leakdiff.parser.parse_argstring(line if cell is None else f"cell {line}")
        told = {name: getattr(given, name) for name in KNOBS}
        knobs = {name: value for name, value in told.items() if value is not None}
        if cell is not None:
            if given.of is not None:
                raise UsageError(f"%%leakdiff takes options only, and no {given.of}; the cell is what is checked.")
            return self._answer(lambda: self._check_cell(cell, knobs))
        if given.verb not in _VERBS:
            raise UsageError(f"%leakdiff {given.verb}: there is no such verb; one of {', '.join(_VERBS)}.")
        return self._answer(lambda: getattr(self, f"_{given.verb}")(given.of, knobs))

    def _answer(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except LeakdiffError as error:
            cause = error.__cause__ if isinstance(error, StepFailed) else None
            if cause is not None:
                self._ip.showtraceback((type(cause), cause, _of_the_program(cause.__traceback__)))
            raise UsageError(f"{error} [{error.slug}]") from None

    # -- the verbs -------------------------------------------------------------------------------------

    def _help(self, _of: str | None, _knobs: dict[str, Any]) -> Shown:
        return Shown(_HELP)

    def _watch(self, seconds: str | None, _knobs: dict[str, Any]) -> Any:
        from leakdiff.live import watch

        try:
            return watch(float(seconds) if seconds is not None else 60.0)
        except ValueError as error:
            if isinstance(error, LeakdiffError):
                raise
            raise UsageError(f"%leakdiff watch {seconds}: give a number of seconds.") from None

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

        try:
            step = self._evaluated("check", callable_)
        except (NameError, AttributeError, SyntaxError) as error:
            raise UsageError(f"%leakdiff check {callable_}: {type(error).__name__}: {error}") from None
        return check(step, **knobs)

    def _why(self, name: str | None, _knobs: dict[str, Any]) -> Any:
        from leakdiff.alive import why_alive

        return why_alive(self._meant("why", name))

    def _owners(self, name: str | None, _knobs: dict[str, Any]) -> Any:
        from leakdiff.alive import owners

        return owners(self._meant("owners", name))

    def _evaluated(self, verb: str, name: str | None) -> Any:
        if name is None:
            raise UsageError(f"%leakdiff {verb}: say of what.")
        return self._ip.ev(name)

    def _meant(self, verb: str, name: str | None) -> Any:
        """Return what a name stands for here, or the name itself: classes are also found by their own."""
        try:
            return self._evaluated(verb, name)
        except (NameError, AttributeError, SyntaxError):
            return name

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
        given_up = threading.Event()

        async def awaited() -> None:
            if given_up.is_set():
                raise KeyboardInterrupt
            await eval(code, names)  # noqa: S307

        return _where_no_loop_runs(lambda: check(awaited, **knobs), given_up)

    def _compiled(self, cell: str) -> Any:
        """Compile a cell as IPython does: its magics work, its lines are found by those who ask for source."""
        shell = self._ip
        source = shell.transform_cell(cell)
        name = shell.compile.cache(source, len(shell.user_ns["_ih"]) - 1, raw_code=cell)
        tree = shell.transform_ast(ast.parse(source, name))
        flags = shell.compile.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return compile(tree, name, "exec", flags, dont_inherit=True)


def _of_the_program(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Return a traceback from where leakdiff called the program on."""
    below = trace
    while below is not None and is_own_file(below.tb_frame.f_code.co_filename):
        below = below.tb_next
    return below or trace


def _where_no_loop_runs(call: Callable[[], T], given_up: threading.Event) -> T:
    """Call something in this thread, or in another where an event loop runs in this one, as in a notebook.

    Args:
        call: What to call.
        given_up: Set on Ctrl-C, which reaches the main thread only.
    """
    if asyncio._get_running_loop() is None:  # noqa: SLF001 - get_running_loop raises instead
        return call()
    with ThreadPoolExecutor(1, "leakdiff-check") as pool:
        answer = pool.submit(call)
        try:
            return answer.result()
        except KeyboardInterrupt:
            given_up.set()
            return answer.result()
