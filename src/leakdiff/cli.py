"""The command line: ``leakdiff check``, ``soak``, ``diff``, ``show``, ``trend``, ``store``, ``cause`` and so on."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from leakdiff.__about__ import __version__
from leakdiff.errors import BadOption, BaselineMissing, LeakdiffError, StepFailed, StepForked, TargetNotFound
from leakdiff.history_commands import CLEAN, LEAKS, TROUBLE, add_history_commands
from leakdiff.model.baseline import new_leaks
from leakdiff.model.report import ACCUSING, Report, Verdict
from leakdiff.options import DEFAULTS, Options
from leakdiff.soak_command import add_soak_command
from leakdiff.store.files import write_whole

if TYPE_CHECKING:
    from leakdiff.model.baseline import Baseline
    from leakdiff.targets import Target

_DEMO = "leakdiff demo"  # with and without --fixed: so that what was mended is FIXED
_SHOWN_KNOBS = ("rounds", "units", "warmup", "patience")


def main(arguments: Sequence[str] | None = None) -> int:  # noqa: PLR0911 - one return for each ending
    """Run the command line and return its exit status: 0 clean, 1 leaks, 2 trouble."""
    parsed = _parser().parse_args(arguments)
    starter = os.getpid()
    try:
        return int(parsed.run(parsed))
    except StepForked as error:
        print(f"leakdiff: {error} [{error.slug}]", file=sys.stderr)
        if os.getpid() != starter:  # the child must not go on as if it were the parent
            os._exit(TROUBLE)
        return TROUBLE
    except StepFailed as error:
        traceback.print_exception(error.__cause__)
        print(f"leakdiff: {error} [{error.slug}]", file=sys.stderr)
        return TROUBLE
    except LeakdiffError as error:
        print(f"leakdiff: {error} [{error.slug}]", file=sys.stderr)
        return TROUBLE
    except KeyboardInterrupt:
        print("leakdiff: interrupted before anything was measured", file=sys.stderr)
        return TROUBLE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return TROUBLE
    except OSError as error:
        print(f"leakdiff: the report could not be printed: {error.strerror or error}. [cannot-write]", file=sys.stderr)
        return TROUBLE
    except Exception:  # noqa: BLE001 - exit 1 would mean leaks
        traceback.print_exc()
        print("leakdiff: failed by a fault of its own (traceback above); please report it", file=sys.stderr)
        return TROUBLE


def exit_status(report: Report) -> int:
    """Return the exit status that goes with a verdict; leaks that a baseline knows do not count."""
    if report.verdict in ACCUSING:
        return CLEAN if report.leaks and not new_leaks(report) else LEAKS
    return TROUBLE if report.verdict is Verdict.INCONCLUSIVE else CLEAN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="leakdiff",
        allow_abbrev=False,
        description="Says whether a Python process leaks, what grows, and who holds it.",
    )
    parser.add_argument("--version", action="version", version=f"leakdiff {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        allow_abbrev=False,
        help="repeat a step and report what leaks",
        description="Repeat a step and report what leaks.",
        epilog="Exit status: 0 clean or KNOWN to the baseline, 1 leak or native leak, 2 trouble or inconclusive.",
    )
    check.add_argument(
        "target", metavar="FILE.py[:CALLABLE]", help="or package.module:callable; default callable: step"
    )
    check.add_argument("--setup", metavar="NAME", help="run once before (default: setup, where present)")
    check.add_argument("--teardown", metavar="NAME", help="run once after (default: teardown, where present)")
    _add_knobs(check)
    _add_json(check)
    _add_comparisons(check)
    check.set_defaults(run=_run_check)
    demo = commands.add_parser("demo", help="find the two leaks of a small ride-matching service")
    demo.add_argument("--fixed", action="store_true", help="run the service with both leaks fixed")
    _add_json(demo)
    _add_comparisons(demo)
    demo.set_defaults(run=_run_demo)
    add_soak_command(commands)
    add_history_commands(commands)
    cause = commands.add_parser("cause", help="explain a cause that a report names, and show the fix in code")
    cause.add_argument("slug", metavar="NAME", help="such as pending-task; all names without one", nargs="?")
    cause.set_defaults(run=_run_cause)
    selftest = commands.add_parser("selftest", help="plant a leak of every kind, and a clean twin, and judge them")
    selftest.add_argument("plants", nargs="*", metavar="NAME", help="only these plants")
    selftest.set_defaults(run=_run_selftest)
    return parser


def _add_knobs(parser: argparse.ArgumentParser) -> None:
    fields = attrs.fields_dict(Options)
    for name in _SHOWN_KNOBS:
        default = getattr(DEFAULTS, name)
        text = f"{fields[name].metadata['help']} (default: {default})"
        parser.add_argument(f"--{name}", type=type(default), default=default, metavar="N", help=text)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="PATH", help="also write the report as JSON (- for standard output)")


def _add_comparisons(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--baseline", metavar="PATH", help="a file of known leaks: only a NEW one ends with 1")
    parser.add_argument("--write-baseline", action="store_true", help="write what leaks into the file of --baseline")
    parser.add_argument(
        "--second-opinion", action="store_true", help="ask objgraph, pympler and guppy3 about the same work too"
    )


def _run_check(parsed: argparse.Namespace) -> int:
    options = Options(**{name: getattr(parsed, name) for name in _SHOWN_KNOBS})
    known = _known(parsed)
    from leakdiff.targets import find_target

    target = find_target(parsed.target, parsed.setup, parsed.teardown)
    from leakdiff.session import check

    with _step_prints_elsewhere(parsed.json):
        report = check(target.step, setup=target.setup, teardown=target.teardown, **attrs.asdict(options))
    return _finish(report, parsed, target, known, _target_name(parsed))


@contextmanager
def _step_prints_elsewhere(json_path: str | None) -> Iterator[None]:
    """Where standard output is for the JSON alone, send what the step prints to standard error."""
    if json_path != "-":
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def _run_demo(parsed: argparse.Namespace) -> int:
    from leakdiff import demo
    from leakdiff.session import check
    from leakdiff.targets import find_target

    known = _known(parsed)
    target = find_target(demo.FIXED if parsed.fixed else demo.LEAKY)
    report = check(target.step, setup=target.setup, teardown=target.teardown, units=demo.UNITS)
    return _finish(report, parsed, target, known, _DEMO)


def _run_cause(parsed: argparse.Namespace) -> int:
    from leakdiff.judge.causes import CAUSES

    if parsed.slug is None:
        print("\n".join(f"{slug:<26}  {cause.title}" for slug, cause in CAUSES.items()))
        return CLEAN
    if parsed.slug not in CAUSES:
        known = ", ".join(CAUSES)
        raise TargetNotFound(f"The cause {parsed.slug!r}", "there is none of that name", f"Known: {known}.")
    cause = CAUSES[parsed.slug]
    pattern = textwrap.indent(cause.pattern.strip(), "    ")
    print(f"{cause.title}\n\n{cause.why}\n\nTo mend it: {cause.fix}.\n\n{pattern}")
    return CLEAN


def _run_selftest(parsed: argparse.Namespace) -> int:
    from leakdiff.selftest import run_selftest

    return run_selftest(parsed.plants)


def _finish(report: Report, parsed: argparse.Namespace, target: Target, known: Baseline | None, name: str) -> int:
    """Print the report, write the baseline, ask for a second opinion, in this order; return the exit status."""
    if known is None:
        status = _deliver(report, parsed.json)
    else:
        status = _deliver(known.compare(report, target=name), parsed.json)
        if parsed.write_baseline and _write_baseline(known.updated(report, target=name), parsed.baseline, report):
            status = CLEAN
    if parsed.second_opinion:
        _second_opinion(report, target, parsed.json)
    return status


def _deliver(report: Report, path: str | None) -> int:
    if path == "-":
        sys.stdout.write(report.json())
    else:
        print(report.text())
        if path is not None:
            write_whole(Path(path), report.json().encode())
    return exit_status(report)


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
    if report.verdict is Verdict.INCONCLUSIVE:
        print(f"leakdiff: {path} was not written: the check came to no conclusion", file=sys.stderr)
        return False
    known.save(path)
    print(f"leakdiff: {path} now holds {len(known.known):,} known leak(s)", file=sys.stderr)
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
        with _step_prints_elsewhere(json_path):
            opinion = second_opinion(report, target.step, setup=target.setup, teardown=target.teardown)
    except KeyboardInterrupt:
        print("leakdiff: the second opinion was interrupted", file=sys.stderr)
        return
    print(f"\n{opinion.text()}", file=sys.stderr if json_path == "-" else sys.stdout)
