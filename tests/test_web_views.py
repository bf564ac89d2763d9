"""What each page of the debug endpoint says: the answer first, in plain words, the same as JSON, HTML and text."""

from __future__ import annotations

import json
import re
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desks import ask, desk_of, facts, finished, forms, look, of_kind, tables, wait_for_jobs
from leakdiff.capture.identity import read_identity
from leakdiff.errors import CannotMeasure
from leakdiff.model.health import MonitorHealth
from leakdiff.model.heap import Bound, Site
from leakdiff.model.profile import Profile, Sample
from leakdiff.model.report import Report, Verdict
from leakdiff.model.routes import OwnerByRoute, RouteRate
from leakdiff.model.series import Shape
from leakdiff.model.snapshot import Cgroup, Identity, SiteCount, Snapshot
from leakdiff.model.trend import Deploy, Point, SeriesTrend, Slope, TimeToLimit, Trend
from leakdiff.monitor import Monitor
from leakdiff.store.sqlite import SQLiteStore
from leakdiff.web.charts import thinned
from leakdiff.web.desk import Desk
from leakdiff.web.discretion import discreet_report, discreet_shape, masked
from leakdiff.web.html import page_of
from leakdiff.web.jobs import Jobs, Outcome, Say
from leakdiff.web.messages import Response
from leakdiff.web.plain import text_of
from leakdiff.web.refusals import NotKnown, NotMeasured, TooOften
from leakdiff.web.routing import FORMATS, ROUTES
from leakdiff.web.view import (
    Chart,
    Column,
    Facts,
    Findings,
    Form,
    Input,
    Link,
    Progress,
    Steps,
    Table,
    Text,
    View,
)
from leakdiff.web.views.index import index
from monitored import Monitored
from snapshots import MATCHING, MIB, NOON, cheap, snapshot
from strategies import texts
from test_render_text import CAUSE, CODE, INFLIGHT, report_of

_FOUND = attrs.evolve(INFLIGHT, code=CODE, cause=CAUSE)
HOURS = 3_600.0
OWNER = "app.matching._inflight"
BEFORE = snapshot(
    types={"dict": (4_000, 900_000), "app.matching.Result": (120, 6_720)},
    owners={OWNER: (120, 280_000), "app.parse cache": (300, 90_000)},
    sites={"app/matching.py:41": (120, 6_720)},
    resources={"tasks": {"answer() at app/matching.py:12": 3}, "threads": {"MainThread at app/main.py:90": 1}},
    units=1_000,
)
AFTER = snapshot(
    at=HOURS,
    rss=150 * MIB,
    types={"app.matching.Result": (20_120, 1_126_720), "dict": (4_100, 910_000)},
    owners={OWNER: (20_120, 48_600_000), "app.parse cache": (312, 93_600), "app.new": (9, 100)},
    bounds={"app.parse cache": Bound("lru_cache(maxsize)", 1_000, 312)},
    sites={"app/matching.py:41": (20_120, 1_126_720)},
    resources={"tasks": {"answer() at app/matching.py:12": 203}, "threads": {"MainThread at app/main.py:90": 1}},
    cgroup=Cgroup(version=2, usage=900 * MIB, limit=1_000 * MIB),
    label="after lunch",
)
PROFILE = Profile(
    taken=NOON,
    by="sites",
    seconds=60.0,
    samples=(Sample((Site("app/matching.py", 41, "find_driver"), Site("app/main.py", 9, "main")), 303, 6_720),),
)
WATCHED = Outcome(said="LEAK: it grows", report=report_of(_FOUND))
ALL = (
    Outcome(said="a", snapshot=BEFORE),
    Outcome(said="b", snapshot=AFTER),
    WATCHED,
    Outcome(said="p", profile=PROFILE),
)


def all_urls(desk: Desk) -> Iterator[str]:
    """Yield a URL for each view of this desk."""
    for route in ROUTES:
        if route.method == "GET" and route.is_view:
            yield from (
                route.path.format(job=job.id, fingerprint=INFLIGHT.fingerprint)
                for job in (desk.jobs.all() if "{job}" in route.path else desk.jobs.all()[:1])
            )


class Watching:
    """A monitor as far as a desk looks at it."""

    def __init__(self, *, trend: Any = None, deep: Snapshot | None = None, **health: Any) -> None:
        self._deep = deep
        self._trend = trend or Trend(verdict=Verdict.STABLE, because="memory does not grow")
        self._health = MonitorHealth(**{"running": True, "pid": 1, "wanted": True} | health)
        self.kept: Any = SQLiteStore("sqlite:///:memory:")

    def identity(self) -> Identity:
        """Name the service, as a monitor does."""
        return attrs.evolve(read_identity(), service="rides", version="1.0")

    def health(self) -> MonitorHealth:
        """Return what it was made with."""
        return self._health

    def trend(self) -> Trend:
        """Return what it was made with."""
        return self._trend

    def store(self) -> Any:
        """Return a store in memory."""
        return self.kept

    @property
    def owners(self) -> dict[str, int | None]:
        """Return that nothing is registered."""
        return {}

    def growth(self) -> float | None:
        """Return a kibibyte a second."""
        return 1_024.0

    def latest(self, *, deep: bool | None = None) -> Snapshot | None:
        """Return what it was made with, if anything was; what counts is kept on the desk."""
        return self._deep if deep else cheap()


def of_this_process(taken: Snapshot, desk: Desk) -> Snapshot:
    """Return a snapshot as one of the process that the test runs in."""
    return attrs.evolve(taken, identity=desk.identity())


def text_at(desk: Desk, url: str) -> str:
    """Return a page as text."""
    return text_of(ask(desk, url, told_as="text"), MATCHING)


# -- every page ------------------------------------------------------------------------------------


def test_every_page_is_there_in_all_formats_and_says_something() -> None:
    """Each has an answer, is JSON without NaN, a page, and text of which no table is wider than a terminal."""
    desk = desk_of(*ALL, monitor=Watching())
    for taken in (BEFORE, AFTER):
        desk.monitor.store().add(of_this_process(taken, desk))  # type: ignore[union-attr]

    for url in all_urls(desk):
        view = ask(desk, url)
        shown = json.loads(json.dumps({**view.data}, allow_nan=False))
        text = text_of(ask(desk, url, told_as="text"), MATCHING)

        assert view.said, url
        assert shown, url
        assert all(re.fullmatch("[a-z_]+", name) for name in shown), url
        assert page_of(view, url, MATCHING).startswith("<!DOCTYPE html>"), url
        assert text.splitlines()[-1] == "process: matching 2.4.1 on pod-1, pid 17, boot b0075", url


