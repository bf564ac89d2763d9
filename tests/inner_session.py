"""Run a session of pytest inside a test, once for several tests that look at what it said of each of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import attrs

import leakdiff

SECONDS = 110
ALONE = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:schemathesis", "--tb=short")
_OUTCOMES = ("failure", "error", "skipped")  # as JUnit's file has them; a test without is one that passed


@attrs.frozen
class Inner:
    """What a session of pytest did.

    Attributes:
        code: Its exit status.
        out: What it printed.
        outcomes: What became of each test, by its name: ``passed``, ``failure``, ``error``, ``skipped``, or several.
        texts: What pytest says of each test that did not pass.
        looks: What leakdiff found in each test, by its name, the last look only: fields of its JSON file.
    """

    code: int
    out: str
    outcomes: Mapping[str, str]
    texts: Mapping[str, str]
    looks: Mapping[str, Mapping[str, Any]]

    def verdict(self, test: str) -> str:
        """Return the verdict of the last look at a test."""
        return str(self.looks[test]["verdict"])

    def leaks(self, test: str) -> list[str]:
        """Return the owners of what leaks in a test."""
        found = self.looks[test]["report"]["findings"]
        return [str(each["owner"]) for each in found if each["verdict"] in ("LEAK", "NATIVE")]

    def kept(self, test: str) -> dict[str, str]:
        """Return what tools keep of a test, and what to do about each."""
        found = self.looks[test]["report"]["findings"]
        return {each["artefact"]: each["advice"] for each in found if each["artefact"] and each["verdict"] == "STABLE"}


def run_inner(folder: Path, files: Mapping[str, str], *options: str, without_ours: bool = False) -> Inner:
    """Run pytest over some files in another process.

    Args:
        folder: Where the files are written.
        files: Their sources by name, whatever their indentation.
        options: Of pytest.
        without_ours: Whether neither reports of leakdiff nor its plugin are asked for.
    """
    for name, source in files.items():
        (folder / name).write_text(textwrap.dedent(source), encoding="utf-8")
    loaded = () if entry_points(group="pytest11", name="leakdiff") else ("-p", "leakdiff.pytest_plugin")
    ours = () if without_ours else (*loaded, "--leakdiff-report=leaks.json")
    command = [sys.executable, "-m", "pytest", *ALONE, *ours, "--junitxml=junit.xml", *options]
    ended = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return Inner(ended.returncode, ended.stdout + ended.stderr, *_of_junit(folder / "junit.xml"), _looks(folder))


def _environment() -> dict[str, str]:
    """Return an environment in which our source is found, without what the session around says of itself."""
    source = str(Path(leakdiff.__file__).resolve().parent.parent)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_CORE"))}
    return {**kept, "PYTHONPATH": source}


def _of_junit(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    outcomes: dict[str, str] = {}
    texts: dict[str, str] = {}
    for case in Xml.parse(path).iter("testcase") if path.exists() else ():  # noqa: S314 - pytest wrote it
        name = case.get("name", "")
        found = [part for part in case if part.tag in _OUTCOMES]
        ended = [part.tag for part in found] or ["passed"]
        outcomes[name] = ", ".join(filter(None, [outcomes.get(name), *ended]))
        texts[name] = "\n".join([texts.get(name, ""), *(f"{part.get('message')}\n{part.text}" for part in found)])
    return outcomes, texts


def _looks(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / "leaks.json"
    found = json.loads(path.read_text("utf-8"))["tests"] if path.exists() else []
    return {look["test"].rpartition("::")[2]: look for look in found}
