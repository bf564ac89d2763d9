"""The commands that work on what was kept: what they print, and their exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leakdiff.cli import main
from leakdiff.store.sqlite import open_store
from snapshots import cheap, snapshot

CLEAN, LEAKS, TROUBLE = 0, 1, 2
HOUR = 3_600.0


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Two saved snapshots of one process, an hour apart; the map of what is in flight has grown."""
    before, after = tmp_path / "before.json.gz", tmp_path / "after.json.gz"
    snapshot(owners={"app._inflight": (100, 20_000)}, types={"app.Result": (100, 20_000)}).save(before)
    snapshot(at=HOUR, owners={"app._inflight": (900, 180_000)}, types={"app.Result": (900, 180_000)}).save(after)
    return str(before), str(after)


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store with ten cheap measurements and one deep snapshot, an hour apart."""
    path = tmp_path / "history.sqlite"
    opened = open_store(path)
    for hour in range(10):
        opened.add(cheap(at=hour * HOUR))
    opened.add(snapshot(at=10 * HOUR, owners={"app._inflight": (100, 20_000)}))
    opened.close()
    return str(path)


def test_show_prints_a_saved_snapshot(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """The snapshot's own text, and exit status 0."""
    status = main(["show", files[0]])

    assert status == CLEAN
    assert "app._inflight" in capsys.readouterr().out


def test_show_prints_json_when_asked(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON document with a format number, and nothing else."""
    status = main(["show", files[0], "--json"])

    assert status == CLEAN
    assert json.loads(capsys.readouterr().out)["format"] == 1


def test_a_diff_that_grew_exits_with_1(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """The owner stands in the first line."""
    status = main(["diff", *files])

    assert status == LEAKS
    assert "app._inflight" in capsys.readouterr().out.splitlines()[0]


def test_a_diff_of_the_same_exits_with_0(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """A snapshot and itself differ by nothing."""
    status = main(["diff", files[0], files[0]])

    assert status == CLEAN
    assert "nothing grew" in capsys.readouterr().out


def test_a_diff_the_other_way_round_grew_by_nothing(files: tuple[str, str]) -> None:
    """What shrinks is no growth."""
    assert main(["diff", files[1], files[0]]) == CLEAN


def test_a_diff_as_json_has_the_changes(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Owners with their entries before and after."""
    main(["diff", *files, "--json"])
    owners = json.loads(capsys.readouterr().out)["owners"]

    assert [owner["name"] for owner in owners] == ["app._inflight"]


@pytest.mark.parametrize("command", [["show", "{}"], ["diff", "{}", "{}"], ["trend", "{}"], ["store", "info", "{}"]])
def test_what_is_missing_is_trouble(tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence on standard error, nothing on standard output, no file made, exit status 2."""
    status = main([part.format(tmp_path / "no-such-file") for part in command])
    printed = capsys.readouterr()

    assert status == TROUBLE
    assert printed.out == ""
    assert printed.err.startswith("leakdiff: ")
    assert len(printed.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_short_history_is_inconclusive(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten hours cannot tell growth from the daily cycle: it says so, with exit status 2."""
    status = main(["trend", store])

    assert status == TROUBLE
    assert capsys.readouterr().out.startswith("leakdiff: INCONCLUSIVE")


@pytest.mark.parametrize("by", ["version", "instance", "path"])
def test_a_table_is_headed_by_what_was_asked(store: str, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind of table, or that there is nothing to tell; exit status 0."""
    status = main(["trend", store, "--by", by])

    assert status == CLEAN
    assert capsys.readouterr().out.startswith((by, f"leakdiff: nothing to tell by {by}"))


@pytest.mark.parametrize("since", ["soon", "0h", "-3h", "3", ""])
def test_a_since_that_is_no_time_is_trouble(store: str, since: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence shows how to write one."""
    status = main(["trend", store, f"--since={since}"])

    assert status == TROUBLE
    assert "72h" in capsys.readouterr().err


def test_store_info_counts(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Snapshots, deep ones, and processes."""
    status = main(["store", "info", store])

    assert status == CLEAN
    assert "11 snapshots (1 deep)" in capsys.readouterr().out


def test_store_prune_deletes_what_is_old(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The fixtures are years old: all but nothing is left of them."""
    status = main(["store", "prune", store, "--max-age", "30d"])

    assert status == CLEAN
    assert "deleted" in capsys.readouterr().out
    assert open_store(store).info().snapshots == 0


def test_store_export_writes_files_that_show_reads(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each snapshot of the whole heap becomes a file of its own."""
    folder = tmp_path / "out"
    status = main(["store", "export", store, str(folder), "--deep"])
    written = list(folder.iterdir())

    assert status == CLEAN
    assert len(written) == 1
    assert main(["show", str(written[0])]) == CLEAN
    assert "app._inflight" in capsys.readouterr().out
