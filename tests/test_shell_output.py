"""What the command line prints: how much, how wide, in which colours and signs."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fresh import shell, write_module
from leakdiff import selftest
from leakdiff.cli import main, make_parser
from leakdiff.render import progress
from leakdiff.render.progress import NORMAL, QUIET, VERBOSE, VOICE, Progress, waiting_for
from leakdiff.render.terminal import can_redraw, coloured, columns_of, encodable, wants_colour, width_of, wrapped
from leakdiff.selftest import Row
from leakdiff.selftest_plants import Plant
from leakdiff.store.sqlite import SQLiteStore, open_store
from snapshots import cheap, snapshot

CLEAN, LEAKS, TROUBLE = 0, 1, 2
SMALL = ("--units", "29", "--patience", "0.05")
REPORT = """\
leakdiff: LEAK  app.matching._inflight grows by 1.00 entries per unit, 2.3 KiB each, never shrinks    [3f9a2c]

  owner  app.matching._inflight     dict, 1,512 entries         keys: str 'req-' + 8 hex
  path   module app.matching ─ _inflight ─ [*] ─ app.matching.Result
  born   /srv/app/a/very/long/folder/matching.py:41  in find_driver      result = Result(rid, driver)
  why    grew in every round at the same rate and nothing bounds it"""


class Terminal(io.StringIO):
    """A standard error that somebody looks at."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a workload that leaks and one that takes its time."""
    write_module(tmp_path, "kept = []\n\n\ndef step():\n    kept.append([1])\n", "leaky.py")
    write_module(tmp_path, "import time\n\n\ndef step(units):\n    time.sleep(0.25)\n", "slow.py")
    owners = {"app.rides._inflight": (100, 20_000)}
    snapshot(owners=owners).save(tmp_path / "taken.json")
    return tmp_path


def on_terminal(folder: Path, *arguments: str, columns: int = 80, environ: Mapping[str, str] = {}) -> str:
    """Return what a terminal of a given width is sent."""
    pexpect = pytest.importorskip("pexpect", reason="pexpect is not installed: pip install pexpect")
    kept = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "leakdiff", *arguments],
        cwd=str(folder),
        dimensions=(24, columns),
        env={**kept, "TERM": "xterm", **environ},
        encoding="utf-8",
        timeout=60,
    )
    sent = str(child.read())
    child.close()
    return sent.replace("\r\n", "\n")


# -- width -----------------------------------------------------------------------------------------


def test_a_report_is_wrapped_below_its_rows() -> None:
    """Columns stay together where they can; a path is never broken, not even where it has no room."""
    assert (
        wrapped(REPORT, 60)
        == """\
leakdiff: LEAK  app.matching._inflight grows by 1.00 entries
  per unit, 2.3 KiB each, never shrinks    [3f9a2c]

  owner  app.matching._inflight     dict, 1,512 entries
           keys: str 'req-' + 8 hex
  path   module app.matching ─ _inflight ─ [*] ─
           app.matching.Result
  born   /srv/app/a/very/long/folder/matching.py:41
           in find_driver      result = Result(rid, driver)
  why    grew in every round at the same rate and nothing
           bounds it"""
    )


def test_a_wide_terminal_gets_each_row_in_one_line() -> None:
    """As a file does."""
    assert wrapped(REPORT, 200) == REPORT


def test_signs_of_two_columns_count_twice() -> None:
    """A row of them is wrapped where the terminal would."""
    row = "  what   +5 " + " ".join(["データ"] * 10)

    assert columns_of("データ") == 6
    assert max(columns_of(line) for line in wrapped(row, 40).split("\n")) <= 40


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30), max_size=12).map("  ".join),
    st.integers(40, 200),
)
def test_wrapping_loses_nothing(line: str, width: int) -> None:
    """Every word is there, in order, and a line that is too wide is a single word, after its label or indent."""
    made = wrapped(f"  why    {line}", width).split("\n")
    wide = [each for each in made if columns_of(each) > width]

    assert " ".join(made).split() == f"why {line}".split()
    assert all(" " not in each.removeprefix("  why").strip(" ") for each in wide)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_what_a_terminal_is_sent_fits(folder: Path, columns: int) -> None:
    """No line is wider, at any width; on the widest the rows are as in a file."""
    sent = on_terminal(folder, "show", "taken.json", columns=columns, environ={"NO_COLOR": "1"})
    widths = [columns_of(line) for line in sent.rstrip("\n").split("\n")]

    assert max(widths) <= columns
    assert sent.startswith("leakdiff: matching 2.4.1")
    assert (sent == shell(folder, "show", "taken.json").out) is (columns == 200)


