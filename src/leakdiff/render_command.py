"""``leakdiff render REPORT.json --to FORMAT``: a report that was saved, in another form."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from leakdiff.command_parser import add_command
from leakdiff.console import CLEAN, emit_bytes, tell
from leakdiff.errors import BadOption, CannotRead

_STANDARD = "-"
_PIPED, _TODO = "standard input", "Pipe a report into it, or name a file."
_FORMATS = ("text", "html", "md", "json", "sarif", "dot", "mermaid", "svg")  # of reports.FORMATS, which is heavy
_EXAMPLES = (
    ("leakdiff render report.json", "Read again what `leakdiff check work.py --json report.json` wrote."),
    ("leakdiff render report.json --output incident.html", "Make a page to attach."),
    ("leakdiff render report.json --to md >> summary.md", "Append it to a summary, such as $GITHUB_STEP_SUMMARY."),
    ("leakdiff render report.json --to svg > path.svg", "Draw who holds what grows."),
)


def add_render_command(commands: Any) -> None:
    """Add the parser of this command to those of the command line."""
    parser = add_command(
        commands,
        "render",
        _run_render,
        "show a saved report in another form: a page, Markdown, SARIF, a picture",
        description="Show a report that was saved as JSON in another form: as it was printed, as one page for a "
        "browser, as Markdown for tickets, as SARIF for code hosts, or as a picture of its first finding.",
        examples=_EXAMPLES,
        exits="0 rendered, whatever the report says; 2 trouble",
        page="how-to/reports",
    )
    parser.add_argument("report", metavar="REPORT.json", help="what --json wrote (- for standard input)")
    parser.add_argument(
        "--to",
        choices=_FORMATS,
        metavar="FORMAT",
        help=f"{', '.join(_FORMATS)} (default: what the ending of --output names, else text)",
    )
    parser.add_argument("--output", metavar="FILE", default=_STANDARD, help="where to (default: standard output)")


def _run_render(parsed: argparse.Namespace) -> int:
    from leakdiff.reports import encoded, format_of, rendered
    from leakdiff.store.files import write_whole

    to_screen = parsed.output == _STANDARD
    to = parsed.to or ("text" if to_screen else format_of(parsed.output, "output"))
    _refuse_same(parsed.report, parsed.output)
    text = rendered(_report(parsed.report), to)
    if not to_screen:
        write_whole(Path(parsed.output), encoded(text))
    elif to == "text":
        tell(text, headline=text.partition("\n")[0])
    else:  # as bytes: these formats are UTF-8 whatever the terminal has
        emit_bytes(encoded(text))
    return CLEAN


def _report(name: str) -> Any:
    from leakdiff.reports import load, parsed
    from leakdiff.store.reports import MOST_BYTES

    if name != _STANDARD:
        return load(name)
    return parsed(_standard_input(MOST_BYTES + 1), _PIPED)


def _standard_input(most: int) -> bytes:
    if sys.stdin is None:
        raise CannotRead(_PIPED, "it is closed", _TODO)
    try:
        return sys.stdin.buffer.read(most)
    except OSError as error:  # such as of a folder
        raise CannotRead(_PIPED, (error.strerror or str(error)).lower(), _TODO) from error


def _refuse_same(source: str, output: str) -> None:
    """Refuse to write over the report itself: other forms cannot be read again."""
    is_same = False
    with suppress(OSError, ValueError):  # of what is not there, or is no path; who reads or writes it says so
        is_same = _STANDARD not in (source, output) and Path(source).samefile(output)
    if is_same:
        raise BadOption("output", output, "another file than the report, which would be lost")
