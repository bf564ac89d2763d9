"""Which route grows which owner, from readings of live traffic; and what the ledger of routes says of requests."""

from __future__ import annotations

import dis
import heapq
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fresh import run_fresh
from leakdiff.capture.request_meter import shape_of
from leakdiff.capture.route_readings import MOST_OWNERS, MOST_READINGS, RouteFollower
from leakdiff.capture.routes import LEDGER, MOST_ROUTES, RouteLedger, RouteTally
from leakdiff.compare.route_windows import Window, merged
from leakdiff.compare.routes import owner_by_route, total_by_route
from leakdiff.model.report import Verdict
from leakdiff.model.routes import OTHER, TIME, OwnerByRoute, RouteCost, RouteRate, RouteReading, names_of
from leakdiff.web.messages import Request
from leakdiff.web.routebook import RouteBook
from leakdiff.web.routing import Asked
from leakdiff.web.settings import Settings
from leakdiff.web.view import Table, View
from leakdiff.web.views.routes import routes, spikes_of

ASK, ACCEPT, CANCEL = "POST /rides", "POST /rides/{id}/accept", "POST /rides/{id}/cancel"
EXPORT, HEALTH = "GET /export", "GET /health"
OWNER = "app._cancelled"
Entries = Callable[[str, Random], int]


@attrs.frozen
class Traffic:
    """A made-up service: rides are asked for at random moments, and later accepted or cancelled.

    Attributes:
        seconds: How long.
        rate: Rides asked for in a second.
        wait: Seconds until a ride is accepted or cancelled, on average.
        inflight: Seconds that a request takes after it did what it does, on average.
        step: Seconds between two readings.
        seed: Of its chance.
    """

    seconds: float = 60.0
    rate: float = 40.0
    wait: float = 2.0
    inflight: float = 0.02
    step: float = 1.0
    seed: int = 0

    def requests(self, chance: Random) -> list[tuple[float, str]]:
        """Return when each request does what it does."""
        came: list[tuple[float, str]] = []
        now = 0.0
        while now < self.seconds:
            now += chance.expovariate(self.rate)
            later = now + chance.expovariate(1 / self.wait)
            came += [(now, ASK), (later, CANCEL if chance.random() < 0.15 else ACCEPT), (now + chance.random(), HEALTH)]
            if chance.random() < 0.1:
                came.append((now + chance.random(), EXPORT))
        return sorted(one for one in came if one[0] < self.seconds)

    def readings(self, entries: Entries, every_second: float = 0.0) -> list[RouteReading]:
        """Return readings of an owner that gains so many entries by each request, and by each second."""
        chance = Random(self.seed)  # noqa: S311
        length, found, ended = 0.0, [], Counter[str]()
        running: list[tuple[float, str]] = []
        at, before = 0.0, 0.0
        for now, route in self.requests(chance):
            while at <= now:
                while running and running[0][0] <= at:
                    ended[heapq.heappop(running)[1]] += 1
                lengths = {OWNER: int(length + every_second * at)}
                found.append(RouteReading(time=at, requests=dict(ended), lengths=lengths, blocks=lengths[OWNER]))
                ended.clear()
                at += self.step
            length += entries(route, chance)
            heapq.heappush(running, (now + chance.expovariate(1 / self.inflight), route))
            before = now
        assert before > 0
        return found


def _by(route: str, gain: int = 1) -> Entries:
    return lambda one, _: gain if one == route else 0


# -- which route -----------------------------------------------------------------------------------


def test_route_that_forgets_to_remove_is_named() -> None:
    """An owner that gains one entry by each request of one route is told so, and nothing else is."""
    found = owner_by_route(OWNER, Traffic().readings(_by(CANCEL)))

    assert str(found) == "1.00 per POST /rides/{id}/cancel"
    assert found.rates[0].margin < 0.1
    assert (found.unclear, found.why_not) == ((), "")


def test_two_guilty_routes_are_both_named() -> None:
    """Two routes that grow one owner are told apart, with the rate of each."""
    gains = {CANCEL: 1, EXPORT: 2}
    found = owner_by_route(OWNER, Traffic(seconds=200).readings(lambda route, _: gains.get(route, 0)))

    assert {rate.route: round(rate.per_request, 1) for rate in found.rates} == {CANCEL: 1.0, EXPORT: 2.0}