def test_every_page_without_anything_measured_says_what_to_do() -> None:
    """It answers, or refuses with a sentence on what to press; nothing fails."""
    desk = desk_of()
    for route in ROUTES:
        if route.method == "GET" and route.is_view and "{" not in route.path:
            try:
                said = ask(desk, route.path).said
            except NotMeasured as refused:
                said = str(refused)

            assert len(said.split()) > 2, route.path


# -- index -----------------------------------------------------------------------------------------


def test_the_first_page_says_that_nothing_was_measured_and_what_to_press() -> None:
    """Whoever opens it first sees four buttons, each with what it costs."""
    view = ask(desk_of(), "/")

    assert view.said == "Nothing was measured yet: press Watch to see whether it leaks and who holds it."
    assert set(forms(view)) == {"/watch", "/snapshot", "/tracing", "/gc"}
    assert all(form.said for form in forms(view).values())
    assert "Stops all threads" in forms(view)["/gc"].said
    assert forms(view)["/watch"].inputs[0].value == "60"


def test_the_first_page_has_the_verdict_of_the_last_watch_on_top() -> None:
    """Who leaks, how fast, when that was seen, and where to read on."""
    view = ask(desk_of(WATCHED), "/")

    assert view.verdict == "LEAK"
    assert view.said.startswith(f"{OWNER} grows by 1.00 entries per unit, 2.3 KiB each, never shrinks (watched ")
    assert tables(view)["Findings"][0][0] == Link("3f9a2c", "/findings/3f9a2c")
    assert view.data["watch"]["findings"] == [{"fingerprint": "3f9a2c", "verdict": "LEAK", "owner": OWNER}]


def test_the_first_page_has_the_verdict_of_the_history() -> None:
    """Since which version, and how long there is."""
    memory = SeriesTrend(
        name="memory", what="bytes", shape=Shape.LINEAR, per_hour=Slope(value=1e6, low=9e5, high=1.1e6)
    )
    trend = Trend(
        verdict=Verdict.LEAK,
        because="grew under every version",
        memory=memory,
        deploy=Deploy(version="2.4.1", before="2.4.0", per_hour_before=0.0, per_hour=1e6),
        to_limit=TimeToLimit(limit=1_000 * MIB, low=20.0, high=30.0),
    )
    view = ask(desk_of(monitor=Watching(trend=trend)), "/")

    assert view.verdict == "LEAK"
    assert "by 22.9 MiB a day, and no owner that was seen does, since 2.4.1 (by the monitor's history)" in view.said
    assert facts(view)["since version"] == "2.4.1"
    assert facts(view)["grows by"].startswith("3.5 MiB an hour")
    assert facts(view)["time to the limit"] == "1000.0 MiB in 20 h to 1 d 6 h"


def test_the_first_page_does_not_wait_for_a_trend_that_somebody_else_computes() -> None:
    """That is no fault of the store: the page says so, and has all the rest."""
    desk = desk_of(monitor=Watching())
    with desk._trending:  # noqa: SLF001 - as another request would
        view = ask(desk, "/")

    assert not view.data["faults"]
    assert "The history\n  It is being computed" in text_of(view, MATCHING)
    assert "resident set" in facts(view)


def test_what_the_first_page_says_it_says_once() -> None:
    """The reason for which nothing is known yet stands on top, and not below again."""
    because = "not enough data yet: the longest of its processes was seen for 5 min"
    view = ask(desk_of(monitor=Watching(trend=Trend(verdict=Verdict.INCONCLUSIVE, because=because))), "/")

    assert text_of(view, MATCHING).count("seen for 5 min") == 1


def test_a_leak_that_was_watched_stands_before_a_history_that_cannot_tell() -> None:
    """What is not known does not hide what is."""
    unknown = Trend(verdict=Verdict.INCONCLUSIVE, because="too early")
    view = ask(desk_of(WATCHED, monitor=Watching(trend=unknown)), "/")

    assert view.verdict == "LEAK"
    assert "too early" not in view.said


def test_the_first_page_says_what_runs_now() -> None:
    """With how far it is and where to follow it; the page asks again by itself."""
    desk, go, begun = desk_of(), threading.Event(), threading.Event()

    def work(say: Say) -> Outcome:
        say(0.5, "window 1 of 2")
        begun.set()
        go.wait(30)
        return Outcome(said="done")

    job = desk.begin("watch", work, expected=60)
    begun.wait(30)
    try:
        view, followed, listed = ask(desk, "/"), ask(desk, f"/jobs/{job.id}"), ask(desk, "/jobs")
    finally:
        go.set()

    assert view.said.startswith("Watch is under way.")
    assert facts(view)["Watch"] == Link(job.id, f"/jobs/{job.id}")
    assert of_kind(view, Progress) == [Progress(share=0.5, said="window 1 of 2")]
    assert view.refresh == followed.refresh == listed.refresh == 2.0
    assert followed.said.startswith("Watch is under way: window 1 of 2, about ")
    assert followed.data["share"] == 0.5


def test_the_first_page_says_which_process_answers() -> None:
    """With several workers the next answer may come from another."""
    desk = desk_of(service="matching", version="2.4.1")
    shown = facts(ask(desk, "/"))

    assert (shown["pid"], shown["service"], shown["version"]) == (str(desk.pid), "matching", "2.4.1")
    assert "With several workers" in shown["note"]


def test_the_service_is_named_as_the_monitor_names_it() -> None:
    """What was told the monitor need not be told the endpoint; what is told the endpoint goes before."""
    monitor = Monitor(store="sqlite:///:memory:", service="rides", version="1.0", revision="abc")
    named, own = desk_of(monitor=monitor), desk_of(monitor=monitor, version="1.1")

    assert [facts(ask(named, "/"))[name] for name in ("service", "version", "revision")] == ["rides", "1.0", "abc"]
    assert (own.identity().service, own.identity().version) == ("rides", "1.1")
    assert ask(named, "/summary").data["snapshot"]["id"] == "now"
    assert monitor.identity() == named.identity()


