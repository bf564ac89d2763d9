"""The monitor in a made-up process: days of it in a moment, with no waiting; and what users see of it in this one."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from leakdiff.capture.walk import Abandoned
from leakdiff.errors import BadOption, StoreLocked
from leakdiff.model.health import MonitorHealth
from leakdiff.model.report import Verdict
from leakdiff.model.snapshot import Cgroup, Snapshot, Tally
from leakdiff.model.trend import Trend
from leakdiff.monitor import Monitor
from leakdiff.store.sqlite import SQLiteStore
from leakdiff.watcher import World
from snapshots import NOON, cheap, snapshot

HOUR = 3_600.0
MIB = 1 << 20
TODAY = time.time() - 12 * HOUR - NOON  # a store thins out what is more than a day old, and a suite takes a while
PATIENCE = 60.0  # seconds a test waits for what takes milliseconds


@attrs.define(eq=False)
class Process:
    """A process whose time passes only while its monitor waits, and whose costs are made up.

    Attributes:
        hours: How long it lives.
        rss: Its resident set by the time in seconds.
        facts: What else its snapshots say.
        cheap_cpu: CPU seconds that a cheap measurement takes.
        deep_cpu: CPU seconds, and seconds, that a walk takes.
        verdict: What the trend says by the time.
        now: The time in seconds.
        measured: When it was measured.
        walked: When it was walked.
    """

    hours: float = 24.0
    rss: Callable[[float], float] = lambda _: 100 * MIB
    facts: dict[str, Any] = attrs.field(factory=dict)
    cheap_cpu: float = 0.001
    deep_cpu: float = 1.0
    verdict: Callable[[float], Verdict] = lambda _: Verdict.STABLE
    now: float = 0.0
    cpu: float = 0.0
    measured: list[float] = attrs.field(factory=list)
    walked: list[float] = attrs.field(factory=list)
    over: threading.Event = attrs.field(factory=threading.Event)

    def world(self) -> World:
        """Return what a monitor sees of it."""
        return World(
            clock=lambda: self.now,
            cpu=lambda: self.cpu,
            wait=self.wait,
            measure=self.measure,
            deepen=self.deepen,
            lengths=lambda paths: tuple(Tally(path, int(self.now)) for path in paths),
            trend=lambda _: Trend(verdict=self.verdict(self.now), because="it was so"),
        )

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Let time pass; at the end of its life, wait to be stopped."""
        self.now += seconds
        if self.now < self.hours * HOUR:
            return stop.is_set()
        self.over.set()
        return stop.wait(PATIENCE)

    def measure(self, *, label: str | None, units: object, who: tuple[str | None, ...]) -> Snapshot:
        """Return a cheap measurement."""
        assert (units, who) == (None, (None, None, None))
        self.cpu += self.cheap_cpu
        self.measured.append(self.now)
        return cheap(at=TODAY + self.now, rss=int(self.rss(self.now)), label=label, **self.facts)

    def deepen(self, taken: Snapshot, should_stop: object) -> Snapshot:
        """Return a deep one."""
        assert callable(should_stop)
        self.walked.append(self.now)
        self.now += self.deep_cpu
        self.cpu += self.deep_cpu
        heap = snapshot(owners={"app.cache": (3, 300)}).heap
        return attrs.evolve(taken, heap=heap)

    def live(self, **options: Any) -> MonitorHealth:
        """Live with a monitor until the end, and return how it was doing."""
        world = options.pop("_world", self.world())
        monitor = Monitor(jitter=options.pop("jitter", 0.0), _world=world, **options)
        monitor.start()
        assert self.over.wait(PATIENCE)
        assert monitor.stop(PATIENCE)
        return monitor.health()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Return the monitor's log."""
    caplog.set_level(logging.DEBUG, "leakdiff.monitor")
    return caplog


# -- on schedule -----------------------------------------------------------------------------------