def test_what_grows_by_itself_is_blamed_on_no_route() -> None:
    """An owner that a background task grows is told by the second, for no request does it."""
    found = owner_by_route(OWNER, Traffic(seconds=200).readings(lambda _, __: 0, every_second=3.0))

    assert [rate.route for rate in found.rates] == [TIME]
    assert found.rates[0].per_request == pytest.approx(3.0, abs=0.2)


def test_entries_taken_out_later_are_told_as_put_in_and_taken_out() -> None:
    """Where one route puts in, another takes out and a third forgets to, what each does is told."""
    gains = {ASK: 1, ACCEPT: -1}
    traffic = Traffic(seconds=300, wait=30.0)
    found = owner_by_route(OWNER, traffic.readings(lambda route, _: gains.get(route, 0)))

    rates = {rate.route: rate.per_request for rate in found.rates}
    assert rates == {ASK: pytest.approx(1.0, abs=0.1), ACCEPT: pytest.approx(-1.0, abs=0.1)}
    assert str(found).startswith("1.0") or str(found).startswith("0.9")


def test_a_map_in_use_that_only_cancelled_requests_stay_in_is_explained_by_them() -> None:
    """Entries that are put in and taken out within a moment are nobody's growth; those that stay are told."""
    gains = {ASK: 1, ACCEPT: -1}
    traffic = Traffic(seconds=300, wait=0.01, rate=60)
    found = owner_by_route(OWNER, traffic.readings(lambda route, _: gains.get(route, 0)))

    assert CANCEL in {rate.route for rate in found.rates} | set(found.unclear)


def test_leak_of_some_requests_only_is_not_told_too_surely() -> None:
    """Where three of ten requests leave an entry, the rate is 0.3 within its margin, or it is said to be unclear."""

    def entries(route: str, chance: Random) -> int:
        return int(route == CANCEL and chance.random() < 0.3)

    for seed in range(4):
        found = owner_by_route(OWNER, Traffic(seconds=300, seed=seed).readings(entries))

        wrong = [rate for rate in found.rates if rate.route != CANCEL]
        assert wrong == []
        assert all(abs(rate.per_request - 0.3) <= 1.5 * rate.margin for rate in found.rates)
        assert found.rates or found.unclear or found.why_not


def test_routes_that_always_come_together_are_said_to_be_unclear() -> None:
    """Two routes that came equally often in each window cannot be told apart, and nobody is blamed alone."""
    numbers = Random(3)  # noqa: S311
    counts = [numbers.randrange(20, 60) for _ in range(40)]
    readings = [
        RouteReading(time=float(at), requests={"GET /a": n, "GET /b": n}, lengths={OWNER: sum(counts[: at + 1])})
        for at, n in enumerate(counts)
    ]
    found = owner_by_route(OWNER, readings)

    assert found.rates == ()
    assert set(found.unclear) == {"GET /a", "GET /b"}
    assert found.why_not == "the traffic does not tell apart GET /a; GET /b"


@pytest.mark.parametrize(
    ("lengths", "requests", "why_not"),
    [
        ([], 5, "its length was not read beside traffic: readings begin after a watch or a look at this page"),
        ([1, 5, 9], 5, "there are 3 readings of it so far, and 6 are needed"),
        ([9] * 8, 5, "it did not grow in the last 7 s"),
        ([1, 2, 3, 4, 5, 6, 7], 5, "it gained 6 in 6 s, too few to tell routes apart"),
        ([0, 9, 18, 27, 36, 45, 54], 0, "it gained 54 in 6 s in which no request ended"),
        ([None] * 4, 5, "its length cannot be read by its name"),
    ],
)
def test_what_is_not_known_says_why(lengths: list[int | None], requests: int, why_not: str) -> None:
    """Too few readings, no growth, no traffic and an owner that cannot be read each have their reason."""
    came = {HEALTH: requests} if requests else {}
    readings = [
        RouteReading(time=float(at), requests=came, lengths={OWNER: length} if length is not None else {})
        for at, length in enumerate(lengths)
    ]

    found = owner_by_route(OWNER, readings)

    assert str(found) == found.why_not == why_not
    assert found.rates == ()