def test_the_first_page_leads_to_every_view() -> None:
    """One line each, as Go's /debug/pprof has it."""
    rows = tables(ask(desk_of(), "/"))["Views"]

    assert {row[0].to for row in rows} == {
        route.path for route in ROUTES if route.method == "GET" and "{" not in route.path and route.path != "/"
    }
    assert all(row[1] for row in rows)


# -- the heap --------------------------------------------------------------------------------------


def test_the_summary_says_which_kind_of_memory_it_is() -> None:
    """The kinds add up to the resident set, and the container is told against its limit."""
    view = ask(desk_of(*ALL), "/summary")

    assert sum(view.data["kinds"].values()) == 150 * MIB
    assert view.said.startswith("The process has 150.0 MiB of 1000.0 MiB that its container may have; most of it is ")
    assert facts(view)["limit"] == "1000.0 MiB, 90% used"
    assert view.data["heap"]["objects"] == 24_220


def test_facts_that_lead_somewhere_read_as_sentences() -> None:
    """A number and where it is listed are not one word, and what the name says is not said again."""
    desk = desk_of(*ALL, monitor=Watching())
    summary, history = text_at(desk, "/summary"), text_at(desk, "/history")

    assert re.search(r"types +2, at types\n", summary)
    assert re.search(r"owners +3 that have \d+ entries or more, at owners\n", summary)
    assert re.search(r"the last hour +history\?series=rss&since=3600\n", history)


def test_the_summary_needs_no_snapshot() -> None:
    """Without one it measures the process's memory, which costs nothing, and offers to walk the heap."""
    view = ask(desk_of(), "/summary")

    assert view.data["heap"] is None
    assert view.data["memory"]["rss"] > 0
    assert "/snapshot" in forms(view)


def test_types_come_with_what_they_gained_since_the_snapshot_before() -> None:
    """Most bytes first; what is left out is counted."""
    view = ask(desk_of(*ALL), "/types?limit=1")

    assert tables(view)[""] == [("app.matching.Result", 20_120, 1_126_720, 20_000, 1_120_000)]
    assert view.data["left_out"] == 1
    assert view.data["types"][0]["gained"] == 20_000
    assert view.said == "24,220 objects take 1.9 MiB; app.matching.Result takes most: 20,120 objects, 1.1 MiB."


def test_names_can_be_searched_in_any_case() -> None:
    """What fits is counted; where nothing does, the page says so."""
    desk = desk_of(*ALL)

    assert [row[0] for row in tables(ask(desk, "/types?like=RESULT"))[""]] == ["app.matching.Result"]
    assert ask(desk, "/types?like=nothing").said == "No type has 'nothing' in its name."
    assert [row[0] for row in tables(ask(desk, "/owners?like=PARSE"))[""]] == ["app.parse cache"]


def test_the_first_snapshot_gained_nothing() -> None:
    """Without one before there is nothing to compare with, and nothing is said to have grown."""
    view = ask(desk_of(ALL[0]), "/types")

    assert tables(view)[""][0] == ("dict", 4_000, 900_000, None, None)
    assert view.data["before"] is None


def test_a_snapshot_is_chosen_by_name() -> None:
    """The older one is still there; one that is not kept is refused with what there is."""
    desk = desk_of(*ALL)

    assert ask(desk, "/types?snapshot=s1").data["types"][0]["name"] == "dict"
    with pytest.raises(NotKnown, match="keeps no snapshot 's9'"):
        ask(desk, "/types?snapshot=s9")


def test_sites_that_were_not_traced_are_offered_to_be() -> None:
    """No empty table: what is missing, and the button that brings it."""
    view = ask(desk_of(Outcome(said="a", snapshot=snapshot(types={"dict": (1, 64)}))), "/sites")

    assert view.said.startswith(
        "Which lines allocated what is not known: when this snapshot was taken, tracemalloc was off"
    )
    assert "/tracing" in forms(view)
    assert view.data["sites"] is None


def test_sites_lead_to_the_tracing_that_knows_them() -> None:
    """Nobody is sent to trace again what was traced, whether or not there is a snapshot."""
    without = Outcome(said="a", snapshot=snapshot(types={"dict": (1, 64)}))
    for desk in (desk_of(without, ALL[3]), desk_of(ALL[3], without), desk_of(ALL[3])):
        traced = desk.traced()
        assert traced is not None
        view, job = ask(desk, "/sites"), traced[0].id

        assert f"jobs/{job}" in view.said
        assert facts(view)["by line"] == Link(job, f"/jobs/{job}")
        assert facts(view)["for go tool pprof"] == Link("pprof/heap", f"/pprof/heap?head={job}")
        assert (view.data["tracing"], view.data["sites"]) == (job, None)
    with pytest.raises(NotMeasured):
        ask(desk_of(), "/sites")


def test_sites_are_told_by_line() -> None:
    """File and line, blocks, bytes, and what they gained."""
    view = ask(desk_of(*ALL), "/sites")

    assert tables(view)[""] == [("app/matching.py:41", "", 20_120, 1_126_720, 20_000, 1_120_000)]
    assert view.data["sites"][0]["file"] == "app/matching.py"


def test_owners_come_with_bound_gain_and_line() -> None:
    """How full a bounded one is, what each gained, and how its length went; what was not listed gained nothing."""
    view = ask(desk_of(*ALL), "/owners")
    first, second, third = view.data["owners"]
    cells = tables(view)[""]

    assert (first["path"], first["entries"], first["gained"], first["finding"]) == (OWNER, 20_120, 20_000, "3f9a2c")
    assert cells[1][5] == "312 of 1,000"
    assert second["bound"] == {"kind": "lru_cache(maxsize)", "limit": 1_000, "filled": 312}
    assert third["gained"] is None
    assert first["over_time"] == [[NOON, 120.0], [NOON + HOURS, 20_120.0]]
    assert cells[0][6] == Chart(((NOON, 120.0), (NOON + HOURS, 20_120.0)), "from 120 to 20,120 in 1 h")
    assert view.said == (
        f"{OWNER} holds most: 20,120 entries, 46.3 MiB; {OWNER} gained most since snapshot s1: +20,000 entries."
    )


