"""What breaks under the debug endpoint: it answers all the same, says what is broken, and its other views go on."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from desks import TOKEN, wait_for_jobs
from leakdiff import live, watcher
from leakdiff.monitor import Monitor
from leakdiff.store import database
from leakdiff.store.sqlite import SQLiteStore
from leakdiff.watcher import World
from leakdiff.web import captures
from leakdiff.web.app import Endpoint
from leakdiff.web.messages import Request, Response
from leakdiff.web.settings import Settings
from leakdiff.web.views import heap
from snapshots import snapshot

_HEADERS = {"host": "localhost", "authorization": f"Bearer {TOKEN}"}
_CANARY = "sk_live_51Hcanary"
_LOCKS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
connection.execute("CREATE TABLE IF NOT EXISTS mine (x)")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a locked store no longer than a moment, and walk no heap: how that is done is not the question here."""
    monkeypatch.setattr(watcher, "_STORE_TIMEOUT", 0.05)
    monkeypatch.setattr(live, "snapshot_with", lambda *_, **__: snapshot(types={"dict": (1, 64)}))


def endpoint(monitor: Monitor | None = None) -> Endpoint:
    """Return an endpoint that lets measurements follow each other at once."""
    return Endpoint(Settings(token=TOKEN, cooldown=0), monitor)


def ask(asked: Endpoint, path: str, method: str = "GET", told_as: str = "json") -> Response:
    """Send a request."""
    return asked.answer(Request(method=method, path=path, query=f"format={told_as}", headers=_HEADERS))


def told(response: Response) -> dict[str, Any]:
    """Return what a JSON answer has."""
    found: dict[str, Any] = json.loads(response.body)
    return found


def faults(asked: Endpoint) -> str:
    """Return what the first page says is broken; it says so in all formats, and answers 200."""
    shown = told(ask(asked, "/"))["faults"]
    for told_as in ("html", "text"):
        page = ask(asked, "/", told_as=told_as)
        assert page.status == 200
        assert ("What is broken" in page.body.decode()) == bool(shown)
    return "\n".join(shown)


def goes_on(asked: Endpoint) -> bool:
    """Tell whether what needs neither store nor monitor works: the summary, and a snapshot with its types."""
    with_snapshot = ask(asked, "/snapshot", "POST").status == 202
    wait_for_jobs()
    return with_snapshot and all(
        ask(asked, path).status == 200 for path in ("/summary", "/types", "/snapshots", "/jobs")
    )


def _boom(*_: Any, **__: Any) -> Any:
    raise OSError(_CANARY)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another process hold a store."""
    command = [sys.executable, "-c", _LOCKS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "locked\n"
            yield
        finally:
            process.kill()


def a_store(folder: Path) -> Path:
    """Make a store with one snapshot."""
    path = folder / "history.db"
    with SQLiteStore(path) as store:
        store.add(snapshot(types={"dict": (1, 64)}))
    return path


# -- measurements ----------------------------------------------------------------------------------


def test_a_snapshot_that_fails_is_said_to_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job says what was raised and where, not what it said; the next one works."""
    asked = endpoint()
    with monkeypatch.context() as broken:
        broken.setattr(live, "snapshot_with", _boom)
        assert ask(asked, "/snapshot", "POST").status == 202
        wait_for_jobs()
    job = asked.desk.jobs.all()[0]
    page = told(ask(asked, f"/jobs/{job.id}"))

    assert page["state"] == "failed"
    assert "OSError was raised at " in page["said"]
    assert f"(snapshot, job {job.id}) failed: OSError was raised" in faults(asked)
    assert _CANARY not in str(page) + faults(asked)
    assert goes_on(asked)
    assert faults(asked) == ""


def test_without_a_thread_there_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no thread the job failed; the endpoint does not."""
    asked = endpoint()

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", no_thread)
        assert ask(asked, "/gc", "POST").status == 202

    assert "no thread could be started" in faults(asked)
    assert goes_on(asked)


def test_what_fails_before_a_measurement_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A POST that raises says so, and does not leave the endpoint busy."""
    asked = endpoint()
    with monkeypatch.context() as broken:
        broken.setattr(captures, "begin_snapshot", _boom)
        answer = ask(asked, "/snapshot", "POST")

    assert (answer.status, told(answer)["slug"]) == (500, "view-failed")
    assert _CANARY.encode() not in answer.body
    assert goes_on(asked)


