"""What a session of tests leaves behind: its reports, its baseline, and what JUnit's file says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import attrs
import pytest

from leakdiff.model.baseline import Baseline, KnownLeak
from leakdiff.testing.files import baseline_of
from leakdiff.testing.session import Result, Session
from leakdiff.testing.settings import Settings

QUIET = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:schemathesis", "-p", "no:asyncio")
LEAKY = """
    import pytest

    _orders, _log = {}, []
    pytestmark = pytest.mark.leakdiff(units=7, rounds=3, patience=0.1)

    def test_orders():
        _orders[len(_orders)] = [bytes.fromhex("53336372657421").decode()]

    def test_log():
        _log.append([0])

    def test_clean():
        sorted([3, 1, 2])
"""
MENDED = LEAKY.replace("_log.append([0])", "_log[:] = [0]")
ANOTHER = MENDED.replace("sorted([3, 1, 2])", "_visits.append([0])").replace(
    "_orders, _log = {}, []", "_orders, _log, _visits = {}, [], []"
)


# -- one session with everything, in two workers ---------------------------------------------------


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a session in two workers of xdist, and return the folder with all that it wrote."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "test_app.py").write_text("\n".join(line[4:] for line in LEAKY.splitlines()), encoding="utf-8")
    (folder / "test_watched.py").write_text("_kept = []\ndef test_it_keeps(): _kept.append([{}])\n", encoding="utf-8")
    asked = (
        "-n2",
        "--leakdiff",
        "--leakdiff-report=leaks.json",
        "--leakdiff-report=leaks.html",
        "--junitxml=junit.xml",
    )
    command = [sys.executable, "-m", "pytest", *QUIET, *asked]
    ended = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=90, check=False
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    (folder / "out").write_text(ended.stdout, encoding="utf-8")
    return folder


def clean_environment() -> dict[str, str]:
    """Return the environment without what the pytest around this test says of itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def test_the_json_report_holds_every_look_at_every_test(told: Path) -> None:
    """Results of all workers, with verdict, owners and the whole report; and what the session was asked for."""
    found = json.loads((told / "leaks.json").read_text("utf-8"))
    tests = {look["test"]: look for look in found["tests"]}

    assert found["format"] == 1
    assert found["exit_status"] == 1
    assert found["settings"]["options"]["units"] == 11
    assert found["cost"]["cpu_seconds"] > sum(look["cpu_seconds"] for look in found["tests"]) > 0
    assert sorted(tests) == ["test_app.py::test_clean", "test_app.py::test_log", "test_app.py::test_orders"]
    assert tests["test_app.py::test_clean"]["verdict"] == "STABLE"
    assert tests["test_app.py::test_orders"]["owners"] == ["test_app._orders"]
    assert tests["test_app.py::test_orders"]["report"]["findings"][0]["owner"] == "test_app._orders"
    assert tests["test_app.py::test_orders"]["text"].startswith(
        "leakdiff: LEAK  test_app._orders grows by 1.00 entries"
    )


def test_the_json_report_has_exactly_the_documented_keys(told: Path) -> None:
    """None is missing where there is nothing to say; docs/reference/pytest.md lists them."""
    found = json.loads((told / "leaks.json").read_text("utf-8"))
    document = Path("docs/reference/pytest.md").read_text("utf-8")

    assert set(found) == {
        *("format", "leakdiff", "python", "settings", "exit_status", "tests", "outlived", "watched", "others"),
        *("notes", "cost"),
    }
    assert set(found["tests"][0]) == {
        *("test", "kind", "verdict", "headline", "text", "owners", "fingerprints", "report", "is_failure"),
        "cpu_seconds",
    }
    names = (*found, *found["tests"][0], *found["settings"], *found["outlived"][0])
    assert not [name for name in names if f"`{name}`" not in document and name != "cost"]


def test_the_html_report_is_one_page_with_failures_first(told: Path) -> None:
    """A table of the tests, and below it what was found in each."""
    rows = RowsOf((told / "leaks.html").read_text("utf-8")).rows

    assert rows[0] == ["verdict", "test", "owners"]
    assert sorted(rows[1:3]) == [
        ["LEAK, failed", "test_app.py::test_log", "test_app._log"],
        ["LEAK, failed", "test_app.py::test_orders", "test_app._orders"],
    ]
    assert rows[3] == ["STABLE", "test_app.py::test_clean", ""]


def test_both_reports_hold_what_outlived_the_tests(told: Path) -> None:
    """They are written when all the workers have told what they watched."""
    found = json.loads((told / "leaks.json").read_text("utf-8"))
    (kept,) = [item for item in found["outlived"] if item["owner"] == "test_watched._kept"]

    assert found["watched"] == 1
    assert kept["tests"] == ["test_watched.py::test_it_keeps"]
    assert "test_watched._kept" in (told / "leaks.html").read_text("utf-8")


