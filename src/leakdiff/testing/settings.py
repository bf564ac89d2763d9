"""What was asked for on the command line and in the ini file; read once, and checked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest

from leakdiff.errors import BadOption, MissingExtra
from leakdiff.options import Options, make_options

MODES = ("once", "repeat")
DEFAULTS = Options(units=11, warmup=1)  # a test asks whether each run leaks: few runs show that
_KNOBS = ("rounds", "units", "warmup")
_NUMBER = re.compile(r"[+-]?\d{1,18}")


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
    """Return the path of a report that can be written.

    Raises:
        BadOption: If it names no file that could be written, or none of a kind that is.
        MissingExtra: If a package is missing that it needs.
    """
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