def test_cache_that_is_cleared_when_full_is_not_told_to_grow() -> None:
    """An owner that was emptied between two readings grew by each request until then, and is nobody's leak."""
    came = [9, 11, 8, 12, 10, 7] * 10
    lengths = [sum(came[: at + 1]) % 250 for at in range(len(came))]
    readings = [
        RouteReading(time=float(at), requests={HEALTH: number}, lengths={OWNER: length})
        for at, (number, length) in enumerate(zip(came, lengths, strict=True))
    ]
    found = owner_by_route(OWNER, readings)

    assert (found.rates, found.lost > 200) == ((), True)
    assert found.why_not.startswith("it was emptied meanwhile, by 2")


def test_rate_that_is_not_sure_is_told_with_its_margin() -> None:
    """A rate from few readings says by how much it may be off; a sure one needs not."""
    assert str(RouteRate(route=CANCEL, per_request=0.91, margin=0.12)) == "0.91 ± 0.12 per POST /rides/{id}/cancel"
    assert str(RouteRate(route=CANCEL, per_request=1.0, margin=0.01)) == "1.00 per POST /rides/{id}/cancel"
    assert names_of([TIME, CANCEL]) == "the time that passes; POST /rides/{id}/cancel"


def test_readings_without_the_owner_lose_no_request() -> None:
    """A reading in which an owner could not be read adds its requests to the next one."""
    readings = Traffic(seconds=120).readings(_by(CANCEL))
    gaps = [attrs.evolve(one, lengths={}) if at % 3 == 1 else one for at, one in enumerate(readings)]

    assert str(owner_by_route(OWNER, gaps)) == "1.00 per POST /rides/{id}/cancel"


def test_growth_without_an_owner_is_told_by_blocks() -> None:
    """Where no owner is known, the blocks of the process are told by route, and an unreadable C heap is not."""
    readings = Traffic().readings(_by(CANCEL, 7))

    blocks, native = total_by_route("blocks", readings), total_by_route("bytes", readings)
    assert (blocks.counted, str(blocks)) == ("blocks", "7.00 per POST /rides/{id}/cancel")
    assert (native.rates, native.why_not) == ((), "it cannot be read on this system")


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(-20, 50)), min_size=1, max_size=80), st.integers(1, 60))
def test_merged_windows_lose_nothing(steps: list[tuple[int, int]], number: int) -> None:
    """Merging windows keeps all requests, gains and seconds, and leaves no more of them than asked for."""
    windows = [Window(1.0, {HEALTH: came}, gain) for came, gain in steps]
    some = merged(windows, number)

    assert len(some) <= number
    assert sum(one.gain for one in some) == sum(gain for _, gain in steps)
    assert sum(one.requests[HEALTH] for one in some) == sum(came for came, _ in steps)
    assert sum(one.seconds for one in some) == len(steps)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from([ASK, ACCEPT, CANCEL, HEALTH]), st.integers(0, 100)),
            st.integers(0, 10_000),
        ),
        max_size=40,
    )
)
def test_any_readings_are_answered(steps: list[tuple[dict[str, int], int]]) -> None:
    """Whatever was read, there are rates or there is a reason, and never an exception."""
    readings = [
        RouteReading(time=at * 0.5, requests=came, lengths={OWNER: length}) for at, (came, length) in enumerate(steps)
    ]
    found = owner_by_route(OWNER, readings)

    assert bool(found.rates) or bool(found.why_not)
    assert str(found)


# -- the ledger ------------------------------------------------------------------------------------


def test_ledger_counts_and_forgets_nothing_it_should_keep() -> None:
    """Requests are counted when they end, by route, and a request to leakdiff itself is taken back."""
    ledger = RouteLedger()
    ledger.prepare()
    for route in (ASK, ASK, HEALTH):
        ledger.begin()
        ledger.end()
        ledger.count(route, as_unit=False).answered(10, 2_000, 1_500)
    ledger.begin()
    ledger.begin()
    ledger.end()

    costs = {cost.route: cost for cost in ledger.costs()}
    assert ledger.running == 1
    assert ledger.requests() == {ASK: 2, HEALTH: 1}
    assert costs[ASK].per_second > 0
    assert (costs[ASK].received, costs[ASK].sent, costs[ASK].sent_at_once) == (10, 2_000, 1_500)
    assert (costs[ASK].allocated, costs[ASK].kept) == (None, None)


