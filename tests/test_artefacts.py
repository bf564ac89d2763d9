"""Artefacts: what tools keep is excused, what a program lets grow is not."""

from __future__ import annotations

import re
import sys

import pytest

from leakdiff.judge.artefacts import ARTEFACTS, artefact_of
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
        ("__main__: module ─ ._oh: dict ─ [*]: app.Result", 2, "ipython-out"),
        ("re: module ─ ._cache: dict", 2, "re-cache"),
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
    ("path", "slug"),
    [
        ("app: module ─ .send: unittest.mock.MagicMock ─ ._mock_children: dict", "mock-children"),
        ("app: module ─ .send: unittest.mock.Mock ─ .call_args_list: unittest.mock._CallList", "mock-calls"),
    ],
)
def test_what_a_mock_remembers_is_a_leak_with_a_note(path: str, slug: str) -> None:
    """A mock that lives as long as the program grows for ever: who keeps it can reset it."""
    assert told(path, 3) == (slug, False)