def test_a_quiet_day_is_measured_on_schedule() -> None:
    """Every five minutes cheaply; the heap is walked once as a baseline and then every six hours."""
    process = Process()
    health = process.live()

    assert process.measured == [300.0 * at for at in range(288)]
    assert process.walked == [HOUR / 12, 6 * HOUR + 300, 12 * HOUR + 300, 18 * HOUR + 300]
    assert (health.measurements, health.deep, health.skipped_for_cpu) == (288, 4, 0)


def test_replicas_do_not_measure_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process moves its measurements in its own way, by a tenth of the interval at most."""
    times = []
    for pid in (1001, 1002, 1003):
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        process = Process(hours=2)
        process.live(jitter=0.1, deep="never")
        times.append(process.measured)

    assert len({at for measured in times for at in measured}) == sum(map(len, times))
    gaps = [after - before for measured in times for before, after in itertools.pairwise(measured)]
    assert 270 <= min(gaps) < max(gaps) <= 330


def test_a_sleeping_host_is_not_measured_after_the_fact() -> None:
    """When the clock has jumped by ten hours there is one measurement, and the next comes an interval later."""
    process = Process(hours=12)
    jumps = iter([0.0, 0.0, 10 * HOUR])
    on_schedule = process.wait
    process_wait = lambda stop, seconds: on_schedule(stop, seconds + next(jumps, 0.0))  # noqa: E731
    process.live(deep="never", _world=attrs.evolve(process.world(), wait=process_wait))

    assert process.measured[:4] == [0.0, 300.0, 600.0 + 10 * HOUR, 900.0 + 10 * HOUR]


def test_costly_measurements_are_taken_less_often() -> None:
    """An interval that would cost more than the share is stretched: the share counts for cheap ones too."""
    process = Process(hours=10, cheap_cpu=1.0)
    health = process.live(interval=1.0, deep="never")

    assert process.measured[:3] == [0.0, 200.0, 400.0]
    assert health.cpu_share == pytest.approx(0.005, rel=0.01)


# -- deep measurements -----------------------------------------------------------------------------


def test_growth_asks_for_a_walk_before_the_interval_is_over() -> None:
    """A leak is walked again within the hour, and then less and less often: six times a day more than without."""
    process = Process(rss=lambda now: 100 * MIB + now / HOUR * 20 * MIB)
    process.live()

    asked = [at / HOUR for at in process.walked if at < 6 * HOUR]
    assert asked[1] < 1
    assert [later - sooner for sooner, later in itertools.pairwise(asked)] == pytest.approx(
        [5 / 12, 11 / 12, 23 / 12], abs=0.01
    )
    assert len(process.walked) <= 10


@pytest.mark.parametrize("deep", ["on-growth", "always"])
def test_walks_take_no_more_cpu_than_their_share(deep: str) -> None:
    """A heap whose walk takes twenty seconds waits until these were saved, the baseline too."""
    process = Process(facts={"blocks": 10_000_000}, deep_cpu=20.0)
    health = process.live(deep=deep)

    assert process.walked[0] >= 20 / 0.005
    assert health.deep >= 4
    assert health.skipped_for_cpu > 0
    assert health.cpu_share <= 0.005


def test_a_walk_that_was_dearer_than_expected_is_paid_back() -> None:
    """The next one waits until the share is kept again, and is expected to cost as much."""
    process = Process(facts={"blocks": 1_000_000}, deep_cpu=10.0)
    process.live(deep="always")

    assert process.walked[1] >= 20 / 0.005
    assert process.walked[2] >= 30 / 0.005


def test_the_heap_is_left_alone_when_told_so() -> None:
    """``never`` never walks, however much memory grows."""
    process = Process(rss=lambda now: 100 * MIB + now * MIB)

    assert process.live(deep="never").deep == 0
    assert process.walked == []


def test_no_walk_pushes_the_container_over_its_limit(log: pytest.LogCaptureFixture) -> None:
    """Near the limit the heap is not walked, and the snapshot says so; cheap measurements go on."""
    store = Moody()
    process = Process(hours=2, facts={"cgroup": Cgroup(version=2, usage=950 * MIB, limit=1_000 * MIB)})
    health = process.live(store=store)

    note = "the heap was not walked, for the tables of a walk would take the container beyond memory_share=0.9"
    latest = store.latest()
    assert latest is not None
    assert latest.left_out == (note,)
    assert process.walked == []
    assert (health.measurements, health.deep, health.skipped_for_memory) == (24, 0, 23)
    assert [record.getMessage() for record in log.records] == [
        f"A deep measurement was left out: {note}. Further failures of this kind are only counted (Monitor.health())."
    ]


def test_owners_are_watched_between_walks() -> None:
    """Cheap measurements after a walk read the lengths of the largest owners by name."""
    store = Moody()
    Process(hours=1).live(store=store)

    points = store.points("owner.entries:app.cache")
    assert [point.value for point in points][:4] == [3, 600, 900, 1_200]


def test_registered_owners_are_read_from_the_first_measurement_on() -> None:
    """Beside those that the monitor finds, also where a walk does not list them, and until they are forgotten."""
    store = Moody()
    process = Process(hours=1)
    monitor = Monitor(jitter=0.0, store=store, owners=["app.small"], _world=process.world())
    monitor.listen(lambda _: monitor.unregister("app.small") if process.now >= 1_500 else None)
    monitor.start()
    assert process.over.wait(PATIENCE)
    assert monitor.stop(PATIENCE)

    assert [point.value for point in store.points("owner.entries:app.small")] == [0, 300, 600, 900, 1_200, 1_500]
    assert len(store.points("owner.entries:app.cache")) == 11  # since the walk
    assert monitor.owners == {}


def test_a_registered_owner_that_a_walk_lists_is_told_once() -> None:
    """With what the walk says of it."""
    store = Moody()
    Process(hours=0.2).live(store=store, owners={"app.cache": 9})
    [deep] = [header for header in store.headers() if header.is_deep]

    assert store.get(deep.id).watched == ()
    assert [point.value for point in store.points("owner.entries:app.cache")] == [0, 3, 600]


def test_owners_are_registered_with_a_limit_or_without() -> None:
    """The latest word counts; what is asked for can be changed without harm."""
    monitor = Monitor(owners={"app.cache": 100, "app.queue": None})
    monitor.register("app.cache", limit=50)
    monitor.register("app.other")
    monitor.unregister("app.queue")
    monitor.unregister("app.unknown")
    monitor.owners.clear()

    assert monitor.owners == {"app.cache": 50, "app.other": None}


@pytest.mark.parametrize(
    "path", ["app", "", "app.", ".cache", "app.cache[*]", "serve() local pending", "app.f cache", 7, "a." + "b" * 500]
)
def test_what_needs_a_walk_cannot_be_registered(path: Any) -> None:
    """A path that is no path of names would never be found; it is refused at once."""
    monitor = Monitor()
    with pytest.raises(BadOption, match="must be names from a module on"):
        monitor.register(path)
    with pytest.raises(BadOption, match="owners must be names from a module on"):
        Monitor(owners=[path])

    assert monitor.owners == {}


def test_no_more_owners_are_registered_than_can_be_read() -> None:
    """A service that registers one for each customer is told so; what is registered can be registered again."""
    monitor = Monitor(owners=[f"app.customer{at}" for at in range(100)])
    monitor.register("app.customer7", limit=3)
    with pytest.raises(BadOption, match="at most 100 owners"):
        monitor.register("app.customer100")

    assert len(monitor.owners) == 100


# -- who is told of snapshots ----------------------------------------------------------------------


def test_listeners_are_told_of_each_snapshot() -> None:
    """From the monitor's thread, in the order in which they were taken, deep ones too, until they have enough."""
    seen: list[tuple[bool, str]] = []
    process = Process(hours=1)
    monitor = Monitor(jitter=0.0, _world=process.world())
    end = monitor.listen(lambda snapshot: seen.append((snapshot.is_deep, threading.current_thread().name)))
    monitor.listen(lambda _: end() if process.now > 1_000 else None)
    monitor.start()
    assert process.over.wait(PATIENCE)
    assert monitor.stop(PATIENCE)

    here = "leakdiff-monitor"
    assert seen == [(False, here), (True, here), (False, here), (False, here), (False, here)]
    assert end() is None


