"""The command line: ``leakdiff check``, ``soak``, ``diff``, ``show``, ``trend``, ``store``, ``cause`` and so on."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator, Sequence

from leakdiff.__about__ import __version__
from leakdiff.check_command import add_check_command, add_demo_command
from leakdiff.command_parser import Parser, add_command, filled, help_width
from leakdiff.completions import add_completion_command
from leakdiff.console import (
    CLEAN,
    TROUBLE,
    CannotPrint,
    complain,
    complain_of,
    emit,
    flush,
    require_streams,
    show_traceback,
    tell,
)
from leakdiff.errors import LeakdiffError, StepFailed, StepForked, TargetNotFound
from leakdiff.history_commands import add_history_commands
from leakdiff.render_command import add_render_command
from leakdiff.soak_command import add_soak_command

_QUESTIONS = (
    ("Is it leaking? Repeat the work:", ("check", "soak", "demo")),
    ("What grew? Read what a living process kept:", ("trend", "diff", "show", "store")),
    ("Who holds it, and what mends it?", ("cause", "render")),
    ("leakdiff itself:", ("selftest", "completion")),
)
_UNDER = " " * 14  # what stands before an example, below the name of its command
_SAYS = "Says whether a Python process leaks, what grows, and who holds it."
_START = """\
leakdiff says whether a Python process leaks, what grows, and who holds it.

  leakdiff demo             see it find the leaks of a small service
  leakdiff check work.py    repeat step() of your work.py, and say what leaks
  leakdiff --help           all commands, each with an example
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 clean, 1 leaks, 2 trouble."""
    if not require_streams():
        complain("the report could not be printed: standard output is closed. [cannot-write]")
        return TROUBLE
    status = _guarded(lambda: _run(arguments))
    return max(status, _guarded(_last_words))


def _run(arguments: Sequence[str] | None) -> int:
    from leakdiff.render.progress import NORMAL, VOICE

    try:
        parsed = make_parser().parse_args(arguments)
    except SystemExit as ended:  # of --help and --version, which have been printed
        return int(ended.code or CLEAN)
    voice = VOICE.set(getattr(parsed, "voice", NORMAL))
    try:
        return int(parsed.run(parsed))
    finally:
        VOICE.reset(voice)


def _last_words() -> int:
    flush()
    return CLEAN


def _guarded(run: Callable[[], int]) -> int:
    """Run something; whatever goes wrong ends with one sentence and status 2."""
    starter = os.getpid()
    try:
        return run()
    except StepForked as error:
        complain_of(error)
        if os.getpid() != starter:  # the child must not go on as if it were the parent
            os._exit(TROUBLE)
    except StepFailed as error:
        show_traceback(error.__cause__)
        complain_of(error)
    except LeakdiffError as error:
        complain_of(error)
    except KeyboardInterrupt:
        complain("interrupted before there was a result")
    except CannotPrint as error:
        complain(f"the report could not be printed: {error.strerror}. [cannot-write]")
    except SystemExit as error:  # with the program's own status, which is none of ours
        show_traceback(error)
        complain("the program ended itself by sys.exit before there was a result (traceback above)")
    except BaseException as error:  # noqa: BLE001 - exit 1 would mean leaks
        show_traceback(error)
        complain("failed by a fault of its own (traceback above); please report it")
    return TROUBLE


# -- the parser ------------------------------------------------------------------------------------


class _Leakdiff(Parser):
    """The parser of the whole command line: its help has the commands by the question they answer."""

    commands: argparse._SubParsersAction[Parser]

    def format_help(self) -> str:
        """Return the help: the commands, each with an example, and the options."""
        made = self._get_formatter()
        made.add_usage("leakdiff [OPTION ...] COMMAND ...", [], [])
        made.add_text(_SAYS)
        made.add_text("\n".join(self._listed()))
        made.start_section("options")
        made.add_arguments(self._get_optional_actions())
        made.end_section()
        made.add_text("leakdiff COMMAND --help has more examples of each.")
        made.add_text(
            "Exit status: 0 clean or done; 1 leaks (diff: growth; selftest: judged wrong); 2 trouble or inconclusive."
        )
        return made.format_help()

    def _listed(self) -> Iterator[str]:
        for question, names in _QUESTIONS:
            yield question
            for name in names:
                if (parser := self.commands.choices.get(name)) is None:
                    continue
                yield filled(parser.summary or parser.description or "", f"  {name:<10}  ", _UNDER, width=help_width())
                yield from (f"{_UNDER}{command}" for command, _ in parser.examples[:1])
            yield ""


def make_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = _Leakdiff(prog="leakdiff", description=_SAYS)
    parser.add_argument("--version", action="version", version=f"leakdiff {__version__}")
    parser.set_defaults(run=_run_nothing)
    commands = parser.add_subparsers(metavar="COMMAND", prog="leakdiff", parser_class=Parser)
    parser.commands = commands
    add_check_command(commands)
    add_soak_command(commands)
    add_demo_command(commands)
    add_history_commands(commands)
    _add_cause(commands)
    add_render_command(commands)
    _add_selftest(commands)
    add_completion_command(commands)
    return parser


def _run_nothing(_: argparse.Namespace) -> int:
    """Show where to start; nothing was checked, so it cannot be clean."""
    emit(_START)
    return TROUBLE


def _add_cause(commands: argparse._SubParsersAction[Parser]) -> None:
    cause = add_command(
        commands,
        "cause",
        _run_cause,
        "explain a cause that a report names, and show the fix in code",
        examples=(
            ("leakdiff cause", "List all causes."),
            ("leakdiff cause pending-task", "Why tasks stay pending for ever, and what mends it."),
        ),
        exits="0 done, 2 there is no cause of that name",
        page="how-to/causes",
    )
    cause.add_argument("slug", metavar="NAME", help="such as pending-task; all names without one", nargs="?")


def _causes_like(text: str) -> str:
    """Say which causes look like a text; a finding's fingerprint is mistaken for one at times."""
    import difflib

    from leakdiff.judge.causes import CAUSES

    if re.fullmatch(r"[0-9a-f]{6}", text):
        return "It looks like a finding's fingerprint: the finding names its cause in the row `cause`."
    near = difflib.get_close_matches(text, CAUSES, 3) or [slug for slug in CAUSES if text in slug][:3]
    return f"Did you mean {' or '.join(near)}?" if near else "`leakdiff cause` lists them."


