"""``leakdiff soak FILE.py``: run the mix of scenarios that a file defines."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from leakdiff.errors import BadOption, TargetNotFound
from leakdiff.model.report import ACCUSING, Verdict
from leakdiff.model.soak import SoakReport

_NAME = "scenarios"
_HELP = {
    "duration": ("60s", "how long it may take, about (default: 30s)"),
    "units": ("N", "how many units it may run, about"),
    "rate": ("N", "units that arrive per second (default: each as soon as there is room)"),
    "concurrency": ("N", "how many may run at a time (default: 1; any number of tasks with --rate)"),
    "seed": ("N", "of the random numbers that draw the mix (default: 0)"),
    "load": ("steady|ramp|burst", "how the units of a round arrive (default: steady)"),
    "limit": ("2G", "memory at which the process is killed (default: the container's limit)"),
    "per-day": ("N", "units a day in production, to tell when the limit is reached"),
}
_WHOLE, _ANY = ("units", "concurrency", "seed"), ("rate", "per-day")


def add_soak_command(commands: Any) -> None:
    """Add the parser of this command to those of the command line."""
    parser = commands.add_parser(
        "soak",
        allow_abbrev=False,
        help="run a mix of scenarios and report what leaks, and by which",
        description="Run a mix of scenarios and report what leaks, and by which.",
        epilog="Exit status: 0 clean, 1 leak or native leak, 2 trouble or inconclusive.",
    )
    parser.add_argument(
        "target",
        metavar="FILE.py",
        help="or package.module; defines scenarios (a list, or a function that returns one), "
        "and setup and teardown where it needs them",
    )
    for name, (metavar, text) in _HELP.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=text)
    parser.add_argument("--json", metavar="PATH", help="also write the report as JSON (- for standard output)")
    parser.set_defaults(run=_run_soak)


def _run_soak(parsed: argparse.Namespace) -> int:
    from leakdiff.soaking.plan import make_plan
    from leakdiff.soaks import soak_planned
    from leakdiff.targets import load_place

    plan = make_plan(**_given(parsed))
    with redirect_stdout(sys.stderr) if parsed.json == "-" else nullcontext():
        module = load_place(parsed.target)
        scenarios = _scenarios(module, parsed.target)
        setup, teardown = getattr(module, "setup", None), getattr(module, "teardown", None)
        found = soak_planned(scenarios, plan, setup=setup, teardown=teardown)
    return _deliver(found, parsed.json)


def _given(parsed: argparse.Namespace) -> dict[str, Any]:
    given = {}
    for name in _HELP:
        text = getattr(parsed, name.replace("-", "_"))
        if text is not None:
            given[name.replace("-", "_")] = _number(name, text)
    return given


def _number(name: str, text: str) -> object:
    """Return the number that an option must be; what a plan reads itself stays a text."""
    if name not in (*_WHOLE, *_ANY):
        return text
    try:
        return int(text) if name in _WHOLE else float(text)
    except ValueError:
        raise BadOption(name, text, "a whole number" if name in _WHOLE else "a number") from None


def _scenarios(module: ModuleType, place: str) -> object:
    if not hasattr(module, _NAME):
        raise TargetNotFound(
            f"The list {_NAME!r}",
            f"{place} has no such name",
            "Define it: scenarios = [leakdiff.Scenario(...), ...], or a function that returns such a list.",
        )
    found = module.scenarios
    return found() if callable(found) else found


def _deliver(found: SoakReport, path: str | None) -> int:
    from leakdiff.store.files import write_whole

    if path == "-":
        sys.stdout.write(found.json())
    else:
        print(found.text())
        if path is not None:
            write_whole(Path(path), found.json().encode())
    if found.verdict in ACCUSING:
        return 1
    return 2 if found.verdict is Verdict.INCONCLUSIVE else 0