def test_memory_that_cannot_be_read_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first page has all the rest."""
    asked = endpoint()
    with monkeypatch.context() as broken:
        broken.setattr(live, "measure", _boom)

        assert "Memory cannot be measured: OSError was raised" in faults(asked)
        assert told(ask(asked, "/"))["memory"] is None


# -- views -----------------------------------------------------------------------------------------


def test_a_view_that_raises_is_one_page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers 500 in each format with what was raised, without its words; the other views go on."""
    asked = endpoint()
    monkeypatch.setattr(heap, "types", _boom)

    for told_as in ("json", "text", "html"):
        answer = ask(asked, "/types", told_as=told_as)
        assert answer.status == 500
        assert "OSError was raised" in answer.body.decode()
        assert _CANARY not in answer.body.decode()
    assert ask(asked, "/").status == ask(asked, "/summary").status == 200


# -- the monitor -----------------------------------------------------------------------------------


def test_a_dead_monitor_is_unhealthy_and_said_to_be_dead() -> None:
    """Its thread ended without being stopped: a probe sees 503, a person a sentence, and the endpoint works on."""
    monitor = Monitor(store="sqlite:///:memory:", _world=World(wait=lambda _event, _seconds: True))
    monitor.start()
    _until(lambda: not monitor.health().running)
    asked = endpoint(monitor)

    assert ask(asked, "/healthz").status == 503
    assert told(ask(asked, "/healthz"))["state"] == "dead"
    assert "The monitor's thread is dead" in faults(asked)
    assert goes_on(asked)


def test_a_monitor_that_never_started_or_was_stopped_is_said_to_be() -> None:
    """What it will not do is said; a probe does not mind."""
    monitor = Monitor(store="sqlite:///:memory:")
    asked = endpoint(monitor)
    assert "never started in this process: call monitor.start()" in faults(asked)
    monitor.measure_now()

    assert "The monitor was stopped" in faults(asked)
    assert ask(asked, "/healthz").status == 200


# -- its store -------------------------------------------------------------------------------------


def test_a_store_that_another_process_holds_is_said_to_be_locked(tmp_path: Path) -> None:
    """History and trend answer 503 with the reason; everything else works, and so do they soon after it is free."""
    path = a_store(tmp_path)
    asked = endpoint(Monitor(store=path))
    with locked(path):
        for view in ("/history", "/trend"):
            assert (ask(asked, view).status, told(ask(asked, view))["slug"]) == (503, "store-locked")
        assert "The history cannot be read: The store " in faults(asked)
        assert told(ask(asked, "/snapshots"))["faults"]
        assert goes_on(asked)

    asked.desk._trend = None  # noqa: SLF001 - as ten seconds later
    assert ask(asked, "/history").status == ask(asked, "/trend").status == 200
    assert "history cannot be read" not in faults(asked)


@pytest.mark.parametrize("harm", ["foreign", "gone"])
def test_a_store_that_is_damaged_or_gone_is_said_to_be(tmp_path: Path, harm: str) -> None:
    """Whatever became of the file: the page says it, and what was measured here is still there."""
    path = a_store(tmp_path)
    asked = endpoint(Monitor(store=path))
    assert ask(asked, "/history").status == 200
    path.unlink()
    if harm == "foreign":
        path.write_bytes(b"this is no database, and never was one" * 100)
    else:
        path.mkdir()

    assert ask(asked, "/history").status == 503
    assert "The history cannot be read: The store " in faults(asked)
    assert goes_on(asked)


def test_a_full_disk_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be stored waits, and the page says that it does; the history that is there can be read."""
    path = a_store(tmp_path)
    with closing(sqlite3.connect(path)) as store:
        pages = store.execute("PRAGMA page_count").fetchone()[0]
    monkeypatch.setattr(database, "_SETTINGS", (*database._SETTINGS, f"PRAGMA max_page_count = {pages}"))  # noqa: SLF001
    monitor = Monitor(store=path)
    asked = endpoint(monitor)
    while not monitor.health().store_failures:
        monitor.measure_now()

    assert "Its store cannot be written: " in faults(asked)
    assert ask(asked, "/history").status == 200
    assert goes_on(asked)


def test_a_store_of_somebody_else_may_raise_what_it_likes() -> None:
    """An error that is none of leakdiff's is told by its type alone."""

    class Theirs(SQLiteStore):
        points = series = headers = bounds = _boom

    asked = endpoint(Monitor(store=Theirs("sqlite:///:memory:")))

    assert ask(asked, "/history").status == 500
    assert "The trend could not be shown: OSError was raised" in faults(asked)
    assert _CANARY not in faults(asked)
    assert goes_on(asked)


def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError
