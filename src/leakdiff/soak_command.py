"""``leakdiff soak FILE.py``: run the mix of scenarios that a file defines."""

from __future__ import annotations

import argparse
from types import ModuleType
from typing import Any

from leakdiff.command_parser import add_command
from leakdiff.console import deliver, detail, status_of, step_prints_elsewhere
from leakdiff.errors import BadOption, TargetNotFound

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
    parser = add_command(
        commands,
        "soak",
        _run_soak,
        "run a mix of scenarios and report what leaks, and by which",
        description="Run a weighted mix of scenarios, with faults such as clients that cancel, and report what leaks, "
        "and by which of them.",
        examples=(
            ("leakdiff soak scenarios.py", "Run the mix that scenarios.py defines, for about 30 seconds."),
            ("leakdiff soak scenarios.py --duration 10m --rate 50", "Ten minutes of 50 units a second."),
            ("leakdiff soak scenarios.py --units 2000 --seed 7 --json soak.json", "The same mix in each run."),
        ),
        exits="0 clean, 1 leak or native leak, 2 trouble or inconclusive",
        page="how-to/soak",
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


def _run_soak(parsed: argparse.Namespace) -> int:
    from leakdiff.soaking.plan import make_plan
    from leakdiff.soaks import soak_planned
    from leakdiff.targets import load_place

    plan = make_plan(**_given(parsed))
    with step_prints_elsewhere(parsed.json):
        module = load_place(parsed.target)
        scenarios = _scenarios(module, parsed.target)
        setup, teardown = _optional(module, "setup", parsed.target), _optional(module, "teardown", parsed.target)
        found = soak_planned(scenarios, plan, setup=setup, teardown=teardown)
        detail(f"leakdiff's own work took {found.report.cost.cpu_seconds:.2f} CPU s")
        deliver(found, parsed.json)
    return status_of(found.verdict)


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
    from leakdiff.targets import MISSING, asked, attribute

    found = attribute(module, _NAME, place)
    if found is MISSING:
        raise TargetNotFound(
            f"The list {_NAME!r}",
            f"{place} has no such name",
            "Define it: scenarios = [leakdiff.Scenario(...), ...], or a function that returns such a list.",
        )
    return asked(found, _NAME, place) if callable(found) else found


def _optional(module: ModuleType, name: str, place: str) -> Any:
    from leakdiff.targets import MISSING, attribute

    found = attribute(module, name, place)
    return None if found is MISSING else found