def test_ledger_keeps_two_hundred_routes_at_most_and_those_in_use() -> None:
    """Whoever makes names up displaces made-up ones: a route in use stays or comes back, and no request is lost."""
    clock = iter(range(1_000_000))
    ledger = RouteLedger(clock=lambda: float(next(clock)))
    for number in range(1_000):
        ledger.count(f"GET /{number}", as_unit=False)
        if number > 500 and number % 50 == 0:
            ledger.count(HEALTH, as_unit=False)

    costs = {cost.route: cost for cost in ledger.costs()}
    assert len(costs) == MOST_ROUTES + 1
    assert costs[HEALTH].requests == 9
    assert costs[OTHER].requests == 1_009 - 199 - 9
    assert OTHER not in ledger.requests(), "what made room did not just come"


def test_rate_of_requests_is_that_of_the_last_minute() -> None:
    """A pod that is old says what comes now, and one that is young divides by its own age."""
    now = [1_000.0]
    ledger = RouteLedger(clock=lambda: now[0])
    ledger.prepare()
    rates = []
    for seconds, number in ((10, 50), (50, 250), (120, 120), (3_600, 0)):
        for _ in range(number):
            now[0] += seconds / number
            ledger.count(HEALTH, as_unit=False)
        now[0] += 0 if number else seconds
        rates.append(ledger.costs()[0].per_second)

    assert rates == [pytest.approx(rate, rel=0.05) for rate in (5.0, 5.0, 1.0, 0.0)]


@pytest.mark.parametrize("change", [RouteTally.answered, RouteTally.count, RouteTally._turn])  # noqa: SLF001
def test_nothing_is_called_between_reading_and_writing_a_number(change: Callable[..., None]) -> None:
    """The sums need no lock because no other thread is let in between: only what begins or ends a call does that."""
    calls = [one.argval for one in dis.get_instructions(change) if one.opname == "LOAD_GLOBAL"]

    assert not {"max", "min", "sum"} & set(calls)


def test_one_outlier_does_not_make_a_route_keep_memory() -> None:
    """What a route keeps is a median, and nothing where nothing can be told: noise, few requests, one large one."""

    def told(*kept: int) -> tuple[float | None, float | None]:
        tally = RouteTally(HEALTH)
        for one in (0, *kept):
            tally.measured(SimpleNamespace(was_alone=True, has_steps=False, highest=one, kept=one))
        cost = tally.cost(1.0, 0.0)
        return cost.kept, cost.surely_kept

    assert told(0, 80, -80, 0, 80, 2 << 20, 0, -80) == (0, 0)
    assert told(1_000, 1_040, 1_080, 960, 2 << 20, 1_000, 1_040) == (1_040, 1_040)
    assert told(1_000, 1_000) == (1_000, None)
    assert told() == (None, None)


def test_threads_lose_no_count() -> None:
    """Counts from several threads at a time add up, without a lock."""
    ledger = RouteLedger()

    def run() -> None:
        for _ in range(5_000):
            ledger.begin()
            ledger.count(HEALTH, as_unit=False)
            ledger.end()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (ledger.running, ledger.begun, ledger.requests()) == (0, 20_000, {HEALTH: 20_000})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_forked_child_begins_with_no_counts() -> None:
    """A worker that is forked counts its own requests, and one that the fork cut in two does not go below none."""
    found = run_fresh("""
        import json, os
        from leakdiff.capture.routes import LEDGER

        LEDGER.prepare()
        LEDGER.begin()
        LEDGER.count("GET /before", as_unit=True)
        LEDGER.end()
        LEDGER.begin()
        reading, writing = os.pipe()
        if os.fork() == 0:
            before = LEDGER.running, LEDGER.requests()
            LEDGER.count("GET /cut", as_unit=True)
            LEDGER.end()
            os.write(writing, json.dumps([before, LEDGER.running, LEDGER.requests()]).encode())
            os._exit(0)
        os.wait()
        print(os.read(reading, 1000).decode())
    """)

    assert found == [[0, {}], 0, {"GET /cut": 1}]