def test_a_listener_may_ask_the_monitor_anything() -> None:
    """Nobody holds the turn while it is called."""
    process = Process(hours=0.2)
    monitor = Monitor(jitter=0.0, deep="never", _world=process.world())
    asked = []
    told: list[Snapshot] = []

    def listen(snapshot: Snapshot) -> None:
        told.append(snapshot)
        if len(told) == 1:
            asked.append(monitor.measure_now() is not None)

    monitor.listen(listen)
    monitor.start()
    assert process.over.wait(PATIENCE)
    assert monitor.stop(PATIENCE)

    assert asked == [True]
    assert len(told) == monitor.health().measurements == 4
    assert monitor.latest() is told[-1]


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_a_failing_listener_harms_nothing(error: type[BaseException], log: pytest.LogCaptureFixture) -> None:
    """Neither the monitor nor another listener; it is counted each time and logged once, without what it said."""
    seen: list[Snapshot] = []
    process = Process(hours=1)
    monitor = Monitor(jitter=0.0, deep="never", _world=process.world())

    def fail(_: Snapshot) -> None:
        raise error("customer 4711")

    monitor.listen(fail)
    monitor.listen(seen.append)
    monitor.start()
    assert process.over.wait(PATIENCE)
    assert monitor.stop(PATIENCE)

    assert (len(seen), monitor.health().callback_failures) == (12, 12)
    [record] = log.records
    assert record.getMessage().startswith(
        f"A listener failed; the monitor goes on. {error.__name__} was raised at {__file__}:"
    )


