"""The exit status of every command: 0 clean or done, 1 leaks, 2 trouble."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import attrs
import pytest

from leakdiff import live, selftest
from leakdiff.check_command import exit_status
from leakdiff.cli import main
from leakdiff.model.report import Report, Verdict
from leakdiff.selftest import Row
from leakdiff.soaking.plan import make_plan
from leakdiff.store.sqlite import open_store
from snapshots import cheap, snapshot

CLEAN, LEAKS, TROUBLE = 0, 1, 2
HOUR = 3_600.0
OF_VERDICTS = {
    Verdict.LEAK: LEAKS,
    Verdict.NATIVE: LEAKS,
    Verdict.FILLING: CLEAN,
    Verdict.WARMUP: CLEAN,
    Verdict.CHURN: CLEAN,
    Verdict.STABLE: CLEAN,
    Verdict.INCONCLUSIVE: TROUBLE,
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two snapshots, of which the later has grown, and a store with a short history."""
    monkeypatch.chdir(tmp_path)
    snapshot(owners={"app._inflight": (100, 20_000)}).save("before.json")
    snapshot(at=HOUR, owners={"app._inflight": (900, 180_000)}).save("after.json")
    store = open_store(tmp_path / "leaks.db")
    for hour in range(4):
        store.add(cheap(at=hour * HOUR))
    store.close()
    return tmp_path


@pytest.mark.parametrize("verdict", Verdict)
def test_a_check_ends_as_its_verdict_says(verdict: Verdict) -> None:
    """Every verdict has a status; soaks and trends have the same."""
    report = Report(verdict=verdict, because="of a test", python="3.11.7", version="0.1.0")

    assert exit_status(report) == OF_VERDICTS[verdict]