def test_the_line_of_an_owner_comes_from_the_store_where_that_knows_more() -> None:
    """Only readings of this process count: other replicas hold other entries."""
    desk = desk_of(*ALL, monitor=Watching())
    now = desk.identity()
    readings = ((MATCHING, 7), (now, 10), (now, 20), (now, 30))
    for at, (who, entries) in enumerate(readings):
        taken = snapshot(owners={OWNER: (entries, 10)})
        moment = attrs.evolve(taken.taken, utc=_now() - 600 + at)
        desk.monitor.store().add(attrs.evolve(taken, identity=who, taken=moment))  # type: ignore[union-attr]

    assert [value for _, value in ask(desk, "/owners").data["owners"][0]["over_time"]] == [10.0, 20.0, 30.0]


def test_resources_are_told_by_kind_and_place() -> None:
    """Where tasks await and threads are, and how many more there are than before."""
    view = ask(desk_of(*ALL), "/resources")

    assert tables(view)["Tasks, by coroutine and where they await (of many alike, the line of three is read)"] == [
        ("answer() at app/matching.py:12", 203, 200)
    ]
    assert view.data["totals"]["threads"] == 1
    assert view.said.endswith("; most tasks: 203 of answer() at app/matching.py:12.")
    assert ask(desk_of(*ALL), "/resources?like=main").data["totals"]["tasks"] == 0


# -- keys ------------------------------------------------------------------------------------------


def test_no_key_is_shown_without_a_redactor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the owner could be found by its name."""
    import string  # a module that a test may give an attribute to

    monkeypatch.setattr(string, "_orders", {"alice": 1}, raising=False)
    desk = desk_of(Outcome(said="a", snapshot=snapshot(owners={"string._orders": (1, 64)})))

    assert "keys" not in ask(desk, "/owners").data["owners"][0]
    assert "alice" not in text_at(desk, "/owners")


def test_a_redactor_says_what_is_shown_of_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees plain keys only, the newest five; what it does not let out, or fails at, is not shown."""
    import string

    class Mine(str):
        __slots__ = ()

        def __repr__(self) -> str:
            raise AssertionError

    keys: dict[Any, int] = dict.fromkeys(["old", Mine("mine"), "bad", 7, 1.5, b"b"], 1)
    monkeypatch.setattr(string, "_orders", keys, raising=False)
    seen: list[tuple[str, object]] = []

    def show(path: str, key: object) -> str | None:
        seen.append((path, key))
        if key == "bad":
            raise ValueError
        return {7: "seven", 1.5: None}.get(key, 3) if not isinstance(key, bytes) else "bytes"  # type: ignore[call-overload]

    desk = desk_of(Outcome(said="a", snapshot=snapshot(owners={"string._orders": (6, 64)})), redactor=show)
    view = ask(desk, "/owners")

    assert view.data["owners"][0]["keys"] == ["bytes", "seven"]
    assert seen == [("string._orders", b"b"), ("string._orders", 1.5), ("string._orders", 7), ("string._orders", "bad")]


def test_an_owner_without_a_name_has_no_keys_to_show() -> None:
    """A local of a frame needs a walk to be found, and there is none for a page."""
    desk = desk_of(WATCHED, redactor=lambda _path, key: str(key))

    assert "keys" not in ask(desk, "/findings/3f9a2c").data


# -- history ---------------------------------------------------------------------------------------


def _now() -> float:
    import time

    return time.time()


def test_history_tells_this_process_first_and_the_others_after_it() -> None:
    """A line for each life, in the order of how late it was read; all series can be chosen."""
    desk = desk_of(monitor=Watching())
    this = desk.identity()
    other = attrs.evolve(MATCHING, pid=18)
    for at, (who, rss) in enumerate(((MATCHING, 5), (this, 10), (other, 7), (this, 30))):
        taken = cheap(at=at, rss=rss * MIB)
        desk.monitor.store().add(attrs.evolve(taken, identity=who))  # type: ignore[union-attr]
    view = ask(desk, "/history?series=rss")

    assert view.said == "rss in this process: from 10.0 MiB to 30.0 MiB in 2.0 s."
    assert [life["instance"] for life in view.data["processes"]] == [this.instance, other.instance, MATCHING.instance]
    assert view.data["processes"][0]["points"] == [[NOON + 1, 10.0 * MIB], [NOON + 3, 30.0 * MIB]]
    assert Link("native", "/history?series=native") in [row[0] for row in tables(view)["Series"]]
    assert tables(view)["Readings"][0] == (NOON + 3, 30 * MIB)


def test_no_spike_is_lost_where_a_line_is_thinned() -> None:
    """The lowest and the highest of each stretch stay, and both ends, in their order: everywhere by the same rule."""
    line = [(float(at), 7.0) for at in range(10_000)]
    line[5_001], line[7_777], line[-1] = (5_001.0, 900.0), (7_777.0, -3.0), (9_999.0, 8.0)
    thin = thinned(line, 60)

    assert len(thin) <= 60
    assert {line[0], line[5_001], line[7_777], line[-1]} <= set(thin)
    assert list(thin) == sorted(thin)
    assert thinned(line[:60], 60) == tuple(line[:60])
    assert [len(thinned(line[:length], most)) <= most for most in (4, 5, 60) for length in range(70)] == [True] * 210


def test_a_spike_of_the_store_is_in_the_history_and_at_the_owner() -> None:
    """One reading among thousands is what an incident leaves."""
    desk = desk_of(*ALL, monitor=Watching())
    began = _now() - 9_000
    here = desk.identity().instance
    values = {4_321: 9_999.0}
    readings = [Point(time=began + at, value=values.get(at, 1.0), instance=here) for at in range(6_000)]
    desk.points = lambda *_: readings  # type: ignore[method-assign]

    assert [began + 4_321, 9_999.0] in ask(desk, "/history").data["processes"][0]["points"]
    assert [began + 4_321, 9_999.0] in ask(desk, "/owners").data["owners"][0]["over_time"]


def test_history_says_which_series_there_are_not() -> None:
    """One that was never read is refused; an empty store says that it is empty."""
    desk = desk_of(monitor=Watching())

    assert ask(desk, "/history").said.startswith("Nothing was read yet")
    desk.monitor.store().add(cheap())  # type: ignore[union-attr]
    with pytest.raises(NotKnown, match=r"no series 'owner\.entries:app\.x'"):
        ask(desk, "/history?series=owner.entries:app.x")


def test_history_and_trend_need_a_monitor() -> None:
    """Without one they say how to get one."""
    for url in ("/history", "/trend"):
        with pytest.raises(NotMeasured, match="asgi_app"):
            ask(desk_of(), url)


