"""The pytest plugin: options, the marker, the fixture; what they do is imported when a test asks for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from leakdiff.testing.fixture import Leakdiff

_MARKER = (
    "leakdiff(rounds=, units=, warmup=, ignore=, max_growth=, verdicts=): repeat the body of the test in rounds, "
    "and fail with leakdiff's report if it leaks"
)
_SOAK_MARKER = (
    "leakdiff_soak(duration=, units=, rate=, concurrency=, seed=, load=, limit=, per_day=, setup=, teardown=, ignore=, "
    "max_growth=, verdicts=): run the scenarios that the test returns as a mix, and fail with the report if it leaks"
)
_TEXTS = {
    "leakdiff_rounds": "measured rounds of a test that is repeated (default: 5)",
    "leakdiff_units": "how often a round repeats the body (default: 11; a prime is best)",
    "leakdiff_warmup": "rounds before the first measurement (default: 1)",
    "leakdiff_baseline": "a file of known leaks, which do not fail",
    "leakdiff_write_baseline": "write the leaks that are found into this file, as a baseline",
}
_OTHERS = ("leakdiff_report", "leakdiff_new_only")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and, for each, a key of the ini file."""
    group = parser.getgroup("leakdiff", "leaks")
    text = (
        "watch every test once and tell what outlives it (once), or repeat every test in rounds and fail those that "
        "leak (repeat)"
    )
    group.addoption("--leakdiff", nargs="?", const="once", metavar="once|repeat", help=text)
    parser.addini("leakdiff", text, default=None)
    for name, said in _TEXTS.items():
        group.addoption(_option(name), action="store", metavar=_metavar(name), help=said)
        parser.addini(name, said, default=None)
    said = "write what leakdiff found into this file, .json or .html; may be given for each"
    group.addoption("--leakdiff-report", action="append", metavar="PATH", help=said)
    parser.addini("leakdiff_report", said, type="args", default=None)
    said = "tell of leaks only that the baseline does not know"
    group.addoption("--leakdiff-new-only", action="store_const", const=True, help=said)
    parser.addini("leakdiff_new_only", said, type="bool", default=False)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _metavar(name: str) -> str:
    return "N" if name in ("leakdiff_rounds", "leakdiff_units", "leakdiff_warmup") else "PATH"


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Let ``--leakdiff tests`` mean the folder: what follows the option is its value only after ``=``."""
    parsed = early_config.known_args_namespace
    for at in [at for at, text in enumerate(args) if text == "--leakdiff"]:
        args[at] = "--leakdiff=once"
        if parsed.leakdiff in args[at + 1 : at + 2]:
            parsed.file_or_dir.append(parsed.leakdiff)
            parsed.leakdiff = "once"


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; where an option of ours is given, read and check all of them."""
    config.addinivalue_line("markers", _MARKER)
    config.addinivalue_line("markers", _SOAK_MARKER)
    if not hasattr(config, "workerinput"):  # in a worker of xdist, reports have to leave with what they carry
        config.pluginmanager.register(Reports(config), "leakdiff-reports")
    given = [config.getoption(name, None) or config.getini(name) for name in ("leakdiff", *_TEXTS, *_OTHERS)]
    if any(given):
        from leakdiff.testing.start import start

        start(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Repeat the body of a test that is marked."""
    if item.get_closest_marker("leakdiff_soak") is not None:
        from leakdiff.testing.soaks import soaked

        with soaked(item):
            return (yield)
    if item.get_closest_marker("leakdiff") is not None:
        from leakdiff.testing.bodies import repeated

        with repeated(item):
            return (yield)
    return (yield)


class Reports:
    """Takes in what tests found, here or in workers of xdist, and tells it at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what was found in a test from its report, which is kept to the end."""
        found = report.__dict__.pop("leakdiff", None)
        if found is not None:
            from leakdiff.testing.session import session_of

            session_of(self._config).take(found)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell what was found."""
        if "leakdiff.testing.session" in sys.modules:
            from leakdiff.testing.summary import tell

            tell(self._config, terminalreporter)


@pytest.fixture
def leakdiff(request: pytest.FixtureRequest) -> Iterator[Leakdiff]:
    """Check parts of a test for leaks: ``no_growth``, ``rounds``, ``check``, ``expect_gone``, ``watch_container``."""
    from leakdiff.testing.fixture import Leakdiff

    with Leakdiff(request) as checks:
        yield checks
