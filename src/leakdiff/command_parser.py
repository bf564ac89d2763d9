"""The parsers of the command line: help that teaches by examples, and one sentence where a command is wrong."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from leakdiff.console import emit
from leakdiff.errors import BadUsage

Run = Callable[[argparse.Namespace], int]
Examples = tuple[tuple[str, str], ...]

_COMMAND, _SAYS = "  ", "      "  # what stands before an example, and before what it does
_GLUE = "\x1f"  # for a space at which no line breaks
_ROOMY = 60  # columns from which on there is room for what an option does beside it
_MOST_QUOTED = 200


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Fits the help to the terminal, but for what is indented: that is in shape already."""

    def __init__(self, prog: str, **how: Any) -> None:
        width = help_width()
        aside = {} if width >= _ROOMY else {"max_help_position": 8}  # else words would be broken
        super().__init__(prog, **{"width": width, **aside, **how})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = (line if line.startswith(" ") else filled(line, width=width) for line in text.split("\n"))
        return "\n".join(f"{indent}{line}".rstrip() for line in lines)


def help_width() -> int:
    """Return how wide the help may be."""
    from leakdiff.render.terminal import width_of

    return width_of(sys.stdout)


def filled(text: str, first: str = "", hang: str = "", *, width: int) -> str:
    """Wrap prose, with what stands before its first line and before the others; options stay whole."""
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=hang, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """A parser of one command.

    Attributes:
        summary: What the command does, in a few words.
        examples: Commands that work as typed, each with what it does.
        exits: What its exit statuses mean; empty where ``epilog`` says it.
        page: The page of the documentation that tells more.
    """

    def __init__(
        self, *given: Any, summary: str = "", examples: Examples = (), exits: str = "", page: str = "", **how: Any
    ) -> None:
        super().__init__(*given, **{"allow_abbrev": False, "formatter_class": Formatter, **how})
        self.summary, self.examples, self.exits, self.page = summary, examples, exits, page
        _add_voice(self)

    def format_help(self) -> str:
        """Return the help: usage, what the command does, its options, examples, exit statuses and where to read on."""
        usage, epilog = self.usage, self.epilog
        self.usage, self.epilog = usage or self._short_usage(), self._taught()
        try:
            return super().format_help()
        finally:
            self.usage, self.epilog = usage, epilog

    @property
    def arguments(self) -> list[argparse.Action]:
        """What it takes: arguments, options, and the commands below it."""
        return list(self._actions)

    def below(self) -> Iterator[Parser]:
        """Walk the parsers of its commands, and of theirs."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - it has no other name
                for each in action.choices.values():
                    yield each
                    yield from each.below()

    def _short_usage(self) -> str:
        parts = ["usage:", self.prog, "[OPTION ...]", *map(_place, self._get_positional_actions())]
        text = " ".join(part.replace(" ", _GLUE) for part in parts)
        return filled(text, hang=" " * 9, width=help_width()).replace(_GLUE, " ").removeprefix("usage: ")

    def _taught(self) -> str:
        width = help_width()
        told = (f"{_COMMAND}{command}\n{filled(says, _SAYS, _SAYS, width=width)}" for command, says in self.examples)
        examples = "\n".join(told)
        parts = (
            f"examples:\n{examples}" if examples else "",
            f"Exit status: {self.exits}." if self.exits else "",
            self.epilog or "",
            f"More: {self.page} in the documentation." if self.page else "",
        )
        return "\n\n".join(part for part in parts if part)

    def error(self, message: str) -> NoReturn:
        """Refuse the command line in one sentence.

        Raises:
            BadUsage: Always.
        """
        raise BadUsage(f"{self.prog} cannot run like this", _cut(message), f"See {self.prog} --help.")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print the help or the version as a result: that it cannot be written must not go unsaid."""
        if file is sys.stdout:
            emit(message)
        else:
            super()._print_message(message, file)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse what is not known here: whoever calls would not know either.

        Raises:
            BadUsage: If there is such a thing, with the option that comes closest.
        """
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            raise self._unknown(unknown[0])
        return parsed, unknown

    def _unknown(self, given: str) -> BadUsage:
        name = given.partition("=")[0]
        known = [option for option in self._option_string_actions if option.startswith("--")]
        what = f"The option {_cut(name)}" if given.startswith("-") else f"The argument '{_cut(given)}'"
        saw = f"{self.prog} has none of that name" if given.startswith("-") else f"{self.prog} takes no more of them"
        return BadUsage(f"{what} cannot be used", saw, _advice(name, known, self.prog))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is no choice, with the choice that comes closest."""
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - it has no other name
            what, saw = f"The command '{_cut(value)}'", f"{self.prog} has none of that name"
            raise BadUsage(f"{what} cannot be used", saw, _advice(value, choices, self.prog, f"{self.prog} "))
        name = "/".join(action.option_strings) or action.metavar or action.dest
        saw = f"it is not one of {', '.join(choices)}"
        raise BadUsage(f"{name} '{_cut(value)}' cannot be used", saw, _advice(value, choices, self.prog))


def add_command(commands: Any, name: str, run: Run, summary: str, *, description: str = "", **taught: Any) -> Parser:
    """Add a command.

    Args:
        commands: What ``add_subparsers`` returned.
        name: Its name.
        run: Runs it and returns the exit status.
        summary: What it does, in a few words.
        description: What it does, in a few sentences; the summary where there is no more to say.
        taught: ``examples``, ``exits`` and ``page``; see ``Parser``.
    """
    described = description or f"{summary[0].upper()}{summary[1:]}."
    made: Parser = commands.add_parser(name, help=summary, summary=summary, description=described, **taught)
    made.set_defaults(run=run)
    return made


def _add_voice(parser: argparse.ArgumentParser) -> None:
    """Add what every command has, before it and after it: a default would undo what stood before."""
    voices = parser.add_mutually_exclusive_group()
    for letter, name, text in (
        ("-q", "quiet", "print the verdict alone, in one line, and nothing beside the result"),
        ("-v", "verbose", "say on standard error what is being done, and how long it takes"),
    ):
        voices.add_argument(
            letter, f"--{name}", dest="voice", action="store_const", const=name, default=argparse.SUPPRESS, help=text
        )


def _place(action: argparse.Action) -> str:
    name = action.metavar if isinstance(action.metavar, str) else action.dest
    if action.nargs == argparse.OPTIONAL:
        return f"[{name}]"
    if action.nargs == argparse.ZERO_OR_MORE:
        return f"[{name} ...]"
    return f"{name} ..." if action.nargs == argparse.PARSER else name


def _advice(given: str, known: Sequence[str], prog: str, before: str = "") -> str:
    import difflib

    near = difflib.get_close_matches(_cut(given), known, 1)
    return f"Did you mean {before}{near[0]}?" if near else f"See {prog} --help."


def _cut(text: object) -> str:
    from leakdiff.render.plain import printable

    given = str(text)
    return printable(given[:_MOST_QUOTED]) + ("..." if len(given) > _MOST_QUOTED else "")