def test_the_trend_is_told_whole() -> None:
    """All that it knows is in JSON, and what matters in sentences; infinite times are none."""
    memory = SeriesTrend(
        name="memory", what="bytes", shape=Shape.LINEAR, per_hour=Slope(value=1e6, low=float("-inf"), high=1.1e6)
    )
    trend = Trend(
        verdict=Verdict.LEAK,
        because="grew under every version",
        memory=memory,
        to_limit=TimeToLimit(limit=1_000 * MIB, low=20.0, high=None),
        resets_on_restart=True,
        advice="restart in time",
        notes=("one version was too short",),
    )
    view = ask(desk_of(monitor=Watching(trend=trend)), "/trend")

    assert view.verdict == "LEAK"
    assert facts(view)["time to the limit"] == "1000.0 MiB in 20 h at the soonest, if ever"
    assert facts(view)["a restart"] == "brings memory back"
    assert view.data["memory"]["per_hour"] == {"value": 1e6, "low": None, "high": 1.1e6}
    assert [block.text for block in of_kind(view, Text) if isinstance(block, Text)] == [
        "restart in time",
        "one version was too short",
    ]


def test_a_trend_is_not_computed_for_every_page() -> None:
    """It is shown again for a while that depends on what it took."""
    watching = Watching()
    desk = desk_of(monitor=watching)
    first = desk.trend()
    assert desk._trend is not None  # noqa: SLF001
    desk._trend = attrs.evolve(desk._trend, until=float("inf"))  # noqa: SLF001 - as if it had taken very long
    watching._trend = Trend(verdict=Verdict.LEAK, because="news")  # noqa: SLF001

    assert desk.trend() is first


# -- snapshots and diffs ---------------------------------------------------------------------------


def test_snapshots_are_listed_and_any_two_can_be_compared() -> None:
    """Those taken here and those of the store are choices of one form, which asks by GET."""
    desk = desk_of(*ALL, monitor=Watching())
    desk.monitor.store().add(BEFORE)  # type: ignore[union-attr]
    view = ask(desk, "/snapshots")
    form = forms(view)["/diff"]

    assert view.said == "2 snapshots taken here, 1 with a walk of the heap in the monitor's store."
    assert (form.method, form.inputs[0].choices) == ("get", ("s2", "s1", "1"))
    assert [part.value for part in form.inputs] == ["s1", "s2"]
    assert tables(view)["Taken here"][0][-1] == Link("diff", "/diff?base=s1&head=s2")
    assert [one["id"] for one in view.data["snapshots"]] == ["s2", "s1"]
    assert view.data["stored"][0]["id"] == 1


def test_a_diff_without_names_is_of_the_last_two() -> None:
    """By owners, types, sites, resources and memory, the largest gain first."""
    view = ask(desk_of(*ALL), "/diff")

    assert (view.data["base"], view.data["head"]) == ("s1", "s2")
    assert view.data["owners"][0]["gained"] == 20_000
    assert tables(view)["Owners"][0] == (OWNER, 120, 20_120, 20_000, 48_600_000, 48_320_000, None)
    assert set(tables(view)) == {"Resident set by kind", "Owners", "Types", "Sites", "Resources", "Totals"}
    assert view.said.endswith(".")
    assert OWNER in view.said


def test_a_diff_can_be_asked_the_other_way_round_and_says_what_cannot_be_compared() -> None:
    """Swapped sides negate; two processes of different hosts are compared by name, with a warning."""
    other = attrs.evolve(AFTER, identity=attrs.evolve(MATCHING, version="3.0", python="3.13.0"))
    desk = desk_of(ALL[0], Outcome(said="b", snapshot=other))
    view = ask(desk, "/diff?base=s2&head=s1")

    assert view.data["owners"][-1]["gained"] == -20_000
    assert view.data["incomparable"]
    assert any(block.title == "What cannot be compared" for block in of_kind(view, Text) if isinstance(block, Text))


def test_a_diff_lists_no_more_than_is_asked_for() -> None:
    """The rest is counted, in JSON too."""
    view = ask(desk_of(*ALL), "/diff?limit=1")

    assert len(view.data["owners"]) == 1
    assert view.data["left_out"]["owners"] == len((AFTER - BEFORE).owners) - 1


def test_a_diff_without_names_is_of_those_that_somebody_took() -> None:
    """What the monitor saw since does not push aside the two between which something was done; by name it is there."""
    last = snapshot(at=2 * HOURS, owners={OWNER: (20_121, 48_600_000)})
    watching = Watching(deep=last)
    two, one = desk_of(*ALL, monitor=watching), desk_of(ALL[0], monitor=watching)

    assert [ask(two, "/diff").data[side] for side in ("base", "head")] == ["s1", "s2"]
    assert [ask(two, "/diff?base=s1").data[side] for side in ("base", "head")] == ["s1", "monitor"]
    assert [ask(one, "/diff").data[side] for side in ("base", "head")] == ["s1", "monitor"]


def test_small_losses_are_counted_and_have_no_row() -> None:
    """Thirty lines of a few bytes less say nothing of a leak; JSON has them all."""
    small = {f"app.x{at}": (9, 900) for at in range(30)}
    less = dict.fromkeys(small, (7, 300))
    before = Outcome(said="", snapshot=snapshot(owners={OWNER: (120, 280_000), "app.big": (900, 90_000)} | small))
    after = snapshot(at=HOURS, owners={OWNER: (20_120, 48_600_000), "app.big": (1, 100)} | less)
    view = ask(desk_of(before, Outcome(said="", snapshot=after)), "/diff")
    table = next(block for block in of_kind(view, Table) if isinstance(block, Table) and block.title == "Owners")

    assert [row[0] for row in table.rows] == [OWNER, "app.big"]
    assert table.left_out == 30
    assert len(view.data["owners"]) == 32


def test_what_a_running_snapshot_will_bring_is_not_asked_for_again() -> None:
    """Whoever is early is sent to the job that is under way."""
    desk, go = desk_of(ALL[0]), threading.Event()

    def work(_: Say) -> Outcome:
        go.wait(30)
        return Outcome(said="", snapshot=AFTER)

    job = desk.begin("snapshot", work, expected=5)
    try:
        with pytest.raises(NotMeasured, match=f"only one is kept here. One is under way: jobs/{job.id}"):
            ask(desk, "/diff")
    finally:
        go.set()


