"""``leakdiff render REPORT.json --to FORMAT``: a report that was saved, in another form."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

_STANDARD = "-"
_EXAMPLES = """\
examples:
  leakdiff check work.py --json report.json
  leakdiff render report.json --output incident.html     a page to attach
  leakdiff render report.json --to md >> "$GITHUB_STEP_SUMMARY"
  leakdiff render report.json --to sarif --output leaks.sarif
  leakdiff check work.py --json - | leakdiff render - --to svg > path.svg

Exit status: 0 when it was rendered, whatever the report says; 2 trouble.
"""


def add_render_command(commands: Any) -> None:
    """Add the parser of this command to those of the command line."""
    from leakdiff.reports import FORMATS

    formats = "; ".join(f"{name}: {known.what}" for name, known in FORMATS.items())
    parser = commands.add_parser(
        "render",
        allow_abbrev=False,
        help="show a saved report in another form: a page, Markdown, SARIF, a picture",
        description="Show a report that was saved as JSON in another form.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("report", metavar="REPORT.json", help="what --json wrote (- for standard input)")
    parser.add_argument(
        "--to",
        choices=tuple(FORMATS),
        metavar="FORMAT",
        help=f"{formats} (default: what the ending of --output names, else text)",
    )
    parser.add_argument("--output", metavar="FILE", default=_STANDARD, help="where to (default: standard output)")
    parser.set_defaults(run=_run_render)


def _run_render(parsed: argparse.Namespace) -> int:
    from leakdiff.reports import encoded, format_of, rendered
    from leakdiff.store.files import write_whole

    to_screen = parsed.output == _STANDARD
    to = parsed.to or ("text" if to_screen else format_of(parsed.output))
    text = rendered(_report(parsed.report), to)
    if not to_screen:
        write_whole(Path(parsed.output), encoded(text))
    elif to == "text":
        print(text)
    else:  # as bytes: these formats are UTF-8 whatever the terminal has
        sys.stdout.flush()
        sys.stdout.buffer.write(encoded(text))
        sys.stdout.buffer.flush()
    return 0


def _report(name: str) -> Any:
    from leakdiff.reports import load, parsed
    from leakdiff.store.reports import MOST_BYTES

    if name != _STANDARD:
        return load(name)
    return parsed(sys.stdin.buffer.read(MOST_BYTES + 1), "standard input")
