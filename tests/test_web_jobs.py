"""Measurements of the endpoint as jobs: one at a time, each can be stopped, and nobody is held up by them."""

from __future__ import annotations

import os
import threading
from typing import Any

import attrs
import pytest

from desks import TOKEN, ask, desk_of, finished, forms, wait_for_jobs
from fresh import run_fresh
from leakdiff import Monitor
from leakdiff.capture.identity import read_identity
from leakdiff.errors import StoreUnusable
from leakdiff.model.heap import Site
from leakdiff.model.profile import Profile, Sample
from leakdiff.model.report import Verdict
from leakdiff.model.snapshot import Identity
from leakdiff.model.trend import Trend
from leakdiff.web import jobs as jobs_module
from leakdiff.web.app import Endpoint
from leakdiff.web.desk import Desk
from leakdiff.web.discretion import discreet_profile
from leakdiff.web.jobs import Job, Jobs, Outcome, Say
from leakdiff.web.messages import Request, Response
from leakdiff.web.refusals import Failed, NotKnown, NotReady
from leakdiff.web.settings import Settings


def jobs_of(*, most: int = 4) -> Jobs:
    """Return jobs without a pause between them."""
    return Jobs(cooldown=0, most=most)


def done(_: Say) -> Outcome:
    """Do nothing."""
    return Outcome(said="done")


def until_stopped(say: Say) -> Outcome:
    """Go on until somebody asks that it ends, as a watch does."""
    while True:
        say(0.5, "watching")
        threading.Event().wait(0.002)


def begun(jobs: Jobs, work: Any = done, kind: str = "watch") -> Job:
    """Do a measurement to its end."""
    job = jobs.begin(kind, work, expected=1.0)
    wait_for_jobs()
    return jobs.get(job.id)


def answered(endpoint: Endpoint, method: str, path: str) -> Response:
    """Return what an endpoint answers to who may look."""
    headers = {"host": "localhost", "authorization": f"Bearer {TOKEN}", "accept": "application/json"}
    return endpoint.answer(Request(method=method, path=path, headers=headers))


# -- one at a time ---------------------------------------------------------------------------------


def test_something_short_takes_no_place_of_what_is_kept() -> None:
    """A job that is kept stays so, also where only one is."""
    jobs = jobs_of(most=1)
    job = begun(jobs)
    with jobs.turn("pprof"):
        running = jobs.running()

    assert [kept.id for kept in jobs.all()] == [job.id]
    assert running is not None
    assert running.kind == "pprof"
    assert jobs.running() is None


def test_something_short_cannot_be_stopped() -> None:
    """It is not kept, so nobody knows it by its name."""
    jobs = jobs_of()
    with jobs.turn("pprof"):
        running = jobs.running()
        assert running is not None
        with pytest.raises(NotKnown):
            jobs.stop(running.id)


class Watched:
    """A lock that notes the state of the running job each time that others may look."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs, self._lock = jobs, threading.Lock()
        self.seen: set[str | None] = set()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        running = self._jobs._running  # noqa: SLF001
        self.seen.add(self._jobs._jobs[running.id].state if running is not None else None)  # noqa: SLF001
        self._lock.release()


def test_who_sees_that_a_job_has_ended_can_begin_another() -> None:
    """There is no moment at which a job is done and still in the way."""
    jobs = jobs_of()
    lock: Any = Watched(jobs)
    jobs._lock = lock  # noqa: SLF001
    job = begun(jobs)

    assert job.state == "done"
    assert lock.seen == {"running", None}


@pytest.mark.parametrize("raised", [RuntimeError, MemoryError, KeyboardInterrupt])
def test_a_thread_that_cannot_be_started_is_in_nobodys_way(
    raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job has failed, Ctrl-C goes on its way, and the next job begins."""
    jobs = jobs_of()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(raised()))
        if raised is KeyboardInterrupt:
            with pytest.raises(KeyboardInterrupt):
                jobs.begin("watch", done, expected=1.0)
        else:
            jobs.begin("watch", done, expected=1.0)

    assert [(job.state, job.slug) for job in jobs.all()] == [("failed", "cannot-measure")]
    assert begun(jobs).state == "done"