def test_a_file_gets_each_row_in_one_line(folder: Path) -> None:
    """Whatever the width of the terminal: what reads it looks for rows."""
    ended = subprocess.run(
        [sys.executable, "-m", "leakdiff", "show", "taken.json"],
        cwd=folder,
        env={**os.environ, "COLUMNS": "40"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == CLEAN
    assert max(map(len, ended.stdout.splitlines())) > 80
    assert "\x1b" not in ended.stdout


@pytest.mark.parametrize(("columns", "width"), [("", 80), ("0", 80), ("13", 40), ("100", 100), ("9" * 30, 80)])
def test_the_width_is_between_40_and_200(columns: str, width: int) -> None:
    """COLUMNS says it where it can; a stream that has no width has 80."""
    assert width_of(io.StringIO(), {"COLUMNS": columns}) == width


# -- colour ----------------------------------------------------------------------------------------


def test_a_terminal_has_verdicts_in_colour_and_rows_in_bold(folder: Path) -> None:
    """Nothing else is coloured: not what the program says."""
    sent = on_terminal(folder, "check", "leaky.py", *SMALL).rpartition("\r\x1b[K")[2]  # a slow machine has progress

    assert sent.startswith("leakdiff: \x1b[1;31mLEAK\x1b[0m  leaky.kept grows")
    assert "\n  \x1b[1mowner\x1b[0m  leaky.kept" in sent
    assert set(re.findall(r"\x1b\[[0-9;]*m", sent)) == {"\x1b[1;31m", "\x1b[0m", "\x1b[1m"}


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"NO_COLOR": "0", "FORCE_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colour_gets_none(folder: Path, environ: dict[str, str]) -> None:
    """NO_COLOR with whatever in it, which wins over FORCE_COLOR; and a terminal that has none."""
    sent = on_terminal(folder, "show", "taken.json", environ=environ)

    assert "\x1b" not in sent
    assert "\n  owners " in sent


@pytest.mark.parametrize(
    ("environ", "at_terminal", "in_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": ""}, True, False),
        ({"NO_COLOR": "x"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "x"}, False, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_who_gets_colour(environ: dict[str, str], at_terminal: bool, in_pipe: bool) -> None:  # noqa: FBT001
    """As no-color.org has it: an empty NO_COLOR is none."""
    assert wants_colour(Terminal(), environ) is at_terminal
    assert wants_colour(io.StringIO(), environ) is in_pipe


def test_only_what_leakdiff_writes_is_coloured() -> None:
    """A verdict further on in a line, or a word that is none, stays as it is."""
    assert coloured("leakdiff: STABLE  nothing grew") == "leakdiff: \x1b[32mSTABLE\x1b[0m  nothing grew"
    assert coloured("leakdiff: LEAK NEW  app.x grows") == "leakdiff: \x1b[1;31mLEAK\x1b[0m NEW  app.x grows"
    assert coloured("leakdiff: OTHERS  LEAK") == "leakdiff: OTHERS  LEAK"
    assert coloured("a leakdiff: LEAK  x") == "a leakdiff: LEAK  x"


# -- signs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "a - b -> caf\\xe9 \\u6f22 \\udc80"),
        ("latin-1", "a - b -> caf\xe9 \\u6f22 \\udc80"),
        ("utf-8", "a \u2500 b \u2192 caf\xe9 \u6f22 \\udc80"),
    ],
)
def test_what_an_encoding_lacks_is_plain_or_escaped(encoding: str, shown: str) -> None:
    """Signs of our own become plain ones, those of the program their escapes."""
    assert encodable("a \u2500 b \u2192 caf\xe9 \u6f22 \udc80", encoding) == shown


@settings(deadline=None)
@given(st.text(), st.sampled_from(["ascii", "latin-1", "cp1252", "utf-8"]))
def test_every_text_can_be_printed_anywhere(text: str, encoding: str) -> None:
    """Nothing raises."""
    encodable(text, encoding).encode(encoding)


@pytest.mark.parametrize(
    "environ",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}],
    ids=["LC_ALL=C", "ascii"],
)
def test_an_old_encoding_gets_the_whole_report(folder: Path, environ: dict[str, str]) -> None:
    """Also with names that it has no signs for."""
    write_module(folder, "größen = []\n\n\ndef step():\n    größen.append([1])\n", "leaky.py")
    ended = subprocess.run(
        [sys.executable, "-m", "leakdiff", "check", "leaky.py", *SMALL],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (LEAKS, b"")
    assert b"module leaky - gr\\xf6\\xdfen - [*]" in ended.stdout
    assert ended.stdout.isascii()


# -- quiet and verbose -----------------------------------------------------------------------------


def test_quiet_prints_the_verdict_in_one_line(folder: Path) -> None:
    """And nothing of the baseline that is written; the exit status is the same."""
    ended = shell(folder, "--quiet", "check", "leaky.py", "--baseline", "leaks.json", "--write-baseline", *SMALL)

    assert (ended.code, ended.err) == (CLEAN, "")
    assert (folder / "leaks.json").is_file()
    assert re.fullmatch(r"leakdiff: LEAK NEW  leaky.kept grows by .* never shrinks    \[\w{6}\]\n", ended.out)


def test_verbose_says_each_stage_with_its_time(folder: Path) -> None:
    """On standard error, without a terminal as well; the report is as ever."""
    ended = shell(folder, "check", "leaky.py", "--verbose", *SMALL)
    stages = [re.sub(r"^leakdiff: +\d+\.\d\d s  ", "", line) for line in ended.err.splitlines()]

    assert ended.code == LEAKS
    assert "\n  owner  leaky.kept" in ended.out
    assert stages[:3] == ["warm-up round 1 of 2", "warm-up round 2 of 2", "round 1 of 5"]
    assert "walking the heap" in stages
    assert re.fullmatch(r"leakdiff: leakdiff's own work took \d\.\d\d CPU s; [\d,]+ objects were walked", stages[-1])


@pytest.mark.parametrize(
    ("typed", "voice"),
    [
        ("-q check work.py", "quiet"),
        ("check -q work.py", "quiet"),
        ("store info leaks.db --verbose", "verbose"),
        ("-v store -q info leaks.db", "quiet"),
        ("-q demo -v", "verbose"),
    ],
)
def test_it_stands_before_the_command_or_after_it(typed: str, voice: str) -> None:
    """What is typed last decides."""
    assert make_parser().parse_args(typed.split()).voice == voice


def test_the_commands_that_read_have_a_headline_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line of show and of diff; what has none, such as the list of causes, is printed whole."""
    before, after = str(tmp_path / "before.json"), str(tmp_path / "after.json")
    snapshot(owners={"app._inflight": (100, 20_000)}).save(before)
    snapshot(at=3_600.0, owners={"app._inflight": (900, 180_000)}).save(after)
    statuses = [main(["-q", "show", before]), main(["diff", before, after, "-q"]), main(["cause", "-q"])]
    lines = capsys.readouterr().out.splitlines()

    assert statuses == [CLEAN, LEAKS, CLEAN]
    assert lines[0].startswith("leakdiff: ")
    assert lines[1].startswith("leakdiff: 1 owner grew")
    assert lines[2].startswith("unbounded-module-cache")
    assert len(lines) > 20


def test_the_voice_of_one_command_is_not_that_of_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who calls main twice gets the whole text the second time."""
    path = str(tmp_path / "before.json")
    snapshot(owners={"app._inflight": (100, 20_000)}).save(path)
    main(["show", path, "-q"])
    main(["show", path])

    assert "\n  owners " in capsys.readouterr().out


def test_a_selftest_tells_where_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With verbose, by number and name."""
    monkeypatch.setattr(selftest, "_judge", lambda _: [])
    status = main(["selftest", "-v", "dict_by_request_id", "set_of_strings"])
    printed = capsys.readouterr()

    assert (status, printed.out) == (CLEAN, "0 of 0 judged right\n")
    assert re.fullmatch(
        r"leakdiff: +0\.\d\d s  plant 1 of 2: dict_by_request_id\n"
        r"leakdiff: +0\.\d\d s  plant 2 of 2: set_of_strings\n",
        printed.err,
    )


# -- progress --------------------------------------------------------------------------------------


def test_a_terminal_sees_what_is_happening_and_then_only_the_result(folder: Path) -> None:
    """After a second a line says which round it is; it is erased before the report."""
    sent = on_terminal(folder, "check", "slow.py", environ={"NO_COLOR": "1"})
    before, _, after = sent.rpartition("\r\x1b[K")

    assert re.match(r"\r\x1b\[Kleakdiff: round [1-5] of 5", before)
    assert after.startswith("leakdiff: STABLE  nothing grew")


@pytest.mark.parametrize(("voice", "term"), [(NORMAL, "dumb"), (QUIET, "xterm")])
def test_a_terminal_that_cannot_or_should_not_sees_none(voice: str, term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that could not be erased is not written, nor one that was asked not to be."""
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", term)
    token = VOICE.set(voice)
    said = Progress()
    said("round 1 of 5")
    said.close()
    VOICE.reset(token)

    assert terminal.getvalue() == ""


def test_a_line_of_progress_is_short_and_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits the terminal, so that it can be erased, and steers nothing."""
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    said = Progress()
    said("reading \x1b[2J\n" + "x" * 10_000)
    said.close()
    written = terminal.getvalue()

    assert written.startswith("\r\x1b[Kleakdiff: reading \\x1b[2J\\nxxx")
    assert written.endswith("x\r\x1b[K")
    assert len(written) == 59 + 2 * len("\r\x1b[K")


def test_work_that_blocks_is_told_of_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large store is read in one piece: a thread says so meanwhile, and is gone afterwards."""
    terminal = Terminal()
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with waiting_for("reading the history"):
        deadline = time.monotonic() + 30
        while not terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.001)

    assert terminal.getvalue() == "\r\x1b[Kleakdiff: reading the history\r\x1b[K"


