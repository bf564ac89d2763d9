"""Artefacts: what tools keep is excused, what a program lets grow is not."""

from __future__ import annotations

import re
import sys

import pytest

from leakdiff.judge.artefacts import ARTEFACTS, artefact_of, runs_in_pytest
from reported import REPORTED, seen

PYTHON = (3, 13)


def told(path: str, depth: int = 2, *, python: tuple[int, int] = PYTHON) -> tuple[str, bool] | None:
    """Return the slug of an owner's artefact, and whether it excuses."""
    artefact = artefact_of(seen(path, depth=depth).finding, python)
    return (artefact.slug, artefact.excuses) if artefact else None


@pytest.mark.parametrize(
    ("path", "depth", "slug"),
    [
        ("leakdiff.options: module ─ ._known: dict", 2, "leakdiff"),
        (
            "_pytest.logging: module ─ ._catching: _pytest.logging.LogCaptureHandler ─ .records: list",
            3,
            "pytest-log",
        ),
        ("case: module ─ .caplog: _pytest.logging.LogCaptureFixture ─ ._records: list", 3, "pytest-log"),
        ("_pytest.assertion.rewrite: module ─ ._cache: dict", 2, "pytest-assertions"),
        ("_pytest.capture: module ─ ._capture: _pytest.capture.CaptureIO ─ .buffer: _io.BytesIO", 3, "pytest-capture"),
        (
            "app: module ─ .shell: IPython.core.history.HistoryManager ─ .input_hist_raw: list ─ [*]: str",
            3,
            "ipython-history",
        ),
        ("__main__: prompt ─ ._oh: dict ─ [*]: app.Result", 2, "ipython-out"),
        ("re: module ─ ._cache: dict", 2, "re-cache"),
        ("re: module ─ ._compile_repl: functools._lru_cache_wrapper ─  cache: dict", 3, "re-templates"),
        ("typing: module ─ ._cleanups: list ─ [*]: builtin_function_or_method ─ .__self__: x", 4, "typing-cache"),
        (
            "asyncio.events: module ─ ._event_loop_policy: asyncio.unix_events._UnixDefaultEventLoopPolicy",
            2,
            "event-loop-policy",
        ),
        ("class app.Point: class ─ .__slotnames__: list", 2, "slot-names"),
        ("app: module ─ ._log: logging.Logger ─ ._cache: dict ─ [*]: bool", 3, "logging-levels"),
        (
            "app: module ─ .Shape: class app.Shape ─ ._abc_impl: _abc._abc_data ─  → set: set",
            4,
            "abc-cache",
        ),
        (
            "app: module ─ .f: function singledispatch.<locals>.wrapper ─  closure dispatch_cache: dict ─ [*]: str",
            3,
            "singledispatch-cache",
        ),
    ],
)
def test_what_tools_and_bounded_caches_keep_is_excused(path: str, depth: int, slug: str) -> None:
    """What pytest, IPython and caches of the interpreter keep ranks below what the program lets grow."""
    assert told(path, depth) == (slug, True)


@pytest.mark.parametrize(
    ("path", "depth", "slug"),
    [
        ("linecache: module ─ .cache: dict ─ [*]: tuple", 2, "linecache"),
        ("app.parser: module ─ .__warningregistry__: dict", 2, "warning-registry"),
        (
            "app: module ─ ._log: logging.Logger ─ .manager: logging.Manager ─ .loggerDict: dict ─ [*]: logging.Logger",
            4,
            "loggers",
        ),
        ("sys.modules: interpreter ─ [*]: module", 1, "modules"),
        ("encodings: module ─ ._cache: dict", 2, "codecs"),
        ("copyreg: module ─ .dispatch_table: dict", 2, "copyreg"),
        ("typing: module ─ ._overload_registry: collections.defaultdict", 2, "overloads"),
        ("threading: module ─ ._threading_atexits: list", 2, "threads-at-exit"),
    ],
)
def test_registries_that_can_leak_get_a_note_only(path: str, depth: int, slug: str) -> None:
    """What grows in a registry of the interpreter is told with its reason, and stays a leak."""
    assert told(path, depth) == (slug, False)


@pytest.mark.parametrize("plant", REPORTED)
def test_no_planted_leak_is_excused(plant: str) -> None:
    """Every leak of the self-test stays one."""
    _, found = REPORTED[plant]
    artefact = artefact_of(found.finding, PYTHON)

    assert artefact is None or not artefact.excuses


@pytest.mark.parametrize(
    ("path", "depth"),
    [
        ("_pytest.main: module ─ ._kept: _pytest.main.Session ─ .cached: dict ─ [*]: app.Hub ─ .items: list", 5),
        ("app: module ─ ._cache: dict", 2),
        ("app.logging: module ─ ._cache: dict", 2),
        ("leakdiff.demo.matching: module ─ ._inflight: dict", 2),
        ("leakdiff_plugin: module ─ ._seen: dict", 2),
        ("app: module ─ .render: function render ─  closure dispatch_cache: dict", 3),
        ("__main__: module ─ .Output: dict", 2),
        ("__main__: module ─ .Out: dict", 2),
        ("__main__: module ─ ._oh: dict", 2),
        ("__main__: module ─ ._1: list", 2),
        ("builtins: prompt ─ ._: list", 2),
        ("__main__: prompt ─ ._oh: dict ─ [*]: list", 3),
        ("app: module ─ ._codecs: app.Codecs ─ ._cache: dict", 3),
    ],
)
def test_a_name_alike_is_not_excused(path: str, depth: int) -> None:
    """What a tool holds for the program, and what is only called as a cache of the interpreter is, is the program's."""
    assert told(path, depth) is None


