"""``leakdiff check`` and ``leakdiff demo``: repeat a step, and say what leaks."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakdiff.command_parser import add_command
from leakdiff.console import (
    CLEAN,
    LEAKS,
    beside,
    complain,
    deliver,
    detail,
    note,
    status_of,
    step_prints_elsewhere,
    tell,
)
from leakdiff.errors import BadOption, BadUsage, BaselineMissing
from leakdiff.knobs import KNOBS

if TYPE_CHECKING:
    from leakdiff.model.baseline import Baseline
    from leakdiff.model.report import Report
    from leakdiff.targets import Target

_PORT = 8321  # of the demo's debug endpoint
_DEMO = "leakdiff demo"  # with and without --fixed: so that what was mended is FIXED
_SHOWN_KNOBS = ("rounds", "units", "warmup", "patience")
_OF_A_CHECK = ("fixed", "json", "baseline", "write-baseline", "second-opinion")  # what --serve does not go with
_EXITS = "0 clean or KNOWN to the baseline, 1 leak or native leak, 2 trouble or inconclusive"


def add_check_command(commands: Any) -> None:
    """Add the parser of ``check`` to those of the command line."""
    check = add_command(
        commands,
        "check",
        _run_check,
        "repeat a step and report what leaks",
        description="Repeat a step of your program, round after round, and report what grows with every unit of work, "
        "who holds it, and which lines put it there.",
        examples=(
            ("leakdiff check work.py", "Repeat step() of work.py, with its setup() and teardown() where it has them."),
            ("leakdiff check work.py:handle --units 1009", "Repeat another function, with rounds that see rare leaks."),
            ("leakdiff check leakdiff.demo.matching:step --json -", "Print the report of a module's step as JSON."),
            (
                "leakdiff check work.py --baseline leaks.json --write-baseline",
                "Accept what leaks today; from now on without --write-baseline, so that only what is new ends with 1.",
            ),
        ),
        exits=_EXITS,
        page="how-to/check",
    )
    check.add_argument(
        "target", metavar="FILE.py[:CALLABLE]", help="or package.module:callable; default callable: step"
    )
    check.add_argument("--setup", metavar="NAME", help="run once before (default: setup, where present)")
    check.add_argument("--teardown", metavar="NAME", help="run once after (default: teardown, where present)")
    for name in _SHOWN_KNOBS:
        knob = KNOBS[name]
        text = f"{knob.text} (default: {knob.default})"
        check.add_argument(f"--{name}", type=type(knob.default), default=knob.default, metavar="N", help=text)
    _add_common(check)


def add_demo_command(commands: Any) -> None:
    """Add the parser of ``demo`` to those of the command line."""
    demo = add_command(
        commands,
        "demo",
        _run_demo,
        "find the two leaks of a small ride-matching service",
        description="Check a small ride-matching service that comes with leakdiff and has two leaks; or the same "
        "service with both mended.",
        examples=(
            ("leakdiff demo", "Find both leaks."),
            ("leakdiff demo --quiet", "Find them, and say so in one line."),
            ("leakdiff demo --fixed", "Find none where both are mended."),
            ("leakdiff demo --serve", "Run it with its debug endpoint, to look at it in a browser or by curl."),
        ),
        exits=_EXITS,
        page="tutorials/check",
    )
    demo.add_argument("--fixed", action="store_true", help="run the service with both leaks fixed")
    demo.add_argument(
        "--serve",
        type=int,
        nargs="?",
        const=_PORT,
        metavar="PORT",
        help=f"check nothing, but run the service with its debug endpoint until Ctrl-C (port: {_PORT})",
    )
    _add_common(demo)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--json", metavar="PATH", help="also write the report as JSON (- for standard output)")
    add("--baseline", metavar="PATH", help="a file of known leaks: only a NEW one ends with 1")
    add("--write-baseline", action="store_true", help="write what leaks into the file of --baseline")
    add("--second-opinion", action="store_true", help="ask objgraph, pympler and guppy3 about the same work too")


# -- what they do ----------------------------------------------------------------------------------


def exit_status(report: Report) -> int:
    """Return the exit status that goes with a verdict; leaks that a baseline knows do not count."""
    from leakdiff.model.baseline import new_leaks

    status = status_of(report.verdict)
    return CLEAN if status == LEAKS and report.leaks and not new_leaks(report) else status


def _run_check(parsed: argparse.Namespace) -> int:
    import attrs

    from leakdiff.options import Options

    options = Options(**{name: getattr(parsed, name) for name in _SHOWN_KNOBS})
    known = _known(parsed)
    from leakdiff.targets import find_target

    with step_prints_elsewhere(parsed.json):
        target = find_target(parsed.target, parsed.setup, parsed.teardown)
        from leakdiff.session import check

        report = check(target.step, setup=target.setup, teardown=target.teardown, **attrs.asdict(options))
        return _finish(report, parsed, target, known, _target_name(parsed))


def _run_demo(parsed: argparse.Namespace) -> int:
    from leakdiff import demo

    if parsed.serve is not None:
        return _serve(parsed)
    from leakdiff.session import check
    from leakdiff.targets import find_target

    known = _known(parsed)
    target = find_target(demo.FIXED if parsed.fixed else demo.LEAKY)
    with step_prints_elsewhere(parsed.json):
        report = check(target.step, setup=target.setup, teardown=target.teardown, units=demo.UNITS)
        return _finish(report, parsed, target, known, _DEMO)


def _serve(parsed: argparse.Namespace) -> int:
    for name in _OF_A_CHECK:
        if getattr(parsed, name.replace("-", "_")):
            raise BadUsage(f"--{name} cannot be used", "with --serve nothing is checked", "Leave one of them out.")
    from leakdiff.demo.serving import serve

    serve(parsed.serve)
    return CLEAN


def _finish(report: Report, parsed: argparse.Namespace, target: Target, known: Baseline | None, name: str) -> int:
    """Print the report, write the baseline, ask for a second opinion, in this order; return the exit status."""
    detail(f"leakdiff's own work took {report.cost.cpu_seconds:.2f} CPU s; {report.cost.walked:,} objects were walked")
    shown = report if known is None else known.compare(report, target=name)
    deliver(shown, parsed.json)
    status = exit_status(shown)
    if known is not None and parsed.write_baseline:
        is_written = _write_baseline(known.updated(report, target=name), parsed.baseline, report)
        status = CLEAN if is_written else status
    if parsed.second_opinion:
        _second_opinion(report, target, parsed.json)
    return status


def _known(parsed: argparse.Namespace) -> Baseline | None:
    """Read the baseline before anything runs; one that is to be written need not be there."""
    if parsed.baseline is None:
        if parsed.write_baseline:
            raise BadOption("write-baseline", True, "given together with --baseline PATH")  # noqa: FBT003
        return None
    from leakdiff.model.baseline import Baseline

    try:
        return Baseline.load(parsed.baseline)
    except BaselineMissing:
        if not parsed.write_baseline:
            raise
        return Baseline()


def _write_baseline(known: Baseline, path: str, report: Report) -> bool:
    """Write the baseline, and tell whether the report was fit for it."""
    from leakdiff.model.report import Verdict

    if report.verdict is Verdict.INCONCLUSIVE:
        complain(f"{path} was not written: the check came to no conclusion")
        return False
    known.save(path)
    note(f"{path} now holds {len(known.known):,} known leak(s)")
    return True


def _target_name(parsed: argparse.Namespace) -> str:
    """Return what a baseline calls the target: files by their path from the baseline's folder, with a callable."""
    place, colon, name = parsed.target.rpartition(":")
    if not colon or name.endswith(".py") or "/" in name or "\\" in name:
        place, name = parsed.target, "step"
    if parsed.baseline is not None and place.endswith(".py"):
        with suppress(OSError, ValueError):  # another drive
            place = Path(os.path.relpath(Path(place).resolve(), Path(parsed.baseline).resolve().parent)).as_posix()
    return f"{place}:{name}"


def _second_opinion(report: Report, target: Target, json_path: str | None) -> None:
    from leakdiff.second import second_opinion

    try:
        opinion = second_opinion(report, target.step, setup=target.setup, teardown=target.teardown)
    except KeyboardInterrupt:
        complain("the second opinion was interrupted")
        return
    if json_path == "-":
        beside(f"\n{opinion.text()}")
    else:
        tell(f"\n{opinion.text()}")
