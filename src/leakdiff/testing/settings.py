"""What was asked for on the command line, in the ini file and by a marker; read once, and checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import pytest

from leakdiff.errors import BadOption, MissingExtra
from leakdiff.model.report import Verdict
from leakdiff.options import Options, make_options

MODES = ("once", "repeat")
DEFAULTS = Options(units=11, warmup=1)  # a test asks whether each run leaks: few runs show that
_KNOBS = ("rounds", "units", "warmup")
_NUMBER = re.compile(r"[+-]?\d{1,18}")
_FAILING = (Verdict.LEAK, Verdict.NATIVE, Verdict.INCONCLUSIVE)


@attrs.frozen(kw_only=True)
class Settings:
    """What holds for the whole session.

    Attributes:
        mode: ``once``, ``repeat`` or empty.
        options: How tests are repeated.
        reports: Files to write what was found into.
        baseline: The file of known leaks, or None.
        write_baseline: The file to write the leaks into, or None.
        new_only: Whether leaks that the baseline knows are left out of what is told.
    """

    mode: str = ""
    options: Options = DEFAULTS
    reports: tuple[Path, ...] = ()
    baseline: Path | None = None
    write_baseline: Path | None = None
    new_only: bool = False


@attrs.frozen(kw_only=True)
class Demands:
    """What one test asks for.

    Attributes:
        options: How it is repeated.
        ignore: Patterns, as of ``fnmatch``, of owners, types, causes and fingerprints that may grow.
        max_growth: What a finding may grow by per unit and still pass, in what its first line counts.
        verdicts: Verdicts that fail the test.
    """

    options: Options = DEFAULTS
    ignore: tuple[str, ...] = ()
    max_growth: float = 0.0
    verdicts: tuple[Verdict, ...] = _FAILING


def read_settings(config: pytest.Config) -> Settings:
    """Read the options and the ini file.

    Raises:
        BadOption: If a value cannot work.
        MissingExtra: If a package is missing that a report needs.
    """
    mode = _text(config, "leakdiff")
    if mode and mode not in MODES:
        raise BadOption("--leakdiff", mode, f"{' or '.join(MODES)}, as in --leakdiff=repeat")
    numbers = {name: _number(config, f"leakdiff_{name}") for name in _KNOBS}
    given = {name: number for name, number in numbers.items() if number is not None}
    reports = config.getoption("leakdiff_report") or config.getini("leakdiff_report") or []
    baseline, written = _text(config, "leakdiff_baseline"), _text(config, "leakdiff_write_baseline")
    new_only = bool(config.getoption("leakdiff_new_only") or config.getini("leakdiff_new_only"))
    if new_only and not baseline:
        raise BadOption(
            "--leakdiff-new-only", new_only, "given with --leakdiff-baseline=PATH, which says what is known"
        )
    return Settings(
        mode=mode,
        options=attrs.evolve(DEFAULTS, **_checked(given)),
        reports=tuple(_report_path(config, text) for text in reports),
        baseline=_path(config, baseline) if baseline else None,
        write_baseline=_writable(config, "--leakdiff-write-baseline", written) if written else None,
        new_only=new_only,
    )


def _text(config: pytest.Config, name: str) -> str:
    return str(config.getoption(name) or config.getini(name) or "").strip()


def _number(config: pytest.Config, name: str) -> int | None:
    text = _text(config, name)
    if text and not _NUMBER.fullmatch(text):
        raise BadOption(f"--{name.replace('_', '-')}", text, "a whole number")
    return int(text) if text else None


def _checked(given: Mapping[str, int]) -> Mapping[str, int]:
    """Return knobs that can work; those that cannot are named as the user wrote them."""
    for name, number in given.items():
        try:
            make_options(**{name: number})
        except BadOption as error:
            raise BadOption(f"--leakdiff-{name}", number, error.must) from None
    return given


def _path(config: pytest.Config, text: str) -> Path:
    return Path(config.invocation_params.dir, os.path.expanduser(text))  # noqa: PTH111 - Path(...).expanduser() raises


def _report_path(config: pytest.Config, text: str) -> Path:
    path = _path(config, text)
    if path.suffix not in (".json", ".html"):
        raise BadOption("--leakdiff-report", text, "the path of a .json or .html file")
    if path.suffix == ".html" and find_spec("jinja2") is None:
        raise MissingExtra("An HTML report", "jinja2", "html")  # now, and not after an hour of tests
    return _writable(config, "--leakdiff-report", text)


def _writable(config: pytest.Config, name: str, text: str) -> Path:
    """Return a path that looks as if a file could be written to it."""
    path = _path(config, text)
    if not path.parent.is_dir() or path.is_dir():
        raise BadOption(name, text, "the path of a file, in a folder that exists")
    return path


def demands_of(marker: pytest.Mark | None, settings: Settings) -> Demands:
    """Return what a marker asks for, on top of the settings of the session.

    Raises:
        BadOption: If an argument is unknown or cannot work.
    """
    given: dict[str, Any] = dict(marker.kwargs) if marker is not None else {}
    if marker is not None and marker.args:
        raise BadOption("@pytest.mark.leakdiff(...)", marker.args[0], "given arguments by name: rounds=5, units=11")
    return make_demands(settings.options, given)


def make_demands(options: Options, given: Mapping[str, Any]) -> Demands:
    """Return demands from arguments of a marker or of the fixture.

    Raises:
        BadOption: If an argument is unknown or cannot work.
    """
    knobs = {name: value for name, value in given.items() if name not in ("ignore", "max_growth", "verdicts")}
    make_options(**knobs)
    return Demands(
        options=attrs.evolve(options, **knobs),
        ignore=_ignored(given.get("ignore", ())),
        max_growth=_growth(given.get("max_growth", 0)),
        verdicts=_verdicts(given.get("verdicts", _FAILING)),
    )


def _ignored(value: object) -> tuple[str, ...]:
    patterns = _listed(value)
    if any(type(text) is not str for text in patterns):
        raise BadOption("ignore", value, 'a pattern such as "app.cache.*", or a list of them')
    return tuple(map(str, patterns))


def _listed(value: object) -> tuple[object, ...]:
    """Return what a list holds; what is none is the only thing in it."""
    return tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)


def _growth(value: object) -> float:
    if type(value) not in (int, float) or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise BadOption("max_growth", value, "a number of entries, objects, blocks or bytes per unit, 0 or more")
    return float(value)  # type: ignore[arg-type]


def _verdicts(value: object) -> tuple[Verdict, ...]:
    names, known = _listed(value), list(Verdict)
    if not names or any(type(name) not in (str, Verdict) or name not in known for name in names):
        raise BadOption("verdicts", value, f"some of {', '.join(known)}")
    return tuple(Verdict(str(name)) for name in names)
