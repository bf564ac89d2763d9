"""``leakdiff selftest``: plant a leak of every kind we claim to see, and a clean twin, and judge them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from leakdiff.console import CLEAN, LEAKS, tell
from leakdiff.errors import TargetNotFound
from leakdiff.render.progress import Progress, waiting_for
from leakdiff.selftest_plants import PLANTS, Plant

_SECONDS = 120


@attrs.frozen
class Outcome:
    """What leakdiff said of one plant or twin, and the cause it gave, if any."""

    verdict: str
    named: str
    cause: str | None = None


@attrs.frozen
class Row:
    """One line of the table."""

    plant: str
    kind: str
    said: str
    named: str
    right: bool
    cause: str = ""


def run_selftest(names: Sequence[str] = ()) -> int:
    """Judge every plant in a child process, print the table, and return 0 if all were judged right.

    Raises:
        TargetNotFound: If a name is not that of a plant.
    """
    plants = _choose(names)
    rows: list[Row] = []
    left_out: list[str] = []
    progress = Progress()
    for number, plant in enumerate(plants, start=1):
        if plant.needs is not None and importlib.util.find_spec(plant.needs) is None:
            left_out.append(f"{plant.name}: not run, needs {plant.needs}")
            continue
        with waiting_for(f"plant {number} of {len(plants)}: {plant.name}", progress):
            judged = _judge(plant)
        for row in judged:
            rows.append(row)
            _tell_row(row)
    for reason in left_out:
        tell(reason, headline="")
    right = sum(row.right for row in rows)
    tell(f"{right} of {len(rows)} judged right")
    return CLEAN if right == len(rows) else LEAKS


def _tell_row(row: Row) -> None:
    """Print a line; where one line is wanted, only what is wrong is told besides."""
    tell(_line(row), headline="" if row.right else None)


def _choose(names: Sequence[str]) -> Sequence[Plant]:
    known = {plant.name: plant for plant in PLANTS}
    for name in names:
        if name not in known:
            raise TargetNotFound(f"The plant {name!r}", "there is none of that name", f"Known: {', '.join(known)}.")
    return [known[name] for name in names] or PLANTS


def _judge(plant: Plant) -> list[Row]:
    rows = []
    if plant.leak is not None and plant.expect is not None:
        said = _run(plant.leak, plant.units)
        right = said.verdict == plant.expect and (plant.owner or "") in said.named and said.cause == plant.cause
        rows.append(Row(plant.name, "leak", said.verdict, said.named, right, _cause(plant, said)))
    said = _run(plant.clean, plant.units)
    right = said.verdict in plant.twin_expect
    rows.append(Row(plant.name, "twin", said.verdict, said.named, right))
    return rows


def _cause(plant: Plant, said: Outcome) -> str:
    if said.cause is None:
        return "no cause" if plant.cause else ""
    return said.cause if said.cause == plant.cause else f"{said.cause}, not {plant.cause}"


def _run(target: str, units: int) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, "-m", "leakdiff", "check", target]
        command += ["--units", str(units), "--patience", "0.5", "--json", str(path)]
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=_environment()
            )
        except subprocess.TimeoutExpired:
            return Outcome("ERROR", f"not done in {_SECONDS} s")
        if not path.is_file():
            return Outcome("ERROR", (ended.stderr.strip().splitlines() or ["no report"])[-1])
        report = json.loads(path.read_text("utf-8"))
    first = report["findings"][0] if report["findings"] else {}
    cause = first.get("cause")
    return Outcome(report["verdict"], _named(report), cause["slug"] if cause else None)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": "0"}


def _named(report: dict[str, Any]) -> str:
    if not report["findings"]:
        return ""
    first = report["findings"][0]
    return first["owner"] or " ".join(step["step"] for step in first["path"])


def _line(row: Row) -> str:
    mark = "ok" if row.right else "WRONG"
    return f"{mark:<5}  {row.plant:<28}  {row.kind:<4}  {row.said:<12}  {row.cause:<24}  {row.named}".rstrip()