def test_a_listener_that_is_no_function_is_refused() -> None:
    """At once, and not at the next measurement."""
    with pytest.raises(BadOption, match="callback must be a function"):
        Monitor().listen("print")  # type: ignore[arg-type]


# -- how fast it grows -----------------------------------------------------------------------------


def test_growth_is_known_after_six_measurements() -> None:
    """It is the slope of the process's own memory, whatever walks come between."""
    process = Process(hours=0.4, rss=lambda now: 100 * MIB + now * 1_000)
    monitor = Monitor(jitter=0.0, _world=process.world())
    monitor.start()
    assert process.over.wait(PATIENCE)
    assert monitor.stop(PATIENCE)
    few = monitor.growth()
    monitor.measure_now()

    assert few is None
    assert monitor.growth() == pytest.approx(1_000)


# -- what the trend says ---------------------------------------------------------------------------


def test_a_change_of_verdict_is_told_once() -> None:
    """It is told from the monitor's thread with the trend, within an hour; to go on as before is no news."""
    told: list[tuple[Verdict, str]] = []
    process = Process(verdict=lambda now: Verdict.STABLE if now < 8 * HOUR or now > 16 * HOUR else Verdict.LEAK)
    health = process.live(on_change=lambda trend: told.append((trend.verdict, threading.current_thread().name)))

    here = "leakdiff-monitor"
    assert told == [(Verdict.STABLE, here), (Verdict.LEAK, here), (Verdict.STABLE, here)]
    assert health.verdict is Verdict.STABLE