def test_a_diff_needs_two_snapshots() -> None:
    """One is not enough, and the refusal says so."""
    with pytest.raises(NotMeasured, match="takes two snapshots"):
        ask(desk_of(ALL[0]), "/diff")


# -- jobs ------------------------------------------------------------------------------------------


def test_a_failed_job_says_why() -> None:
    """In the words of the error, with its slug; what others wrote into theirs is left out."""

    def refuses(_: Say) -> Outcome:
        raise CannotMeasure("the heap", "somebody froze it", "Try again.")

    def fails(_: Say) -> Outcome:
        raise ValueError("sk_live_51H")

    desk = desk_of()
    refused, failed = finished(desk, "snapshot", refuses), finished(desk, "watch", fails)

    assert ask(desk, f"/jobs/{refused.id}").said == (
        "Snapshot failed: the heap cannot be measured: somebody froze it. Try again."
    )
    assert ask(desk, f"/jobs/{refused.id}").data["slug"] == "cannot-measure"
    assert "ValueError was raised" in ask(desk, f"/jobs/{failed.id}").said
    assert "sk_live" not in str(ask(desk, f"/jobs/{failed.id}")) + str(ask(desk, "/"))
    assert "failed: ValueError was raised" in ask(desk, "/").data["faults"][0]
    assert ask(desk, "/jobs").said == "2 jobs kept, 2 of them failed; none is under way."


def test_who_measures_too_soon_is_told_after_what() -> None:
    """It need not have been one of the same kind, and not one's own."""
    measured = Jobs(cooldown=60, most=4)
    measured.begin("gc", lambda _: Outcome(said="done"), expected=1)
    wait_for_jobs()

    with pytest.raises(
        TooOften, match=r"^A watch came too soon after the last measurement \(gc\)\. Try again in 6\d s"
    ):
        measured.begin("watch", lambda _: Outcome(said="done"), expected=1)


def test_a_snapshot_job_leads_to_its_views_and_to_the_one_before() -> None:
    """The result can be looked at from every side at once."""
    desk = desk_of(*ALL[:2])
    view = ask(desk, f"/jobs/{desk.jobs.all()[0].id}")

    assert facts(view)["owners"] == Link("owners", "/owners?snapshot=s2")
    assert facts(view)["what changed since"] == Link("s1", "/diff?base=s1&head=s2")
    assert view.data["snapshot"]["id"] == "s2"


def test_snapshots_share_what_did_not_change() -> None:
    """A desk with many of a large heap stays small: what is the same is there once."""
    same = snapshot(at=HOURS, owners={OWNER: (121, 280_000), "app.parse cache": (300, 90_000)})
    last, first = desk_of(ALL[0], Outcome(said="", snapshot=same)).snapshots()
    before, after = (kept.snapshot.heap.owners for kept in (first, last) if kept.snapshot.heap is not None)

    assert before is not None
    assert after is not None
    assert after == (same.heap.owners if same.heap is not None else None)
    assert after[1] is before[1]
    assert after[0] is not before[0]


def test_a_snapshot_that_is_no_longer_kept_is_said_to_be() -> None:
    """Only so many are; the job that took it is still there."""
    desk = desk_of(*ALL[:2], most_kept=2)
    first = desk.jobs.all()[1].id
    desk._keep(AFTER)  # noqa: SLF001 - as the next job would

    assert "not kept any more" in text_at(desk, f"/jobs/{first}")


def test_a_watch_job_has_the_whole_report() -> None:
    """Its findings with links, its text, and all of it in JSON."""
    desk = desk_of(WATCHED)
    view = ask(desk, f"/jobs/{desk.jobs.all()[0].id}")

    assert (view.verdict, view.said) == ("LEAK", "it grows")
    assert tables(view)["Findings"][0][0] == Link("3f9a2c", "/findings/3f9a2c")
    assert isinstance(of_kind(view, Findings)[0], Findings)
    assert view.data["report"]["findings"][0]["fingerprint"] == "3f9a2c"


def test_a_tracing_job_has_the_lines_and_leads_to_pprof() -> None:
    """Who allocated what is still there, and who called them."""
    desk = desk_of(ALL[3])
    job = desk.jobs.all()[0].id
    view = ask(desk, f"/jobs/{job}")

    assert tables(view)["What was allocated in 1 min and is still there, by line"] == [
        ("app/matching.py:41", "find_driver", 303, 6_720, "app/main.py:9")
    ]
    assert facts(view)["for go tool pprof"] == Link("pprof/heap", f"/pprof/heap?head={job}")
    assert view.data["profile"]["samples"][0]["objects"] == 303


# -- findings --------------------------------------------------------------------------------------


def test_a_finding_is_told_whole() -> None:
    """The claim on top, the path down to the owner, the lines of code, the cause with its fix, and all in JSON."""
    view = ask(desk_of(*ALL), "/findings/3f9a2c")
    steps = of_kind(view, Steps)[0]

    assert view.said == f"{OWNER} grows by 1.00 entries per unit, 2.3 KiB each, never shrinks"
    assert isinstance(steps, Steps)
    assert steps.steps[steps.owner] == ("._inflight", "dict")
    assert tables(view)["Lines of code"] == [
        ("born", "app/matching.py:41", "find_driver", None, None),
        ("put", "app/matching.py:44", "find_driver", "[key] =", None),
        ("gone", "app/matching.py:57", "find_driver", "del", "only if driver.accepted (line 56)"),
    ]
    assert facts(view)["over time"].points[-1] == (NOON + HOURS, 20_120.0)
    assert facts(view)["cause"].startswith("unbounded cache in a module: Its entries stay.")
    assert view.data["finding"]["code"]["gones"][0]["only"] == "only if driver.accepted (line 56)"
    assert view.data["over_time"]


def test_a_finding_names_the_routes_that_grow_its_owner() -> None:
    """Where requests are counted; where they are not told apart, why."""

    class Book:
        def by_owner(self, path: str) -> OwnerByRoute:
            rates = (RouteRate(route="POST /rides/{id}/cancel", per_request=1.0, margin=0.02),)
            return OwnerByRoute(owner=path, gained=10, seconds=60, rates=rates)

    desk = desk_of(WATCHED)
    desk.routes = Book()  # type: ignore[assignment]
    view = ask(desk, "/findings/3f9a2c")

    assert tables(view)["Which routes grow it"] == [("POST /rides/{id}/cancel", 1.0, 0.02)]
    assert view.data["routes"]["rates"][0]["per_request"] == 1.0