class RowsOf(HTMLParser):
    """The rows of the table of a page, as lists of texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._is_in_table = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Begin a row or a cell."""
        if tag == "table":
            self._is_in_table = True
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Leave the table."""
        self._is_in_table &= tag != "table"

    def handle_data(self, data: str) -> None:
        """Add to a cell."""
        if self._is_in_table and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


def test_no_report_holds_a_value_of_the_program(told: Path) -> None:
    """What the leaked list holds is in none of the files."""
    secret = bytes.fromhex("53336372657421")

    assert not [path.name for path in told.iterdir() if path.is_file() and secret in path.read_bytes()]


def test_junit_has_verdict_owner_and_fingerprint_of_each_test(told: Path) -> None:
    """Properties that a dashboard can read, without any of our files."""
    cases = Xml.parse(told / "junit.xml").iter("testcase")  # noqa: S314 - it is our own
    found = {case.get("name"): {p.get("name"): p.get("value", "") for p in case.iter("property")} for case in cases}

    assert found["test_clean"] == {"leakdiff.verdict": "STABLE"}
    assert found["test_orders"].pop("leakdiff.fingerprint") in (told / "out").read_text("utf-8")
    assert found["test_orders"] == {"leakdiff.verdict": "LEAK", "leakdiff.owner": "test_app._orders"}


def test_the_summary_says_what_was_written(told: Path) -> None:
    """A line for each file, by its name below the folder."""
    lines = (told / "out").read_text("utf-8").splitlines()

    assert "leakdiff: leaks.json holds what was found" in lines
    assert "leakdiff: leaks.html holds what was found" in lines


# -- the life of a baseline ------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_the_life_of_a_baseline(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """Written once, it lets pass what it knows, lets fail what is new, and gives up what was mended."""
    path = pytester.path / "leaks.json"
    pytester.makepyfile(test_app=LEAKY)
    first = pytester.runpytest_subprocess(*QUIET, *workers, "--leakdiff-write-baseline=leaks.json")
    first.assert_outcomes(passed=3)
    first.stdout.fnmatch_lines(["leakdiff: leaks.json now holds 2 known leak(s)"])
    assert owners_in(path) == ["test_app._log", "test_app._orders"]

    second = pytester.runpytest_subprocess(*QUIET, *workers, "--leakdiff-baseline=leaks.json")
    second.assert_outcomes(passed=3)
    second.stdout.fnmatch_lines_random(
        ["test_app.py::test_orders: LEAK KNOWN  test_app._orders*", "test_app.py::test_log: LEAK KNOWN  test_app._log*"]
    )

    pytester.makepyfile(test_app=ANOTHER)
    asked = ("--leakdiff-baseline=leaks.json", "--leakdiff-new-only", "--leakdiff-report=new.json")
    third = pytester.runpytest_subprocess(*QUIET, *workers, *asked)
    third.assert_outcomes(passed=2, failed=1)
    third.stdout.fnmatch_lines(["test_app.py::test_clean: LEAK NEW  test_app._visits*"])
    third.stdout.no_fnmatch_line("test_app.py::test_orders:*")
    looks = json.loads((pytester.path / "new.json").read_text("utf-8"))["tests"]
    assert sorted(look["test"] for look in looks) == ["test_app.py::test_clean", "test_app.py::test_log"]
    assert [look["report"]["fixed"] for look in looks if look["test"].endswith("test_log")] == [["test_app._log"]]


def owners_in(path: Path) -> list[str]:
    """Return the owners that a baseline knows."""
    return sorted(leak.owner or "" for leak in Baseline.load(path).known)


@pytest.fixture
def session() -> Session:
    """Return a session that writes a baseline, and began with one leak of each of two tests."""
    known = (leak("test_a", "aaaaaa", why="issue 12"), leak("test_b", "bbbbbb", why="issue 13"))
    config: Any = None  # nothing asks for it
    return Session(config, Settings(write_baseline=Path("leaks.json")), None, Baseline(known))


def leak(test: str, fingerprint: str, why: str = "") -> KnownLeak:
    """Return a leak as a baseline has it."""
    return KnownLeak(
        target=test,
        fingerprint=fingerprint,
        owner=f"app.{fingerprint}",
        verdict="LEAK",
        per_unit=1.0,
        counted="entries",
        since="0.1.0",
        why=why,
    )


def look(test: str, *leaks: KnownLeak) -> Result:
    """Return what one look at a test found."""
    known = tuple(attrs.asdict(each) for each in leaks)
    return Result(test=test, kind="check", verdict="LEAK", headline="", text="", known=known)


def test_tests_that_did_not_run_keep_their_lines(session: Session) -> None:
    """Whoever runs one test does not lose what is known of the others."""
    session.results.append(look("test_a"))

    assert baseline_of(session).known == (leak("test_b", "bbbbbb", why="issue 13"),)


def test_a_test_that_is_looked_at_twice_keeps_what_both_found(session: Session) -> None:
    """Two checks in one test find two leaks, and one that both find stands there once."""
    one, other = leak("test_a", "aaaaaa", why="issue 12"), leak("test_a", "cccccc")
    session.results.extend([look("test_a", one), look("test_a", one, other)])

    assert set(baseline_of(session).known) == {leak("test_b", "bbbbbb", why="issue 13"), one, other}


def test_what_is_no_check_takes_no_line_away(session: Session) -> None:
    """An object that is not gone has no fingerprint; the leaks of its test stay known."""
    session.results.append(attrs.evolve(look("test_a"), known=None))

    assert baseline_of(session) == session.written


# -- trouble ---------------------------------------------------------------------------------------


def test_without_jinja2_no_session_begins(pytester: pytest.Pytester) -> None:
    """It is said before the first test runs, in one sentence with its slug."""
    pytester.makeconftest("import sys\nsys.modules['jinja2'] = None")
    pytester.makepyfile("def test(): raise SystemExit('ran')")
    ended = pytester.runpytest_subprocess(*QUIET, "--leakdiff-report=leaks.html")

    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    said = "ERROR: leakdiff: An HTML report needs jinja2, which is not installed: *leakdiff?html?'. ?missing-extra?"
    ended.stderr.fnmatch_lines([said])


def test_a_missing_baseline_names_the_command_that_makes_one(pytester: pytest.Pytester) -> None:
    """And with that command, it need not be there."""
    pytester.makepyfile("def test(): pass")
    ended = pytester.runpytest_inprocess(*QUIET, "--leakdiff-baseline=leaks.json")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*Make it: pytest --leakdiff-write-baseline=*leaks.json. ?baseline-missing?"])

    asked = ("--leakdiff-baseline=leaks.json", "--leakdiff-write-baseline=leaks.json")
    assert pytester.runpytest_inprocess(*QUIET, *asked).ret == pytest.ExitCode.OK
    assert Baseline.load(pytester.path / "leaks.json") == Baseline()


@pytest.mark.parametrize(
    "option", ["--leakdiff-report=nowhere/leaks.json", "--leakdiff-write-baseline=nowhere/leaks.json"]
)
def test_a_folder_that_is_missing_is_told_before_the_tests_run(pytester: pytest.Pytester, option: str) -> None:
    """And not after an hour."""
    pytester.makepyfile("def test(): raise SystemExit('ran')")
    ended = pytester.runpytest_inprocess(*QUIET, option)

    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*must be the path of a file, in a folder that exists. ?bad-option?"])


def test_a_file_that_cannot_be_written_ends_with_1_and_others_are_written(pytester: pytest.Pytester) -> None:
    """All tests passed, but whoever reads the file must not take an old one for this one."""
    pytester.mkdir("out")
    pytester.makepyfile("import os\ndef test(): os.rmdir('out')")
    ended = pytester.runpytest_inprocess(*QUIET, "--leakdiff-report=out/a.json", "--leakdiff-report=b.json")

    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.stdout.fnmatch_lines(["leakdiff: *a.json could not be written: No such file or directory.*?cannot-write?"])
    assert json.loads((pytester.path / "b.json").read_text("utf-8"))["tests"] == []


def test_a_session_that_broke_off_writes_its_report_and_no_baseline(pytester: pytest.Pytester) -> None:
    """The report says how pytest ended; a baseline would say more than was looked at."""
    pytester.makepyfile("import nowhere")
    asked = ("--leakdiff-report=leaks.json", "--leakdiff-write-baseline=known.json")
    ended = pytester.runpytest_inprocess(*QUIET, *asked)

    assert json.loads((pytester.path / "leaks.json").read_text("utf-8"))["exit_status"] == ended.ret == 2
    ended.stdout.fnmatch_lines(["leakdiff: *known.json was not written: pytest did not run to its end"])
    assert not (pytester.path / "known.json").exists()


def test_a_list_of_the_tests_writes_nothing(pytester: pytest.Pytester) -> None:
    """With ``--collect-only`` nothing is looked at."""
    pytester.makepyfile("def test(): pass")
    asked = ("--leakdiff-report=leaks.json", "--leakdiff-write-baseline=known.json")
    pytester.runpytest_inprocess(*QUIET, "--collect-only", *asked)

    assert sorted(path.name for path in pytester.path.glob("*.json")) == []