def test_nothing_is_told_before_anything_is_known() -> None:
    """INCONCLUSIVE is what a monitor begins with."""
    told: list[Trend] = []
    health = Process(verdict=lambda _: Verdict.INCONCLUSIVE).live(on_change=told.append)

    assert told == []
    assert health.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_a_failing_callback_harms_nothing(error: type[BaseException], log: pytest.LogCaptureFixture) -> None:
    """It is counted each time and logged once, without a traceback and without what it said."""

    def fail(_: Trend) -> None:
        raise error("customer 4711")

    process = Process(verdict=lambda now: Verdict.LEAK if now // (3 * HOUR) % 2 else Verdict.STABLE)
    health = process.live(on_change=fail)

    assert (health.measurements, health.callback_failures) == (288, 8)
    [record] = log.records
    assert record.levelname == "WARNING"
    assert record.exc_info is None
    assert record.getMessage().startswith(
        f"on_change failed; the monitor goes on. {error.__name__} was raised at {__file__}:"
    )


def test_a_trend_that_cannot_be_made_harms_nothing(log: pytest.LogCaptureFixture) -> None:
    """It is counted as a measurement that failed."""
    process = Process(hours=3)

    def fail(_: object) -> Trend:
        raise ZeroDivisionError

    health = process.live(_world=attrs.evolve(process.world(), trend=fail))

    assert health.measurements == 36
    assert health.measurement_failures > 1
    assert len(log.records) == 1


# -- when things fail ------------------------------------------------------------------------------


class Moody(SQLiteStore):
    """A store that is locked for a while, and notes how it is asked to prune."""

    def __init__(self, *, locked_until: int = 0) -> None:
        super().__init__(":memory:")
        self.asked = 0
        self.locked_until = locked_until
        self.pruned: list[dict[str, Any]] = []

    def add(self, snapshot: Snapshot) -> int:
        """Refuse for so many times."""
        self.asked += 1
        if self.asked <= self.locked_until:
            raise StoreLocked("app.sqlite", 1.0)
        return super().add(snapshot)

    def prune(self, **limits: Any) -> int:
        """Note the limits."""
        self.pruned.append(limits)
        return 0


def test_what_a_locked_store_refuses_is_kept_and_stored_later(log: pytest.LogCaptureFixture) -> None:
    """It is tried again at every measurement, in order; each refusal is counted and the first is logged."""
    store = Moody(locked_until=5)
    process = Process(hours=1)
    health = process.live(store=store, deep="never")

    assert (health.measurements, health.store_failures, health.pending) == (12, 5, 0)
    assert len(store.headers()) == 12
    assert [record.getMessage() for record in log.records] == [
        (
            "The store failed; the monitor goes on, and what it measured waits for the next try. "
            "The store app.sqlite cannot be used: others held it for 1 s. "
            "Try again; if it stays locked, find who holds it (`fuser` on the file). "
            "Further failures of this kind are only counted (Monitor.health())."
        )
    ]


def test_a_store_that_is_always_locked_costs_little_memory() -> None:
    """The newest twenty snapshots wait."""
    health = Process(hours=5).live(store=Moody(locked_until=10**9))

    assert (health.measurements, health.pending) == (60, 20)
    assert health.store_failures >= 60


def test_a_broken_store_of_somebody_else_harms_nothing(log: pytest.LogCaptureFixture) -> None:
    """Whatever it raises."""

    class Broken(SQLiteStore):
        def add(self, _: Snapshot) -> int:
            raise ConnectionResetError("secret")

    health = Process(hours=1).live(store=Broken(":memory:"), deep="never")

    assert (health.measurements, health.store_failures) == (12, 13)  # and once more at the end
    assert len(log.records) == 1
    assert "ConnectionResetError was raised at" in log.text
    assert "secret" not in log.text


def test_a_place_where_no_store_can_be_is_tried_again(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """A folder that is missing is an error counted; once it is there, everything is stored."""
    process = Process(hours=1)
    folder = tmp_path / "later"
    usual = process.wait

    def wait(stop: threading.Event, seconds: float) -> bool:
        if len(process.measured) == 4:
            folder.mkdir(exist_ok=True)
        return usual(stop, seconds)

    path = folder / "history.sqlite"
    health = process.live(store=path, deep="never", _world=attrs.evolve(process.world(), wait=wait))

    assert (health.store_failures, health.pending) == (5, 0)  # four snapshots, and the trend
    assert "cannot be used: it cannot be made: No such file or directory" in log.text
    with SQLiteStore(path, must_exist=True) as store:
        assert len(store.headers()) == 12


def test_a_place_that_can_only_be_read_harms_nothing(log: pytest.LogCaptureFixture) -> None:
    """In a folder where not even root may write, snapshots wait and measurements go on."""
    health = Process(hours=1).live(store="sqlite:////proc/leakdiff.sqlite", deep="never")

    assert (health.measurements, health.pending) == (12, 12)
    assert health.store_failures >= 12
    assert len(log.records) == 1


def test_the_store_is_pruned_every_hour() -> None:
    """By age and size as the monitor was told; short lives prune too, for the first time comes by chance."""
    store = Moody()
    Process(hours=24).live(store=store, keep_for=7 * 86_400, keep_bytes=5 * MIB)

    assert store.pruned[0] == {"max_age": 7 * 86_400, "max_bytes": 5 * MIB}
    assert 22 <= len(store.pruned) <= 24


def failing(until: int) -> Callable[..., Any]:
    """Return a function that fails so many times, and nothing else."""
    calls = iter(range(10**6))

    def fail(*_: object, **__: object) -> None:
        if next(calls) < until:
            raise OSError("no /proc")

    return fail


def test_a_measurement_that_fails_harms_nothing(log: pytest.LogCaptureFixture) -> None:
    """The next one comes on schedule."""
    process = Process(hours=1)
    fail = failing(3)

    def measure(**options: Any) -> Snapshot:
        fail()
        return process.measure(**options)

    health = process.live(_world=attrs.evolve(process.world(), measure=measure))

    assert (health.measurements, health.measurement_failures) == (9, 3)
    assert process.measured[0] == 900.0
    assert len(log.records) == 1


def test_a_walk_that_fails_leaves_the_cheap_measurement() -> None:
    """It is stored, and the walk is tried again."""
    process = Process(hours=1)
    fail = failing(2)

    def deepen(taken: Snapshot, should_stop: object) -> Snapshot:
        fail()
        return process.deepen(taken, should_stop)

    store = Moody()
    health = process.live(store=store, _world=attrs.evolve(process.world(), deepen=deepen))

    assert (health.measurements, health.measurement_failures, health.deep) == (12, 2, 1)
    assert [header.is_deep for header in store.headers()][:5] == [False, False, False, True, False]


def test_lengths_that_cannot_be_read_leave_the_measurement() -> None:
    """They are an extra."""
    process = Process(hours=1)
    health = process.live(_world=attrs.evolve(process.world(), lengths=failing(10**6)))

    assert (health.measurements, health.measurement_failures, health.store_failures) == (12, 10, 0)


def test_a_log_handler_that_raises_harms_nothing(log: pytest.LogCaptureFixture) -> None:
    """Not even the log of a failure ends the thread."""

    def fail(_: logging.LogRecord) -> bool:
        raise RuntimeError

    logger = logging.getLogger("leakdiff.monitor")
    logger.addFilter(fail)
    health = Process(hours=1).live(store=Moody(locked_until=2))
    logger.removeFilter(fail)

    assert (health.measurements, health.store_failures) == (12, 2)
    assert log.records == []


# -- in this process -------------------------------------------------------------------------------


@pytest.fixture
def quiet() -> Iterator[Monitor]:
    """Return a monitor that measures when it is asked, and stop it in the end."""
    monitor = Monitor(3_600.0, service="matching", version="2.4.1", revision="3f9a", label="mine", jitter=0.9)
    yield monitor
    assert monitor.stop()


def names() -> list[str]:
    """Return the names of this process's threads."""
    return [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"interval": 0}, "interval=0 cannot work: interval must be a number of seconds above 0."),
        ({"interval": "300"}, "interval='300' cannot work"),
        ({"interval": float("nan")}, "interval=nan cannot work"),
        ({"interval": True}, "interval=True cannot work"),
        ({"deep": "sometimes"}, "deep must be 'on-growth', 'never' or 'always'"),
        ({"deep_interval": -1}, "deep_interval must be a number of seconds above 0"),
        ({"cpu_share": 0}, "cpu_share must be a number above 0 and at most 1"),
        ({"cpu_share": 5}, "cpu_share must be a number above 0 and at most 1"),
        ({"jitter": 1}, "jitter must be a number from 0 and below 1"),
        ({"memory_share": 90}, "memory_share must be a number above 0 and at most 1"),
        ({"keep_for": 0}, "keep_for must be a number of seconds above 0"),
        ({"keep_bytes": 1.5}, "keep_bytes must be a whole number of bytes above 0"),
        ({"units": 3}, "units must be a function"),
        ({"on_change": "print"}, "on_change must be a function"),
        ({"owners": "app.cache"}, "owners must be paths of containers, or a dict of their limits by path"),
        ({"owners": 3}, "owners must be paths of containers, or a dict of their limits by path"),
        ({"owners": {"app.cache": -1}}, "limit must be a whole number of entries, or None"),
        ({"owners": {"app.cache": True}}, "limit must be a whole number of entries, or None"),
        ({"service": b"matching"}, "service must be a text"),
        ({"label": 1}, "label must be a text"),
        ({"store": 1}, "store must be sqlite:///PATH, a path, an object with the methods of Store, or None"),
        ({"store": "postgresql://db/leaks"}, "store must be sqlite:///PATH"),
        ({"store": ""}, "store must be sqlite:///PATH"),
    ],
)
def test_what_cannot_work_is_said_at_once(options: dict[str, Any], told: str) -> None:
    """The constructor refuses with one sentence."""
    with pytest.raises(BadOption) as refused:
        Monitor(**options)

    assert told in str(refused.value)