@pytest.mark.parametrize("verdict", Verdict)
def test_a_trend_ends_as_its_verdict_says(
    desk: Path, verdict: Verdict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a check does."""
    found = attrs.evolve(live.trend(desk / "leaks.db"), verdict=verdict)
    monkeypatch.setattr(live, "trend", lambda *_, **__: found)
    status = main(["trend", "leaks.db"])

    assert status == OF_VERDICTS[verdict]
    assert capsys.readouterr().out.startswith(f"leakdiff: {verdict}  ")


OTHERS = [
    ("diff before.json after.json", LEAKS),
    ("diff after.json before.json", CLEAN),
    ("diff before.json nothing.json", TROUBLE),
    ("show before.json", CLEAN),
    ("show leaks.db", TROUBLE),
    ("trend leaks.db --by path", CLEAN),
    ("trend nothing.db --by path", TROUBLE),
    ("store info leaks.db", CLEAN),
    ("store prune leaks.db --max-age 30d", CLEAN),
    ("store prune leaks.db --max-age soon", TROUBLE),
    ("store export leaks.db out", CLEAN),
    ("store export leaks.db before.json", TROUBLE),
    ("cause", CLEAN),
    ("cause pending-task", CLEAN),
    ("cause of-death", TROUBLE),
    ("completion zsh", CLEAN),
    ("completion", TROUBLE),
    ("render nothing.json", TROUBLE),
    ("selftest no_such_plant", TROUBLE),
    ("check nothing.py", TROUBLE),
    ("soak nothing.py", TROUBLE),
    ("demo --baseline nothing.json", TROUBLE),
    ("--version", CLEAN),
    ("nothing", TROUBLE),
]


@pytest.mark.parametrize(("typed", "expected"), OTHERS, ids=[typed for typed, _ in OTHERS])
def test_a_command_ends_as_the_page_says(
    desk: Path, typed: str, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 if it did what was asked, 2 with a sentence and its slug if not; 1 only if something grew."""
    status = main(typed.split())
    said = capsys.readouterr().err

    assert status == expected
    assert (said.startswith("leakdiff: ") and said.endswith("]\n")) is (expected == TROUBLE)
    assert "Traceback" not in said
    assert desk.is_dir()


@pytest.mark.parametrize(("right", "expected"), [(True, CLEAN), (False, LEAKS)])
def test_a_selftest_that_judges_wrong_ends_with_1(
    right: bool,  # noqa: FBT001
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was wrong is printed with --quiet too; what was right is not."""
    row = Row("dict_by_request_id", "leak", "STABLE", "", right)
    monkeypatch.setattr(selftest, "_judge", lambda _: [row])
    status = main(["selftest", "dict_by_request_id", "--quiet"])
    lines = capsys.readouterr().out.splitlines()

    assert status == expected
    assert lines[-1] == f"{int(right)} of 1 judged right"
    assert [line.split()[0] for line in lines[:-1]] == ([] if right else ["WRONG"])


def test_a_fault_of_its_own_is_trouble_and_not_a_leak(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python would end with 1, which means leaks here."""
    monkeypatch.setattr(selftest, "run_selftest", lambda _: 1 / 0)
    status = main(["selftest"])
    said = capsys.readouterr().err

    assert status == TROUBLE
    assert "ZeroDivisionError" in said
    assert said.endswith("leakdiff: failed by a fault of its own (traceback above); please report it\n")


# -- what the program does when it is asked for its parts ------------------------------------------

ASKED = {
    "exits in scenarios": ("def scenarios(): raise SystemExit(0)", "soak app.py", "'scenarios' raises SystemExit"),
    "raises in scenarios": ("def scenarios(): raise ValueError", "soak app.py", "'scenarios' raises ValueError"),
    "exits in __getattr__": ("def __getattr__(name): raise SystemExit(0)", "check app.py", "'step' raises SystemExit"),
    "raises in __getattr__": (
        "def __getattr__(name): raise ValueError",
        "soak app.py",
        "'scenarios' raises ValueError",
    ),
    "raises for setup": (
        "step = print\ndef __getattr__(name): raise RuntimeError",
        "check app.py",
        "'setup' raises RuntimeError",
    ),
    "exits on the way": (
        "class Lazy:\n    def __getattr__(self, name): raise SystemExit(0)\nlazy = Lazy()",
        "check app.py:lazy.step",
        "'step' raises SystemExit",
    ),
}


@pytest.fixture
def program(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of a program to be asked, which leaves nothing behind in this process."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "app", sys)
    return desk / "app.py"


@pytest.mark.parametrize(("source", "typed", "said_of"), ASKED.values(), ids=list(ASKED))
def test_a_program_that_fails_when_it_is_asked_is_trouble_of_its_own(
    program: Path, source: str, typed: str, said_of: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program's ``sys.exit(0)`` is not "clean", and its errors are not leakdiff's."""
    program.write_text(source, "utf-8")
    name, error = said_of.split(" raises ")
    status = main(typed.split())
    said = capsys.readouterr().err

    assert status == TROUBLE
    assert error in said.partition("leakdiff: ")[0]
    assert said.endswith(
        f"leakdiff: app.py has no {name} that can be used: asking for it raised {error} (traceback above). "
        "Mend that first; nothing was run. [target-failed]\n"
    )


@pytest.mark.parametrize("raised", ["SystemExit(0)", "KeyError", "BaseException"])
def test_an_import_that_ends_is_trouble(program: Path, raised: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it raises; also in a package above the module that was named."""
    program.parent.joinpath("above").mkdir()
    program.parent.joinpath("above/__init__.py").write_text(f"raise {raised}", "utf-8")
    program.write_text(f"raise {raised}", "utf-8")
    statuses = [main(["check", "app.py"]), main(["check", "above.below:step"])]
    said = capsys.readouterr().err

    assert statuses == [TROUBLE, TROUBLE]
    assert said.count("could not be imported: it raised") == said.count("[target-import-failed]\n") == 2


def test_an_exit_that_nobody_expected_is_not_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever a command meets it."""
    monkeypatch.setattr(selftest, "run_selftest", lambda _: sys.exit(0))
    status = main(["selftest"])

    assert status == TROUBLE
    assert capsys.readouterr().err.endswith(
        "leakdiff: the program ended itself by sys.exit before there was a result (traceback above)\n"
    )


# -- sentences that are true -----------------------------------------------------------------------


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything listens."""
    status = main(["demo", f"--serve={port}"])

    assert status == TROUBLE
    assert capsys.readouterr().err == (
        f"leakdiff: serve={port} cannot work: serve must be a port, from 0 to 65,535, where 0 is any that is free. "
        "[bad-option]\n"
    )


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """It is no matter of what could be printed."""
    pytest.importorskip("jinja2", reason="the endpoint needs it: pip install 'leakdiff[web]'")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status = main(["demo", "--serve", str(port)])
    said = capsys.readouterr().err

    assert status == TROUBLE
    assert said.startswith(f"leakdiff: serve={port} cannot work: serve must be a port to listen at (address already in")
    assert said.endswith("); 0 is any that is free. [bad-option]\n")


@pytest.mark.parametrize(
    "option", ["--fixed", "--json=x", "--baseline=nothing.json", "--write-baseline", "--second-opinion"]
)
def test_a_demo_that_serves_takes_no_options_of_a_check(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What would be passed over is refused."""
    status = main(["demo", "--serve", "0", option])

    assert status == TROUBLE
    assert capsys.readouterr().err == (
        f"leakdiff: {option.partition('=')[0]} cannot be used: with --serve nothing is checked. "
        "Leave one of them out. [bad-usage]\n"
    )


@pytest.mark.parametrize("option", ["--max-bytes", "--max-age"])
def test_a_number_of_any_length_is_refused_in_one_sentence(
    desk: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python itself reads no more than 4,300 digits."""
    status = main(["store", "prune", str(desk / "leaks.db"), option, "9" * 5_000])
    said = capsys.readouterr().err

    assert status == TROUBLE
    assert said.startswith(f"leakdiff: {option[2:]}='999")
    assert said.endswith("[bad-option]\n")
    assert len(said) < 500


@pytest.mark.parametrize("typed", ["--max-bytes 1T", "--max-bytes 1.5G", "--max-age 1.5w", "--max-age 90m"])
def test_durations_and_sizes_are_written_alike_everywhere(
    desk: Path, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``soak`` has them, so do the commands of a store; and the other way round."""
    status = main(["store", "prune", str(desk / "leaks.db"), *typed.split()])

    assert status == CLEAN
    assert capsys.readouterr().out.startswith("leakdiff: deleted ")
    assert make_plan(duration="1w").duration == 7 * 24 * HOUR


# -- the selftest ----------------------------------------------------------------------------------


def test_a_plant_that_takes_too_long_is_one_line_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are judged all the same."""
    monkeypatch.setattr(selftest, "_SECONDS", 0.01)
    status = main(["selftest", "dict_by_request_id"])
    lines = capsys.readouterr().out.splitlines()

    assert status == LEAKS
    assert [" ".join(line.split()) for line in lines] == [
        "WRONG dict_by_request_id leak ERROR no cause not done in 0.01 s",
        "WRONG dict_by_request_id twin ERROR not done in 0.01 s",
        "0 of 2 judged right",
    ]