def test_a_finding_that_is_not_kept_is_refused() -> None:
    """With what to do about it."""
    with pytest.raises(NotKnown, match="Watch again"):
        ask(desk_of(), "/findings/abcdef")


def test_the_report_is_one_file_to_attach() -> None:
    """It is a download with a policy of its own, for its styles stand in it."""
    desk = desk_of(WATCHED)
    found = look(desk, "/report.html")

    assert isinstance(found, Response)
    headers = dict(found.headers)
    assert re.fullmatch(r'attachment; filename="leakdiff-\d+-\d{8}T\d{6}Z\.html"', headers["Content-Disposition"])
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert OWNER.encode() in found.body
    with pytest.raises(NotMeasured, match="Watch first"):
        look(desk_of(), "/report.html")
    other = desk_of(ALL[0])
    with pytest.raises(NotKnown, match="no report"):
        look(other, f"/report.html?job={other.jobs.all()[0].id}")


# -- health ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("health", "status", "said"),
    [
        ({}, 200, "The monitor runs: 0 measurements, 0 of them with a walk of the heap."),
        ({"running": False}, 503, "The monitor's thread is dead"),
        ({"running": False, "wanted": False, "measurements": 3}, 200, "The monitor was stopped"),
        ({"running": False, "wanted": False}, 200, "The monitor was never started in this process"),
        ({"pending": 3}, 200, "Its store cannot be written: 3 measurements wait"),
    ],
)
def test_health_says_how_the_monitor_is(health: dict[str, Any], status: int, said: str) -> None:
    """A probe needs the status only; a person gets a sentence. Only death is no health."""
    view = ask(desk_of(monitor=Watching(**health)), "/healthz")

    assert view.status == status
    assert said in view.said
    assert set(view.data["monitor"]) == set(attrs.fields_dict(MonitorHealth))


def test_no_monitor_is_no_illness() -> None:
    """The endpoint works without one."""
    view = ask(desk_of(), "/healthz")

    assert (view.status, view.data["state"]) == (200, "no monitor")


def test_a_registered_owner_that_is_missing_or_too_long_is_broken() -> None:
    """Both stand on the first page and at the probe's; what was never looked at is not accused."""
    monitored = Monitored(store="sqlite:///:memory:")
    monitored.monitor.register("app.gone")
    monitored.monitor.register("app.queue", 100)
    monitored.monitor.register(OWNER, 200)
    desk = desk_of(monitor=monitored.monitor)
    before = ask(desk, "/healthz").data["faults"]
    monitored.lengths = {"app.queue": 101, OWNER: 120}
    monitored.see(cheap())
    faults = [
        "app.gone is registered, and was not found at the last measurement: no container has this name.",
        "app.queue has 101 entries, and was registered with 100 at most.",
    ]

    assert not [fault for fault in before if "app." in fault]
    assert [fault for fault in ask(desk, "/").data["faults"] if "app." in fault] == faults
    assert [fault for fault in ask(desk, "/healthz").data["faults"] if "app." in fault] == faults
    assert faults[1] in text_at(desk, "/")


def test_a_real_monitor_that_was_never_started_is_said_to_be() -> None:
    """The states come from the monitor itself."""
    monitor = Monitor(store="sqlite:///:memory:")

    assert monitor.health().state == "never started"
    assert "was never started in this process" in ask(desk_of(monitor=monitor), "/").data["faults"][0]


# -- as text ---------------------------------------------------------------------------------------


def test_a_page_is_told_as_text() -> None:
    """The answer, then tables that align, lines as sparklines, what to ask for, and which process it was."""
    rising = tuple((float(at), float(at)) for at in range(8))
    view = View(
        title="Owners",
        said="app.cache holds most.",
        verdict="LEAK",
        blocks=[
            Table(
                title="Owners",
                columns=(
                    Column("Owner", "code"),
                    Column("Entries", "number"),
                    Column("Bytes", "bytes"),
                    Column("Line", "chart"),
                ),
                rows=(
                    (
                        Link("app.cache", "/history?series=owner.entries%3Aapp.cache"),
                        1_200,
                        5_000_000,
                        Chart(rising, "up"),
                    ),
                    ("app.x", 7, None, None),
                ),
                left_out=3,
            ),
            Facts(title="", rows=(("over time", Chart(rising, "from 0 to 7")), ("job", Link("17-1", "/jobs/17-1")))),
            Steps(title="Path", steps=(("app", "module"), (".cache", "dict"), ("[*]", "X")), owner=1),
            Form(
                label="Watch", to="/watch", inputs=(Input(name="seconds", label="seconds", value="60"),), said="Waits."
            ),
            Progress(share=0.5, said="half"),
        ],
    )

    assert text_of(view, MATCHING) == textwrap.dedent("""\
        leakdiff: LEAK  app.cache holds most.

        Owners
          Owner      Entries    Bytes  Line
          app.cache    1,200  4.8 MiB  ▁▂▃▄▅▆▇█
          app.x            7        -  -
          and 3 more

          over time         ▁▂▃▄▅▆▇█  from 0 to 7
          job               jobs/17-1

        Path
          app     module
          .cache  dict  <- the owner
          [*]     X

        POST watch?seconds=60  Watch
          Waits.

        [###############...............] 50%  half

        process: matching 2.4.1 on pod-1, pid 17, boot b0075
    """)


_cells = st.none() | texts | st.integers(-(10**12), 10**12) | st.floats(-1e12, 1e12) | st.builds(Link, texts, texts)
_charts = st.builds(Chart, st.lists(st.tuples(st.floats(), st.floats()), max_size=9).map(tuple), texts)
_kinds = st.sampled_from(["text", "code", "number", "bytes", "change", "bytes change", "seconds", "time", "chart"])


@settings(max_examples=60)
@given(kinds=st.lists(_kinds, min_size=1, max_size=3), texts_=st.data())
def test_no_table_is_wider_than_a_terminal_whatever_stands_in_it(kinds: list[Any], texts_: st.DataObject) -> None:
    """Nothing is raised, nothing steers the terminal, and long names go on in the next line."""
    row = st.tuples(*(_charts | st.none() if kind == "chart" else _cells for kind in kinds))
    rows = texts_.draw(st.lists(row, max_size=4))
    columns = tuple(Column("c", kind) for kind in kinds)
    long = Table(columns=(Column("name", "code"), *columns), rows=tuple(("x" * 300, *row) for row in rows))
    text = text_of(View(title="t", blocks=[long]), Identity())

    lines = text.splitlines()
    assert lines[0] == "leakdiff: t"
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) <= 120


