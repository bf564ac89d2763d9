"""Run a workload in a fresh interpreter: what one test leaves on the heap must not reach the next."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import attrs

import leakdiff

SECONDS = 90
SMALL = {"units": 29, "patience": 0.05}

_CHECK = """\
import json, sys
import leakdiff
import app

knobs = json.loads(sys.argv[1])
report = leakdiff.check(
    app.step, setup=getattr(app, "setup", None), teardown=getattr(app, "teardown", None), **knobs
)
after = app.after() if hasattr(app, "after") else None
print(json.dumps({"report": report.as_dict(), "text": report.text(), "line": str(report), "after": after}))
"""


@attrs.frozen
class Answer:
    """What a check in another interpreter said.

    Attributes:
        report: What ``report.json()`` holds.
        text: What ``report.text()`` returns.
        line: What ``str(report)`` returns.
        after: What the workload's own ``after()`` returned once the check was over.
    """

    report: dict[str, Any]
    text: str
    line: str
    after: Any

    @property
    def verdict(self) -> str:
        """The verdict of the run."""
        return str(self.report["verdict"])

    @property
    def because(self) -> str:
        """Its reason."""
        return str(self.report["because"])

    @property
    def owner(self) -> str | None:
        """The owner in the first finding."""
        findings = self.report["findings"]
        return findings[0]["owner"] if findings else None

    @property
    def blamed(self) -> tuple[str, str | None]:
        """The verdict and the owner in the first finding."""
        return self.verdict, self.owner

    @property
    def accused(self) -> list[str | None]:
        """The owners of all findings that say LEAK or NATIVE."""
        return [found["owner"] for found in self.report["findings"] if found["verdict"] in ("LEAK", "NATIVE")]

    @property
    def notes(self) -> str:
        """What was not analysed, a line each."""
        return "\n".join(self.report["not_analysed"])


@attrs.frozen
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str

    def last_json(self) -> Any:
        """Return what its last line of output holds."""
        return json.loads(self.out.splitlines()[-1])


def check_fresh(source: str, **knobs: float) -> Answer:
    """Check ``step`` of a module ``app`` with this source, in a fresh interpreter.

    ``setup`` and ``teardown`` are used where the source has them; ``after()``, if there is one, is called
    when the check is over and its answer handed back.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_module(Path(folder), source)
        ended = _run([sys.executable, "-c", _CHECK, json.dumps(SMALL | knobs)], folder)
    assert ended.code == 0, ended.err
    return Answer(**ended.last_json())


def run_fresh(script: str) -> Any:
    """Run a script in a fresh interpreter and return what its last line of output holds as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_module(Path(folder), script, "script.py")
        ended = _run([sys.executable, str(path)], folder)
    assert ended.code == 0, ended.err
    return ended.last_json()


def shell(folder: Path, *arguments: str) -> Ended:
    """Run ``python -m leakdiff`` in a folder."""
    return _run([sys.executable, "-m", "leakdiff", *arguments], str(folder))


def shell_interrupted(folder: Path, *arguments: str, on: str = "ready") -> Ended:
    """Run ``python -m leakdiff`` in a folder, and press Ctrl-C once it writes a line that says ``on``."""
    with (folder / "out").open("w+") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "leakdiff", *arguments],
            cwd=folder,
            env=_environment(),
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_default_interrupt,  # noqa: PLW1509
        )
        try:
            said = _read_until(process, on)
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        out.seek(0)
        return Ended(process.returncode, out.read(), said + rest)


def write_module(folder: Path, source: str, name: str = "app.py") -> Path:
    """Write a source file, whatever its indentation in the test."""
    path = folder / name
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


def line_of(source: str, mark: str) -> int:
    """Return the number of the line of a source that contains a mark."""
    lines = textwrap.dedent(source).splitlines()
    return next(number for number, line in enumerate(lines, start=1) if mark in line)


def without_numbers(value: Any) -> Any:
    """Return a report with every number, also those inside texts, replaced: what may differ between two runs."""
    if isinstance(value, dict):
        return {key: without_numbers(held) for key, held in value.items()}
    if isinstance(value, list):
        return _without_repeats([without_numbers(held) for held in value])
    if isinstance(value, str):
        return re.sub(r"\d+([.,]\d+)*", "#", value)
    return "#" if isinstance(value, int | float) else value


def _without_repeats(values: list[Any]) -> list[Any]:
    return [value for position, value in enumerate(values) if value not in values[:position]]


def _read_until(process: subprocess.Popen[str], mark: str) -> str:
    said = ""
    assert process.stderr is not None
    for line in process.stderr:
        said += line
        if mark in line:
            break
    return said


def _default_interrupt() -> None:
    """Undo what a shell does to its background jobs, which ignore Ctrl-C, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run(command: list[str], folder: str) -> Ended:
    ended = subprocess.run(
        command,
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def _environment() -> dict[str, str]:
    source = str(Path(leakdiff.__file__).resolve().parent.parent)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_CORE"))}
    return {**kept, "PYTHONPATH": source, "PYTHONHASHSEED": "0"}