def test_to_make_one_starts_nothing(quiet: Monitor) -> None:
    """Neither a thread nor a measurement."""
    before = names()
    Monitor()

    assert names() == before
    assert not quiet.health().running
    assert quiet.health().measurements == 0
    assert repr(quiet) == "<Monitor every 3600 s, not running, 0 measurements, 0 of them deep, INCONCLUSIVE>"


def test_to_start_twice_is_to_start_once(quiet: Monitor) -> None:
    """One thread, a daemon; it can be stopped and started again, and to stop what does not run is no error."""
    quiet.start()
    quiet.start()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "leakdiff-monitor"]
    assert thread.daemon
    assert quiet.health().running
    assert repr(quiet).startswith("<Monitor every 3600 s, running, 0 measurements")

    assert quiet.stop()
    assert quiet.stop()
    assert "leakdiff-monitor" not in names()
    assert not quiet.health().running

    quiet.start()
    assert names().count("leakdiff-monitor") == 1


def test_a_block_is_monitored_from_its_beginning_to_its_end() -> None:
    """The context manager starts and stops it."""
    with Monitor(3_600.0) as monitor:
        assert monitor.health().running

    assert not monitor.health().running


def test_a_measurement_can_be_had_at_once(quiet: Monitor) -> None:
    """It is a snapshot like any other, deep if asked for, and it is stored and counted."""
    cheap_one, deep_one = quiet.measure_now(), quiet.measure_now(deep=True)
    assert cheap_one is not None
    assert deep_one is not None

    assert (cheap_one.is_deep, deep_one.is_deep) == (False, True)
    identity = deep_one.identity
    assert (identity.service, identity.version, identity.revision) == ("matching", "2.4.1", "3f9a")
    assert deep_one.label == "mine"
    health = quiet.health()
    assert (health.measurements, health.deep, health.last) == (2, 1, deep_one.taken.utc)
    assert 0 < health.longest_stall < health.cpu_seconds
    assert 0 < health.cpu_share <= 1
    assert quiet.trend().points == 2
    assert quiet.verdict is Verdict.INCONCLUSIVE


