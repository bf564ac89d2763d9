"""The exit status of every command: 0 clean or done, 1 leaks, 2 trouble."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from leakdiff import live, selftest
from leakdiff.check_command import exit_status
from leakdiff.cli import main
from leakdiff.model.report import Report, Verdict
from leakdiff.selftest import Row
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
