"""The command line: ``leakdiff check``, ``diff``, ``show``, ``trend``, ``store``, ``demo`` and ``selftest``."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import attrs

from leakdiff.__about__ import __version__
from leakdiff.errors import LeakdiffError, StepFailed, StepForked
from leakdiff.history_commands import CLEAN, LEAKS, TROUBLE, add_history_commands
from leakdiff.model.report import ACCUSING, Report, Verdict
from leakdiff.options import DEFAULTS, Options
from leakdiff.store.files import write_whole

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
    """Return the exit status that goes with a verdict."""
    if report.verdict in ACCUSING:
        return LEAKS
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
        epilog="Exit status: 0 clean, 1 leak or native leak, 2 trouble or inconclusive.",
    )
    check.add_argument(
        "target", metavar="FILE.py[:CALLABLE]", help="or package.module:callable; default callable: step"
    )
    check.add_argument("--setup", metavar="NAME", help="run once before (default: setup, where present)")
    check.add_argument("--teardown", metavar="NAME", help="run once after (default: teardown, where present)")
    _add_knobs(check)
    _add_json(check)
    check.set_defaults(run=_run_check)
    demo = commands.add_parser("demo", help="find the two leaks of a small ride-matching service")
    demo.add_argument("--fixed", action="store_true", help="run the service with both leaks fixed")
    _add_json(demo)
    demo.set_defaults(run=_run_demo)
    add_history_commands(commands)
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


def _run_check(parsed: argparse.Namespace) -> int:
    options = Options(**{name: getattr(parsed, name) for name in _SHOWN_KNOBS})
    from leakdiff.targets import find_target

    target = find_target(parsed.target, parsed.setup, parsed.teardown)
    from leakdiff.session import check

    with _step_prints_elsewhere(parsed.json):
        report = check(target.step, setup=target.setup, teardown=target.teardown, **attrs.asdict(options))
    return _deliver(report, parsed.json)


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

    target = find_target(demo.FIXED if parsed.fixed else demo.LEAKY)
    report = check(target.step, setup=target.setup, teardown=target.teardown, units=demo.UNITS)
    return _deliver(report, parsed.json)


def _run_selftest(parsed: argparse.Namespace) -> int:
    from leakdiff.selftest import run_selftest

    return run_selftest(parsed.plants)


def _deliver(report: Report, path: str | None) -> int:
    if path == "-":
        sys.stdout.write(report.json())
    else:
        print(report.text())
        if path is not None:
            write_whole(Path(path), report.json().encode())
    return exit_status(report)