def test_shape_of_a_path_ignores_what_varies() -> None:
    """Paths that differ in numbers alone have one shape, others have others, and it is a number whatever they hold."""
    assert shape_of("/rides/1/cancel") == shape_of("/rides/2f/cancel")
    assert shape_of("/rides/1/cancel") != shape_of("/rides/1/accept")
    assert {type(shape_of(odd)) for odd in ("", "/" * 5_000, None, b"/x")} == {int}


# -- readings --------------------------------------------------------------------------------------

_followed: dict[int, int] = {}


def _never(_: float) -> None:
    """Wait for nothing."""


def test_follower_reads_lengths_and_requests_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading has the length of each owner found by its name, and the requests since the one before."""
    monkeypatch.setattr("leakdiff.capture.route_readings.LEDGER", ledger := RouteLedger())
    follower = RouteFollower()
    path = f"{__name__}._followed"
    follower.follow([path, "nowhere._at", "app._x[*]"])
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("sys").modules.get(__name__) or _this_module())
    follower.read()
    ledger.count(HEALTH, as_unit=False)
    _followed[1] = 1
    follower.read()
    _followed.clear()

    first, second = follower.readings()
    assert (first.lengths, second.lengths) == ({path: 0}, {path: 1})
    assert (first.requests, second.requests) == ({}, {HEALTH: 1})
    assert second.blocks > 0


def _this_module() -> Any:
    import types

    module = types.ModuleType(__name__)
    module.__dict__["_followed"] = _followed
    return module


def test_follower_stops_by_itself_and_keeps_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread takes three hundred readings and ends; whoever asks again gets another."""
    monkeypatch.setattr("leakdiff.capture.route_readings.LEDGER", ledger := RouteLedger())
    ledger.prepare()
    follower = RouteFollower(wait=_never)

    def follow() -> int:
        follower.follow([f"nowhere._{number}" for number in range(30)])
        end = time.monotonic() + 30
        while follower.is_running and time.monotonic() < end:
            time.sleep(0.01)
        return len(follower.readings())

    assert follow() == MOST_READINGS
    assert follow() == MOST_READINGS
    assert len(follower.owners) == MOST_OWNERS