def _run_cause(parsed: argparse.Namespace) -> int:
    import textwrap

    from leakdiff.judge.causes import CAUSES

    if parsed.slug is None:
        tell("\n".join(f"{slug:<26}  {cause.title}" for slug, cause in CAUSES.items()))
        return CLEAN
    if parsed.slug not in CAUSES:
        raise TargetNotFound(f"The cause {parsed.slug!r}", "there is none of that name", _causes_like(parsed.slug))
    cause = CAUSES[parsed.slug]
    pattern = textwrap.indent(cause.pattern.strip(), "    ")
    tell(f"{cause.title}\n\n{cause.why}\n\nTo mend it: {cause.fix}.\n\n{pattern}")
    return CLEAN


def _add_selftest(commands: argparse._SubParsersAction[Parser]) -> None:
    selftest = add_command(
        commands,
        "selftest",
        _run_selftest,
        "plant a leak of every kind, and a clean twin, and judge them",
        description="Plant a leak of every kind that leakdiff claims to see, and a clean twin of each, check them in "
        "processes of their own, and print a line for each. All of them take minutes.",
        examples=(
            ("leakdiff selftest dict_by_request_id", "One kind, and its twin: a few seconds."),
            ("leakdiff selftest", "All of them, on the Python at hand."),
        ),
        exits="0 all were judged right, 1 some were not, 2 trouble",
        page="explanation/measured/accuracy",
    )
    selftest.add_argument("plants", nargs="*", metavar="NAME", help="only these plants")


def _run_selftest(parsed: argparse.Namespace) -> int:
    from leakdiff.selftest import run_selftest

    return run_selftest(parsed.plants)