# -- stopping --------------------------------------------------------------------------------------


def test_a_job_can_be_stopped_by_a_post() -> None:
    """The page of one that runs has a button for it; it ends, nothing is kept, and the next one begins."""
    endpoint = Endpoint(Settings(token=TOKEN, cooldown=0))
    desk = endpoint.desk
    job = desk.begin("watch", until_stopped, expected=3_600.0)
    while desk.jobs.get(job.id).said != "watching":
        threading.Event().wait(0.002)
    button = forms(ask(desk, f"/jobs/{job.id}"))[f"/jobs/{job.id}/stop"]
    answer = answered(endpoint, "POST", f"/jobs/{job.id}/stop")
    wait_for_jobs()
    stopped = desk.jobs.get(job.id)
    page = ask(desk, f"/jobs/{job.id}")

    assert button.method == "post"
    assert (answer.status, dict(answer.headers)["Location"]) == (202, f"../../jobs/{job.id}")
    assert (stopped.state, stopped.outcome, stopped.slug) == ("stopped", None, "")
    assert page.said == "Watch was stopped before its end, and nothing of it is kept."
    assert forms(page) == {}
    assert finished(desk, "gc", done).state == "done"


def test_a_job_that_has_ended_cannot_be_stopped_any_more() -> None:
    """It stays as it is, and that is said; a name that nobody knows is refused."""
    endpoint = Endpoint(Settings(token=TOKEN, cooldown=0))
    job = finished(endpoint.desk, "watch", done)
    answer = answered(endpoint, "POST", f"/jobs/{job.id}/stop")

    assert answer.status == 202
    assert b"It has ended already: done" in answer.body
    assert endpoint.desk.jobs.get(job.id) == job
    assert answered(endpoint, "POST", "/jobs/1-2-3/stop").status == 404


STOPPED = """
import gc, json, sys, time, tracemalloc
from leakdiff.web import captures
from leakdiff.web.app import Endpoint
from leakdiff.web.settings import Settings

ballast = [[number] for number in range(400_000)]
desk = Endpoint(Settings(token="0123456789abcdef" * 2, cooldown=0)).desk
state = sys.getswitchinterval()


def stopped(job, when):
    while when not in desk.jobs.get(job.id).said:
        time.sleep(0.002)
    desk.jobs.stop(job.id)
    began = time.monotonic()
    while desk.jobs.running() is not None:
        time.sleep(0.002)
    is_thawed, is_put_back = gc.get_freeze_count() < 1_000, sys.getswitchinterval() == state
    return [desk.jobs.get(job.id).state, is_thawed, tracemalloc.is_tracing(), is_put_back]


print(json.dumps([
    stopped(captures.begin_snapshot(desk), "walking"),
    stopped(captures.begin_watch(desk, 3600.0), "the first of two"),
    stopped(captures.begin_watch(desk, 3600.0), "window 1"),
    stopped(captures.begin_tracing(desk, 600.0), "tracing"),
]))
"""


def test_what_is_stopped_puts_everything_back() -> None:
    """In the middle of a walk, a window or of tracing: heap, tracemalloc and switch interval are as before."""
    assert run_fresh(STOPPED) == [["stopped", True, False, True]] * 4


# -- what is kept ----------------------------------------------------------------------------------


def profile_of(stacks: int, code: str = "") -> Profile:
    """Return a profile of so many stacks on ten lines, each line one value."""
    sites = [Site("app.py", number, "serve", code) for number in range(10)]
    samples = (Sample(tuple(sites[at % 10] for at in range(number, number + 8)), 1, 100) for number in range(stacks))
    return Profile(taken=0.0, by="sites", samples=tuple(samples))