def test_nothing_that_a_row_says_is_cut() -> None:
    """What finds no room beside the others has a line below; a name that is too long has one before its numbers."""
    route, owner, keys = "POST /rides/{rid}/cancel", "app.matching.service.dispatch.state._inflight", "str 7 characters"
    grows = f"1.00 per {route}, 0.50 per PUT /drivers/{{driver}}/position, 0.02 per GET /drivers/{{driver}}/history"
    table = Table(
        columns=(
            Column("Owner", "code"),
            Column("Grows by"),
            Column("Gained", "number"),
            Column("Bytes gained", "bytes change"),
            Column("Keys"),
        ),
        rows=((owner, grows, 505, 1_000_000, keys), ("app.x", None, 7, None, "int sequential")),
    )

    assert text_of(View(title="t", blocks=[table]), MATCHING).splitlines()[2:-2] == [
        "  Owner                                          Gained  Bytes gained  Keys",
        f"  {owner}     505    +976.6 KiB  {keys}",
        "        Grows by: 1.00 per POST /rides/{rid}/cancel, 0.50 per PUT /drivers/{driver}/position, 0.02 per",
        "        GET /drivers/{driver}/history",
        "  app.x                                               7             -  int sequential",
    ]


def test_a_route_is_told_whole_beside_its_numbers() -> None:
    """It has a line of its own where there are many numbers; headings go on in a second line."""
    route = "GET /drivers/{driver}/history/of/many/things"
    names = ("Requests", "Per second", "Measured", "Holds", "Keeps", "Peak", "Body", "Largest answer", "Largest piece")
    rows = ((route, *range(100_000, 1_000_000, 100_000)), ("GET /", *range(9)))
    table = Table(columns=(Column("Route"), *(Column(name, "number") for name in names)), rows=rows)
    told = text_of(View(title="t", blocks=[table]), MATCHING).splitlines()[2:-2]

    assert [line.split() for line in told] == [
        ["Per", "Largest", "Largest"],
        ["Route", "Requests", "second", "Measured", "Holds", "Keeps", "Peak", "Body", "answer", "piece"],
        route.split(),
        [f"{number:,}" for number in range(100_000, 1_000_000, 100_000)],
        ["GET", "/", *"012345678"],
    ]


def test_a_last_column_of_sentences_goes_on_below_itself() -> None:
    """Findings stay a table, each with its whole claim."""
    claim = "app.matching.service.dispatch.state._inflight grows by 1.00 entries per unit, 2.3 KiB each, never shrinks"
    table = Table(
        columns=(Column("Finding"), Column("Verdict"), Column("What")),
        rows=(("3f9a2c", "LEAK", f"{claim}, and more"),),
    )

    assert text_of(View(title="t", blocks=[table]), MATCHING).splitlines()[2:-2] == [
        "  Finding  Verdict  What",
        f"  3f9a2c   LEAK     {claim.removesuffix(' shrinks')}",
        "                    shrinks, and more",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("only if driver.accepted (line 56)", "only if driver.accepted (line 56)"),
        ("only if plan == 'gold' (line 5)", "only if plan == '...' (line 5)"),
        ("only if plan == 'a long and cut of... (line 5)", "only if plan == '..."),
        ("only if a == 'cut... (line 5) and b == 'x' (line 6)", "only if a == '...'"),
        ('nobody cancels `tasks["sk_live"]`', "nobody cancels `tasks['...']`"),
        ("only if pin == 47114711 (line 12345)", "only if pin == ... (line 12345)"),
        ("grew by 1.00 entries per unit, up to 12,345", "grew by 1.00 entries per unit, up to 12,345"),
    ],
)
def test_literals_of_source_are_masked(text: str, shown: str) -> None:
    """Texts and long numbers go; a text that was cut off takes all after it along."""
    assert masked(text).removesuffix("'") == shown.removesuffix("'")


def test_the_shape_of_keys_has_nothing_of_a_key() -> None:
    """What they share at the start is a piece of each: only how long it is can be said."""
    assert discreet_shape("str 'acme-' + 8 hex") == "str 5 characters + 8 hex"
    assert discreet_shape("int sequential") == "int sequential"
    assert discreet_shape(None) is None


def listed(_instance: object, _field: object, value: Any) -> Any:
    """Return findings as a list: as dicts they have no names to be told by."""
    return list(value) if isinstance(value, tuple) else value


def test_what_lies_on_a_desk_has_no_source_lines() -> None:
    """Neither reports nor snapshots nor profiles that it keeps quote one, so that no view can."""
    code = "password = 'hunter2'"
    site = Site("app.py", 3, "f", code)
    found = attrs.evolve(_FOUND, sites=(site,), waiting=(site,), types=(attrs.evolve(INFLIGHT.types[0], site=site),))
    found = attrs.evolve(found, code=attrs.evolve(CODE, summary=f"runs only if {code}", pending=code))
    assert AFTER.heap is not None
    heap = attrs.evolve(AFTER.heap, sites=(SiteCount(site, 1, 1),))
    desk = desk_of(
        Outcome(said=f"LEAK: {code} [123456]", report=report_of(attrs.evolve(found, because=code))),
        Outcome(said="", snapshot=attrs.evolve(AFTER, heap=heap)),
        Outcome(said="", profile=attrs.evolve(PROFILE, samples=(Sample((site,), 1, 1),))),
    )

    assert "hunter2" in str(attrs.asdict(found))
    assert "hunter2" not in str([attrs.asdict(job, value_serializer=listed) for job in desk.jobs.all()])
    assert desk.jobs.all()[-1].said == "LEAK: password = '...' [123456]"
    assert "hunter2" not in str([attrs.asdict(kept.snapshot) for kept in desk.snapshots()])


def test_a_clean_report_stays_as_it_is() -> None:
    """Names, counts, sizes, places and sentences are not touched."""
    report = Report(Verdict.STABLE, "nothing grew that stayed, in 2 windows of 20 s")

    assert discreet_report(report) == report


def test_index_is_the_view_of_the_root() -> None:
    """Whatever else is added, the first page is this one."""
    assert ROUTES[0].load() is index
    assert FORMATS == ("html", "json", "text")