def test_a_line_of_progress_goes_away_where_the_work_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence that says why stands in a line of its own, and the store is closed."""
    store = open_store(tmp_path / "leaks.db")
    store.add(cheap())
    store.close()
    (tmp_path / "out" / "snapshot-000001.json.gz").mkdir(parents=True)
    terminal, ended = Terminal(), []
    close = type(store).close

    def note(opened: SQLiteStore) -> None:
        ended.append("closed")
        close(opened)

    monkeypatch.setattr(type(store), "close", note)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    status = main(["store", "export", str(tmp_path / "leaks.db"), str(tmp_path / "out")])
    line, _, sentence = terminal.getvalue().rpartition("\r\x1b[K")

    assert (status, ended, capsys.readouterr().out) == (TROUBLE, ["closed"], "")
    assert line == "\r\x1b[Kleakdiff: writing snapshot 1 of 1"
    assert sentence.startswith("leakdiff: ")
    assert sentence.endswith("[cannot-write]\n")


def test_a_plant_is_told_of_while_it_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes seconds: the line must not wait for the next."""
    terminal = Terminal()
    monkeypatch.setattr(progress, "_PATIENCE", 0.05)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    seen: list[str] = []

    def judge(_: Plant) -> list[Row]:
        deadline = time.monotonic() + 5
        while len(seen) == terminal.getvalue().count("plant") and time.monotonic() < deadline:
            time.sleep(0.001)
        seen.append(terminal.getvalue().rpartition("\r\x1b[K")[2])
        return []

    monkeypatch.setattr(selftest, "_judge", judge)
    selftest.run_selftest(["dict_by_request_id", "set_of_strings"])

    assert seen == ["leakdiff: plant 1 of 2: dict_by_request_id", "leakdiff: plant 2 of 2: set_of_strings"]
    assert terminal.getvalue().endswith("set_of_strings\r\x1b[K")


class Odd:
    """What a program may put in the place of a stream."""

    def isatty(self) -> bool:
        """Fail."""
        raise RuntimeError("mine")

    def fileno(self) -> int:
        """Fail in another way."""
        raise LookupError("mine")

    def write(self, text: str) -> int:
        """Fail."""
        raise TypeError(text)

    def flush(self) -> None:
        """Fail."""
        raise KeyError("mine")


def test_an_odd_standard_error_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked what it can do and told what is being done, and may fail at both in any way."""
    monkeypatch.setattr(sys, "stderr", Odd())
    voice = VOICE.set(VERBOSE)
    with waiting_for("something"):
        status = main(["check", "nothing.py"])
    VOICE.reset(voice)

    assert status == TROUBLE
    assert (can_redraw(sys.stderr), width_of(sys.stderr, {})) == (False, 80)


@pytest.mark.parametrize("stream", ["closed", None])
def test_nobody_there_to_see_progress_is_no_error(stream: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A standard error that is closed, or none at all."""
    closed = Terminal()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed if stream else None)
    voice = VOICE.set(VERBOSE)
    said = Progress()
    said("something")
    said.close()
    VOICE.reset(voice)

    assert closed.closed