def test_a_listener_is_told_of_what_was_asked_for_too(quiet: Monitor) -> None:
    """In the thread that asked, and Ctrl-C reaches it; other errors are only counted."""
    seen: list[Snapshot] = []
    quiet.listen(seen.append)
    taken = quiet.measure_now()
    assert seen == [taken]

    quiet.listen(lambda _: 1 / 0)
    assert quiet.measure_now() is not None
    assert quiet.health().callback_failures == 1

    def interrupt(_: Snapshot) -> None:
        raise KeyboardInterrupt

    quiet.listen(interrupt)
    with pytest.raises(KeyboardInterrupt):
        quiet.measure_now()


def test_it_says_which_process_it_is_in(quiet: Monitor) -> None:
    """Before anything is measured, as the snapshots will."""
    assert quiet.identity().service == "matching"
    assert quiet.latest() is None
    taken = quiet.measure_now()

    assert taken is not None
    assert quiet.identity() == taken.identity
    assert quiet.latest() is quiet.latest(deep=False) is taken
    assert quiet.latest(deep=True) is None


def test_there_are_never_two_measurements_at_once() -> None:
    """While the thread walks the heap, a measurement that somebody asks for is refused with None."""
    process = Process(hours=1)
    is_walking, may_end = threading.Event(), threading.Event()

    def deepen(taken: Snapshot, should_stop: object) -> Snapshot:
        is_walking.set()
        assert may_end.wait(PATIENCE)
        return process.deepen(taken, should_stop)

    monitor = Monitor(jitter=0.0, _world=attrs.evolve(process.world(), deepen=deepen))
    monitor.start()
    assert is_walking.wait(PATIENCE)
    assert monitor.measure_now() is None
    may_end.set()
    assert process.over.wait(PATIENCE)

    assert monitor.stop(PATIENCE)
    assert monitor.measure_now() is not None