def test_a_profile_is_kept_without_copies_of_its_lines() -> None:
    """One without source is kept as it is; where lines have to be changed there is one value for each."""
    profile, quoting = profile_of(100), profile_of(100, code="token = 'hunter2'")
    shown = discreet_profile(quoting)

    assert discreet_profile(profile) is profile
    assert len({id(site) for sample in shown.samples for site in sample.stack}) == 10
    assert shown.samples == profile.samples


def test_profiles_are_kept_by_their_size_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest stays however large; older ones go, which their pages say, and their jobs stay."""
    monkeypatch.setattr(jobs_module, "MOST_SAMPLES", 250)
    desk = desk_of(*(Outcome(said="traced", profile=profile_of(100)) for _ in range(4)))
    kept = [job.outcome is not None and job.outcome.profile is not None for job in desk.jobs.all()]
    oldest = desk.jobs.all()[-1]

    assert kept == [True, True, False, False]
    assert dict(oldest.outcome.facts if oldest.outcome else ())["profile"].startswith("no longer kept")
    with pytest.raises(NotKnown):
        desk.profile(oldest.id)


# -- history that is slow, or fails ----------------------------------------------------------------


class Slow:
    """A monitor whose trend takes as long as somebody wants."""

    def __init__(self, found: Trend | Exception) -> None:
        self.found, self.asked = found, 0
        self.begun, self.go_on = threading.Event(), threading.Event()

    def identity(self) -> Identity:
        """Say which process this is."""
        return read_identity()

    def trend(self) -> Trend:
        """Return it, or raise it, once it may."""
        self.asked += 1
        self.begun.set()
        assert self.go_on.wait(30)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


STABLE = Trend(verdict=Verdict.STABLE, because="memory does not grow")


def test_nobody_waits_for_a_trend_that_another_computes() -> None:
    """The first time others are told to try again; later they see the last one."""
    monitor: Any = Slow(STABLE)
    desk = Desk(Settings(), monitor)
    first = threading.Thread(target=desk.trend)
    first.start()
    assert monitor.begun.wait(30)
    with pytest.raises(NotReady, match="is being computed") as refused:
        desk.trend()
    monitor.go_on.set()
    first.join()
    monitor.go_on.clear()
    monitor.begun.clear()
    last: Any = desk._trend  # noqa: SLF001
    desk._trend = attrs.evolve(last, until=0.0)  # noqa: SLF001 - as if it were old
    second = threading.Thread(target=desk.trend)
    second.start()
    assert monitor.begun.wait(30)
    older = desk.trend()
    monitor.go_on.set()
    second.join()

    assert (refused.value.status, dict(refused.value.headers)) == (503, {"Retry-After": "5"})
    assert older == STABLE
    assert monitor.asked == 2


def test_a_failing_history_is_not_read_for_every_request() -> None:
    """The reason is told again for a while; what others wrote into their errors is not told at all."""
    monitor: Any = Slow(ValueError("hunter2"))
    desk = Desk(Settings(), monitor)
    threading.Timer(0.05, monitor.go_on.set).start()
    told = []
    for _ in range(8):
        with pytest.raises(Failed) as refused:
            desk.trend()
        told.append((refused.value.slug, str(refused.value)))

    assert monitor.asked == 1
    assert len(set(told)) == 1
    assert told[0][0] == "view-failed"
    assert "hunter2" not in told[0][1]


def test_a_failing_history_is_told_with_the_reason_of_the_store() -> None:
    """Its slug and its status are those of the store's own error."""
    monitor: Any = Slow(StoreUnusable("history.db", "it is locked", "Wait."))
    monitor.go_on.set()
    with pytest.raises(Failed) as refused:
        Desk(Settings(), monitor).trend()

    assert (refused.value.slug, refused.value.status) == (StoreUnusable.slug, 503)


# -- what is imported, and when --------------------------------------------------------------------