def test_what_nobody_owns_is_no_artefact() -> None:
    """Native growth has no owner to be known by."""
    _, found = REPORTED["malloc_sixteen"]

    assert artefact_of(found.finding, PYTHON) is None


def test_an_artefact_is_of_some_versions_only() -> None:
    """From 3.14 on ctypes keeps pointer types elsewhere."""
    path = "ctypes: module ─ ._pointer_type_cache: dict"

    assert told(path, python=(3, 13)) == ("ctypes-pointers", False)
    assert told(path, python=(3, 14)) is None


def test_the_table_can_be_read() -> None:
    """Every row has a slug of its own, a pattern that compiles, and a reason in a sentence; the oldest reach back."""
    slugs = [artefact.slug for artefact in ARTEFACTS]

    assert len(set(slugs)) == len(slugs)
    assert all(re.compile(artefact.pattern) and len(artefact.reason) > 20 for artefact in ARTEFACTS)
    assert all(artefact.covers((3, 11)) or artefact.since > (3, 11) for artefact in ARTEFACTS)


@pytest.mark.parametrize("name", ["_cache", "path_importer_cache"])
def test_the_caches_of_the_table_exist(name: str) -> None:
    """What the table names is there in this interpreter."""
    where = re if name == "_cache" else sys

    assert name in vars(where)


@pytest.mark.parametrize(
    ("path", "depth", "slug"),
    [
        ("app: module ─ .send: unittest.mock.MagicMock ─ ._mock_children: dict", 3, "mock-children"),
        ("app: module ─ .send: unittest.mock.Mock ─ .call_args_list: unittest.mock._CallList", 3, "mock-calls"),
        ("unittest.mock._patch: class ─ ._active_patches: list ─ [*]: unittest.mock._patch", 2, "mock-patches"),
        (
            "warnings: module ─ ._showwarnmsg_impl: builtin_function_or_method ─ .__self__: list",
            3,
            "warnings-recorded",
        ),
        ("coverage.policies: module ─ .ACTIVE: dict", 2, "coverage"),
        ("app: module ─ .hooks: pluggy._hooks.HookCaller ─ ._hookimpls: list", 3, "pluggy"),
    ],
)
def test_what_a_tool_of_tests_remembers_is_excused_in_tests_only(path: str, depth: int, slug: str) -> None:
    """A mock that lives as long as the program grows for ever: who keeps it can reset it. A test ends."""
    assert told(path, depth) == (slug, False)

    artefact = artefact_of(seen(path, depth=depth).finding, PYTHON)

    assert artefact is not None
    assert artefact.does_excuse(in_test=True)
    assert not artefact.does_excuse(in_test=False)


@pytest.mark.parametrize(
    ("path", "depth", "slug"),
    [
        ("fixture: pytest ─  monkeypatch: _pytest.monkeypatch.MonkeyPatch ─ ._setattr: list", 3, "pytest-monkeypatch"),
        ("fixture: pytest ─  capsys: _pytest.capture.CaptureFixture ─ ._captured_out: str", 3, "pytest-capture"),
        ("test: pytest ─ .user_properties: list", 2, "pytest-properties"),
        ("test: pytest ─  self: test_app.TestCase ─ ._cleanups: list ─ [*]: tuple", 3, "unittest-cleanups"),
        (
            "case: module ─ .state: _pytest.runner.SetupState ─ .stack: dict ─ [*]: tuple ─ [*]: list",
            5,
            "pytest-finalizers",
        ),
        (
            "case: module ─ .reporter: _pytest.terminal.TerminalReporter ─ .stats: dict ─ [*]: list",
            4,
            "pytest-subtests",
        ),
        ("case: module ─ .state: _pytest.config.Config ─ ._cleanup: list", 3, "pytest"),
    ],
)
def test_what_pytest_keeps_for_a_test_is_excused(path: str, depth: int, slug: str) -> None:
    """What fixtures of pytest, its reports and unittest keep until a test ends is theirs."""
    assert told(path, depth) == (slug, True)


@pytest.mark.parametrize(
    ("path", "depth"),
    [
        ("fixture: pytest ─  cache: dict ─ [*]: list", 2),
        ("fixture: pytest ─  hub: app.Hub ─ .items: list", 3),
        ("test: pytest ─  self: test_app.TestApp ─ .seen: list", 3),
        ("test: pytest ─  self: test_app.TestApp ─ .hub: app.Hub ─ ._cleanups: list", 4),
        ("test: pytest ─ .seen: list", 2),
        ("case: module ─ .stash: _pytest.stash.Stash ─ ._storage: dict ─ [*]: list", 4),
        ("app: module ─ ._cleanups: list", 2),
        ("test: module ─ .keywords: dict", 2),
        ("test: module ─ ._request: list", 2),
    ],
)
def test_what_a_test_fills_is_its_own(path: str, depth: int) -> None:
    """The value of a fixture, a test's own attributes, a stash and a module called ``test`` are not pytest's."""
    assert told(path, depth) is None


def test_what_tests_can_do_without_has_a_remedy() -> None:
    """For each tool that a repeated body can avoid to feed, the table says how."""
    feedable = [artefact for artefact in ARTEFACTS if artefact.slug.startswith(("pytest-", "unittest-", "mock-"))]

    assert len(feedable) > 10
    assert [artefact.slug for artefact in feedable if not artefact.remedy] == ["pytest-assertions"]
    assert [artefact.slug for artefact in ARTEFACTS if artefact.in_tests and not artefact.remedy] == []


def test_pytest_is_known_to_run() -> None:
    """This is a test."""
    assert runs_in_pytest()


def test_a_process_that_a_test_starts_is_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """It inherits pytest's variable, and has not imported pytest."""
    monkeypatch.delitem(sys.modules, "_pytest.runner")

    assert not runs_in_pytest()