def test_a_walk_ends_when_the_monitor_is_stopped() -> None:
    """It is given up within a slice, and the cheap measurement is what remains."""
    process = Process(hours=1)
    is_walking = threading.Event()

    def deepen(_: Snapshot, should_stop: Callable[[], bool] | None) -> Snapshot:
        assert should_stop is not None
        is_walking.set()
        while not should_stop():
            pass
        raise Abandoned

    store = Moody()
    monitor = Monitor(store=store, jitter=0.0, _world=attrs.evolve(process.world(), deepen=deepen))
    monitor.start()
    assert is_walking.wait(PATIENCE)

    assert monitor.stop(PATIENCE)
    assert [header.is_deep for header in store.headers()] == [False, False]
    assert monitor.health().measurement_failures == 0


def test_a_callback_may_stop_the_monitor() -> None:
    """It does not wait for itself."""
    process = Process(hours=1)
    ended: list[bool] = []

    def on_change(_: Trend) -> None:
        ended.append(monitor.stop())
        process.over.set()

    monitor = Monitor(on_change=on_change, jitter=0.0, _world=process.world())
    monitor.start()
    assert process.over.wait(PATIENCE)

    assert monitor.stop(PATIENCE)
    assert ended == [False]
    assert monitor.health().measurements == 2


def test_a_monitor_does_not_show_up_in_what_it_measures() -> None:
    """Its counts, readings and pending snapshots are no owners of the program."""
    monitor = Monitor(3_600.0)
    held = {"monitor": monitor}
    before = monitor.measure_now(deep=True)
    for _ in range(30):
        assert monitor.measure_now() is not None
    after = monitor.measure_now(deep=True)
    assert before is not None
    assert after is not None
    grown = [change.name for change in (after - before).owners.growing()]

    assert held
    assert [name for name in grown if "monitor" in name or "watcher" in name] == []


def test_units_of_work_are_measured_too() -> None:
    """The program's own counter is asked; one that fails costs the units and nothing else."""

    def fail() -> int:
        raise RuntimeError

    counted, failed = Monitor(units=lambda: 42).measure_now(), Monitor(units=fail).measure_now()
    assert counted is not None
    assert failed is not None

    assert counted.units == 42
    assert failed.units is None
    assert failed.left_out == ("units of work are not known: what counts them raised RuntimeError",)