MOUNTED = """
import json, sys, threading, time
import leakdiff
from leakdiff.web import asgi_app
from leakdiff.web.messages import Request
from leakdiff.web.routing import ROUTES

TOKEN = "0123456789abcdef" * 2
kept, stopped = {}, threading.Event()


def serve():
    while not stopped.wait(0.001):
        kept[f"key-{len(kept)}"] = [len(kept)]


monitor = leakdiff.Monitor(3600, store="sqlite:///:memory:")
endpoint = asgi_app(monitor, token=TOKEN, cooldown=0).endpoint
desk, before, statuses = endpoint.desk, set(sys.modules), set()


def ask(method, path, query="", accept="application/json"):
    headers = {"host": "localhost", "authorization": f"Bearer {TOKEN}", "accept": accept}
    statuses.add(endpoint.answer(Request(method=method, path=path, query=query, headers=headers)).status)


thread = threading.Thread(target=serve)
thread.start()
for path, query in (("/gc", ""), ("/snapshot", ""), ("/watch", "seconds=1"), ("/tracing", "seconds=1")):
    ask("POST", path, query)
    while desk.jobs.running() is not None:
        time.sleep(0.005)
stopped.set()
thread.join()
names = {
    "{job}": desk.jobs.all()[0].id,
    "{fingerprint}": desk.reports()[0].report.findings[0].fingerprint,
    "{name}": "leakdiff.css",
}
for route in ROUTES:
    path = route.path
    for variable, name in names.items():
        path = path.replace(variable, name)
    for accept in ("text/html", "application/json", "text/plain") if route.method == "GET" else ():
        ask("GET", path, accept=accept)
print(json.dumps([sorted(set(sys.modules) - before), sorted(job.state for job in desk.jobs.all()), sorted(statuses)]))
"""


def test_all_that_is_needed_is_imported_when_the_endpoint_is_made() -> None:
    """Measurements and answers import nothing: a fork could meet it, and it would look like growth."""
    imported, states, statuses = run_fresh(MOUNTED)

    assert imported == []
    assert states == ["done"] * 4
    assert {200, 202} <= set(statuses)


def test_an_endpoint_that_answers_nobody_imports_nothing() -> None:
    """Without a token it costs no more than its own modules."""
    source = (
        "import json, sys\nfrom leakdiff.web import asgi_app\nasgi_app()\n"
        "print(json.dumps(sorted({'networkx', 'jinja2', 'leakdiff.capture.windows'} & set(sys.modules))))"
    )

    assert run_fresh(source) == []


FORKED = """
import json, os, signal, time
from leakdiff import live
from leakdiff.web import asgi_app
from leakdiff.web.messages import Request

TOKEN = "0123456789abcdef" * 2
endpoint = asgi_app(token=TOKEN).endpoint


def ask(method, path):
    headers = {"host": "localhost", "authorization": f"Bearer {TOKEN}", "accept": "text/html"}
    return endpoint.answer(Request(method=method, path=path, headers=headers)).status


children = []
begun = ask("POST", "/watch")
for _ in range(4):
    time.sleep(0.03)
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        ask("GET", "/")
        live.prepare()
        os._exit(0)
    children.append(pid)
print(json.dumps([begun, [os.waitpid(pid, 0)[1] for pid in children]]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_children_forked_while_a_job_runs_can_answer_and_measure() -> None:
    """None of them waits for an import that a thread of its parent had begun."""
    begun, children = run_fresh(FORKED)

    assert begun in (202, 303)
    assert children == [0] * 4


# -- the monitor's latest snapshot -----------------------------------------------------------------


class Growing(dict[bool, Any]):
    """A dict to which another thread adds while somebody goes through it."""

    def items(self) -> Any:
        """Yield items, and add one meanwhile."""
        for item in super().items():
            self.setdefault(True, item[1])
            yield item


def test_the_first_deep_snapshot_may_come_while_somebody_asks_for_the_latest() -> None:
    """The monitor's thread adds it; who asks goes through a copy."""
    monitor = Monitor(3_600.0)
    taken = monitor.measure_now()
    watcher: Any = monitor._watcher  # noqa: SLF001
    watcher._latest = Growing(watcher._latest)  # noqa: SLF001

    assert monitor.latest() is taken