def test_nothing_is_read_where_nothing_counts_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a middleware there is no thread, whatever grows."""
    monkeypatch.setattr("leakdiff.capture.route_readings.LEDGER", RouteLedger())
    follower = RouteFollower()
    follower.follow([OWNER])

    assert not follower.is_running


# -- the page --------------------------------------------------------------------------------------


@attrs.define
class Book(RouteBook):
    """A book with made-up pages."""

    told: tuple[OwnerByRoute, ...] = ()
    cost: tuple[RouteCost, ...] = ()
    counts: bool = True
    accused: tuple[str, ...] = (OWNER,)
    is_counting = property(lambda self: self.counts)

    def __attrs_pre_init__(self) -> None:
        """Begin as a book does."""
        super().__init__()

    def owners(self) -> tuple[OwnerByRoute, ...]:
        """Return what was made up."""
        return self.told

    def is_accused(self, owner: str) -> bool:
        """Tell whether it was."""
        return owner in self.accused

    def costs(self) -> tuple[RouteCost, ...]:
        """Return what was made up."""
        return self.cost


def _view(book: Book) -> View:
    from leakdiff.web.desk import Desk

    desk = Desk(Settings(), None)
    desk.routes = book
    return routes(Asked(desk=desk, request=Request(method="GET", path="/routes"), format="json", given={}))


def test_page_says_first_which_route_grows_which_owner() -> None:
    """Owners stand on top with their routes, in the sentence too; those not known say why."""
    known = OwnerByRoute(
        owner=OWNER, gained=320, seconds=40.0, readings=20, rates=(RouteRate(route=CANCEL, per_request=1, margin=0.01),)
    )
    unknown = OwnerByRoute(owner="app._other", gained=9, seconds=4.0, readings=9, why_not="it is not known")
    view = _view(Book(told=(known, unknown)))

    assert view.said == "app._cancelled grows by 1.00 per POST /rides/{id}/cancel."
    table = view.blocks[0]
    assert isinstance(table, Table)
    assert [row[1] for row in table.rows] == [
        "1.00 per POST /rides/{id}/cancel (entries)",
        "not known: it is not known",
    ]
    assert view.data["owners"][0]["said"] == "1.00 per POST /rides/{id}/cancel"
    assert view.refresh is not None, "what is not known yet may be in a moment"


def test_page_does_not_accuse_what_no_watch_accused() -> None:
    """An owner that only grew may be a cache that fills: the page says so, and early rates that they are early."""
    rates = (RouteRate(route=CANCEL, per_request=1, margin=0.2),)
    early = OwnerByRoute(owner=OWNER, gained=32, seconds=9.0, readings=20, rates=rates)

    assert _view(Book(told=(early,), accused=())).said == (
        "app._cancelled grew by 1.00 ± 0.20 per POST /rides/{id}/cancel in 9 s; only a watch can say "
        "whether that has a bound."
    )
    assert _view(Book(told=(early,))).said == (
        "app._cancelled grows by 1.00 ± 0.20 per POST /rides/{id}/cancel, by 9 s of readings so far."
    )


def test_page_without_a_middleware_says_how_to_add_one() -> None:
    """Where nothing counts requests, the page is not empty: it says what to write."""
    view = _view(Book(counts=False))

    assert "wrap the application" in view.said
    assert "count_requests(application)" in view.blocks[0].text  # type: ignore[union-attr]
    assert view.data["is_counting"] is False


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (
            {"peak": 212 << 20, "sent": 200 << 20, "sent_at_once": 200 << 20},
            "GET /export holds up to 212.0 MiB for one request, its answer leaves in one piece of 200.0 MiB.",
        ),
        (
            {"peak": 64 << 20, "sent": 100, "sent_at_once": 100},
            "GET /export holds up to 64.0 MiB for one request, while its answers have 100 B at most.",
        ),
        (
            {"peak": 64 << 20, "received": 32 << 20},
            "GET /export holds up to 64.0 MiB for one request, whose body has up to 32.0 MiB.",
        ),
        (
            {"sent": 5 << 20, "sent_at_once": 5 << 20},
            "GET /export: its answer leaves in one piece of 5.0 MiB, which was loaded whole.",
        ),
    ],
)
def test_spikes_are_told_in_plain_words(cost: dict[str, Any], said: str) -> None:
    """A route that loads much for one request is told with what it holds and why that seems so."""
    assert list(spikes_of([RouteCost(route=EXPORT, requests=3, **cost)])) == [said]


def test_large_stream_in_small_pieces_is_no_spike() -> None:
    """An answer of a gigabyte in pieces of 64 KiB holds little at a time, and nobody needs to know."""
    assert list(spikes_of([RouteCost(route=EXPORT, peak=1 << 20, sent=1 << 30, sent_at_once=64 << 10)])) == []


def test_book_says_why_an_owner_is_not_told_by_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a middleware, and for a path that only a walk can follow, the reason is given instead of rates."""
    monkeypatch.setattr("leakdiff.web.routebook.LEDGER", ledger := RouteLedger())
    book = RouteBook()

    assert book.by_owner(OWNER).why_not.startswith("requests are not counted")
    ledger.prepare()
    assert "walk of the heap" in book.by_owner("app._rides[*]._seen").why_not
    assert "length was not read" in book.by_owner(OWNER).why_not


def test_book_follows_the_owners_of_a_report_that_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a watch accuses is followed; what it excuses, or has no owner, is not."""
    monkeypatch.setattr("leakdiff.capture.route_readings.LEDGER", RouteLedger())
    book = RouteBook()
    findings = [
        SimpleNamespace(owner=OWNER, verdict=Verdict.LEAK),
        SimpleNamespace(owner=None, verdict=Verdict.NATIVE),
        SimpleNamespace(owner="app._stable", verdict=Verdict.STABLE),
    ]
    book.follow_report(SimpleNamespace(findings=findings))  # type: ignore[arg-type]

    assert book._follower.owners == (OWNER,)  # noqa: SLF001
    assert [one.owner for one in book.owners()] == [OWNER], "what was accused is shown before it is read"
    book.follow(["app._quiet"])
    assert [one.owner for one in book.owners()] == [OWNER], "what only is followed is shown once it grows"


def test_ledger_of_this_process_is_left_as_it_was() -> None:
    """The tests above counted in ledgers of their own."""
    assert LEDGER.running == 0
