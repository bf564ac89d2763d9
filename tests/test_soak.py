"""Soaks of real programs, each in a fresh interpreter: the leak, its owner and scenario, and what did not run."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import leakdiff
from fresh import Ended, run_fresh, shell, shell_interrupted, write_module
from leakdiff import soaks
from leakdiff.capture import cgroups
from leakdiff.errors import BadOption, BadScenario
from leakdiff.model.snapshot import Cgroup
from leakdiff.soaking.plan import make_plan
from leakdiff.soaking.traffic import Traffic

DEMO = """
import itertools, json
import leakdiff
from leakdiff import Scenario
from leakdiff.demo import matching

numbers = itertools.count(1)


async def ride(reply):
    number = next(numbers)
    request = matching.RideRequest(f"req-{number * 2_654_435_761 % 2**32:08x}")
    await matching.serve(request, matching.Driver(f"driver {number % 20}", reply))


async def driver_accepts():
    await ride(matching.Reply.ACCEPT)


async def driver_declines():
    await ride(matching.Reply.DECLINE)


async def driver_cancels():
    await ride(matching.Reply.CANCEL)


mix = [
    Scenario(driver_accepts, weight=0.73, name="driver accepts"),
    Scenario(driver_declines, weight=0.25, name="driver declines"),
]
cancels = Scenario(driver_cancels, weight=0.02, name="driver cancels")


def tell(report):
    print(json.dumps({"text": report.text(), "line": str(report), "plain": report.as_dict()}))


def soak(scenarios, **arguments):
    return leakdiff.soak(scenarios, setup=matching.setup, teardown=matching.teardown, **arguments)
"""

# The service of the demo with one leak left: what it keeps when its caller goes away.
CANCELLED = """
import asyncio, itertools, json
import leakdiff
from leakdiff import Scenario, cancel_midway

_inflight = {}
numbers = itertools.count(1)


async def find_driver(rid, accepts):
    _inflight[rid] = bytes(1_000)
    accepted = await ring(accepts)
    del _inflight[rid]
    if not accepted:
        offer_next(rid)
    return accepted


async def ring(accepts):
    await asyncio.sleep(0)
    return accepts


def offer_next(rid):
    if rid.endswith("!"):
        raise KeyError(rid)


async def rider_asks():
    await find_driver(f"req-{next(numbers):08x}", accepts=True)


def tell(report):
    print(json.dumps({"text": report.text(), "line": str(report), "plain": report.as_dict()}))
"""


def findings(told: dict[str, Any]) -> dict[str, str]:
    """Return which scenario grows what leaks, by owner."""
    return {found["owner"]: found["grows"] for found in told["plain"]["findings"] if found["verdict"] == "LEAK"}


# -- the story -------------------------------------------------------------------------------------


def test_a_mix_with_cancellations_finds_both_leaks_and_who_does_them() -> None:
    """With 2 % driver cancels in the mix, owner and scenario are found, and when memory will be full."""
    told = run_fresh(DEMO + 'tell(soak([*mix, cancels], duration="15s", limit="2G", per_day=12_500))\n')

    assert findings(told) == {
        "leakdiff.demo.matching._inflight": ("1.00 per driver cancels, 1.00 per driver declines, 0 per driver accepts"),
        "leakdiff.demo.matching._background": "1.00 per driver cancels, 0 for the others",
    }
    assert told["line"].startswith("leakdiff: LEAK  leakdiff.demo.matching._inflight grows by 0.27 entries per unit")
    assert "  grows  1.00 per driver cancels, 0 for the others\n" in told["text"]
    assert " MiB a day the limit of 2.0 GiB is reached in " in told["text"]
    assert told["plain"]["soak"]["units"] < 40_000  # one look of rounds of 397; another would add twice as many


def test_a_mix_without_cancellations_is_honestly_stable_and_says_what_did_not_run() -> None:
    """Nothing leaks unless the caller goes away: the verdict stands, and what was not seen."""
    told = run_fresh(CANCELLED + "tell(leakdiff.soak(rider_asks, duration=1))\n")

    assert told["plain"]["verdict"] == "STABLE"
    assert told["plain"]["soak"]["missing_faults"] == ["cancel_midway", "timeout_midway", "raise_midway", "disconnect"]
    assert "fault  no scenario has cancel_midway, timeout_midway, raise_midway, disconnect" in told["text"]
    assert [(part["function"], part["only"]) for part in told["plain"]["soak"]["unexercised"]] == [
        ("find_driver", "only if not accepted (line 14)"),
    ]
    assert "script.py:15  in find_driver        only if not accepted (line 14)" in told["text"]


def test_the_same_mix_with_cancellations_finds_what_they_leave() -> None:
    """A fault around the same function finds the leak, under the scenario's name."""
    told = run_fresh(
        CANCELLED
        + """
mix = [Scenario(rider_asks, weight=0.98), Scenario(cancel_midway(rider_asks), weight=0.02, name="rider gives up")]
tell(leakdiff.soak(mix, duration=10))
"""
    )

    assert findings(told) == {"__main__._inflight": "1.00 per rider gives up, 0 per rider_asks"}
    assert told["plain"]["soak"]["missing_faults"] == ["timeout_midway", "raise_midway", "disconnect"]
    (_, cancelled) = told["plain"]["soak"]["scenarios"]
    assert cancelled["fault"] == "cancel_midway"
    assert cancelled["struck"] == cancelled["units"] > 0
    assert cancelled["growth"] == {"__main__._inflight": pytest.approx(1.0, abs=0.05)}


# -- other shapes ----------------------------------------------------------------------------------


def test_plain_functions_run_in_threads_and_errors_strike_them() -> None:
    """Threads serve plain functions at the same time; an error in the midst of one shows what it leaves."""
    source = """
    import json, threading
    import leakdiff
    from leakdiff import Scenario, raise_midway

    open_orders, local, threads = {}, threading.local(), set()


    def check(order):
        return order


    def order():
        threads.add(threading.get_ident())
        local.number = getattr(local, "number", 0) + 1
        number = threading.get_ident(), local.number
        open_orders[number] = bytearray(100)
        check(number)
        del open_orders[number]


    mix = [Scenario(order, weight=0.9), Scenario(raise_midway(order, TimeoutError), weight=0.1, name="bank is down")]
    report = leakdiff.soak(mix, duration=6, concurrency=4)
    print(json.dumps({"plain": report.as_dict(), "threads": len(threads), "left": threading.active_count()}))
    """
    told = run_fresh(source)

    assert findings(told) == {"__main__.open_orders": "1.00 per bank is down, 0 per order"}
    assert told["threads"] > 1
    assert told["left"] == 1


def test_a_container_in_a_closure_is_named_by_its_scenario() -> None:
    """What only a scenario holds is found under it: nothing else leads there."""
    source = """
    import asyncio, json
    import leakdiff


    def scenarios():
        cache = {}

        async def ask():
            cache[object()] = 1
            await asyncio.sleep(0)

        return [leakdiff.Scenario(ask, weight=0.1), leakdiff.Scenario(lambda: None, name="nothing")]


    report = leakdiff.soak(scenarios(), duration=5, concurrency=8)
    print(json.dumps({"plain": report.as_dict()}))
    """
    told = run_fresh(source)

    assert findings(told) == {"scenario ask closure cache": "1.00 per ask, 0 per nothing"}


def test_a_rare_leak_shows_in_longer_rounds() -> None:
    """What leaks once in 3,000 units does not show in the first rounds: they become longer until it does."""
    source = """
    import itertools, json
    import leakdiff

    kept, numbers = [], itertools.count(1)


    def serve():
        if next(numbers) % 3_000 == 0:
            kept.append(object())


    report = leakdiff.soak(serve, duration=12)
    print(json.dumps({"plain": report.as_dict(), "units": max(one.units for one in report.report.rounds)}))
    """
    told = run_fresh(source)

    assert told["plain"]["verdict"] == "LEAK"
    assert told["plain"]["findings"][0]["owner"] == "__main__.kept"
    assert told["units"] > 1_000


def test_the_rate_is_kept_and_the_budget_of_units_too() -> None:
    """Arrivals keep their rate under every load, and no more units are run than were allowed."""
    source = """
    import asyncio, json, time
    import leakdiff


    async def serve():
        await asyncio.sleep(0.001)


    told = {}
    for load in ("steady", "ramp", "burst"):
        started = time.monotonic()
        report = leakdiff.soak(serve, units=200, rate=400, load=load, seed=7)
        told[load] = [report.units / (time.monotonic() - started), report.units, report.seed]
    print(json.dumps(told))
    """
    for rate, units, seed in run_fresh(source).values():
        assert rate < 420
        assert units <= 200
        assert seed == 7


def test_units_that_take_long_are_few() -> None:
    """The first units tell how long one takes; rounds are then as short as the time that is left."""
    source = """
    import json, time
    import leakdiff


    def serve():
        time.sleep(0.05)


    report = leakdiff.soak(serve, duration=2)
    print(json.dumps([report.verdict, report.units]))
    """
    verdict, units = run_fresh(source)

    assert verdict == "STABLE"
    assert units <= 2 / 0.05


def test_setup_and_teardown_run_once_and_the_loop_lives_throughout() -> None:
    """However often the soak looks again, the service is opened once and closed once, in one event loop."""
    source = """
    import asyncio, json
    import leakdiff

    calls, loops = [], set()


    async def setup():
        calls.append("setup")
        loops.add(id(asyncio.get_running_loop()))


    async def teardown():
        calls.append("teardown")
        loops.add(id(asyncio.get_running_loop()))


    async def serve():
        loops.add(id(asyncio.get_running_loop()))
        await asyncio.sleep(0)


    report = leakdiff.soak(serve, duration=1, setup=setup, teardown=teardown)
    print(json.dumps([report.verdict, calls, len(loops)]))
    """
    assert run_fresh(source) == ["STABLE", ["setup", "teardown"], 1]


def test_a_leak_of_the_c_heap_has_its_scenario_too() -> None:
    """What no Python object owns is told by bytes for each unit of each scenario."""
    source = """
    import ctypes, json
    import leakdiff

    malloc = ctypes.CDLL(None).malloc
    malloc.restype = ctypes.c_void_p


    def draws():
        malloc(4_000)


    def nothing():
        pass


    report = leakdiff.soak([leakdiff.Scenario(nothing, weight=3), draws], duration=4, rate=2_000, limit="1G")
    print(json.dumps({"plain": report.as_dict(), "text": report.text()}))
    """
    told = run_fresh(source)
    (growth,) = told["plain"]["soak"]["growth"]

    assert told["plain"]["verdict"] == "NATIVE"
    assert growth["counted"] == "bytes"
    assert growth["per_scenario"]["nothing"] == 0
    assert growth["per_scenario"]["draws"] == pytest.approx(4_000, rel=0.1)
    assert " a day the limit of 1.0 GiB is reached in " in told["text"]


def test_a_leak_of_the_c_heap_by_an_error_in_a_plain_function_is_found() -> None:
    """The round measured by C call and the errors both need the profile function up to 3.11: they share it."""
    source = """
    import ctypes, json
    import leakdiff
    from leakdiff import Scenario, raise_midway

    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]


    def draws():
        address = libc.malloc(4_000)
        check(address)
        libc.free(address)


    def check(address):
        return address


    report = leakdiff.soak([Scenario(draws, weight=3), Scenario(raise_midway(draws), name="fails")], units=4_000)
    print(json.dumps({"plain": report.as_dict(), "text": report.text()}))
    """
    told = run_fresh(source)

    assert told["plain"]["verdict"] == "NATIVE"
    assert "libc.malloc(4_000)" in told["text"]
    assert told["plain"]["findings"][0]["grows"].endswith(" per fails, 0 per draws")


def test_a_program_that_is_traced_is_told_why_lines_are_missing() -> None:
    """Where coverage or a debugger traces, the rest of the soak goes on, and theirs is left in place."""
    source = """
    import json, sys
    import leakdiff


    def theirs(*_):
        return None


    def serve(fails=False):
        if fails:
            raise LookupError


    sys.settrace(theirs)
    report = leakdiff.soak(serve, units=1_000)
    print(json.dumps([report.verdict, list(report.report.not_analysed), sys.gettrace() is theirs]))
    """
    verdict, notes, is_theirs = run_fresh(source)

    assert verdict == "STABLE"
    assert "which lines ran was not looked at: a trace function is in use" in notes
    assert is_theirs


def test_a_leak_is_told_though_a_scenario_fails_while_it_is_traced() -> None:
    """Traced units are many times slower, and may run out of time: that is a note, and the report stays."""
    source = """
    import json, sys
    import leakdiff

    kept = []


    def serve():
        kept.append(object())
        if type(getattr(sys.gettrace(), "__self__", None)).__name__ == "LinesRun":
            raise TimeoutError("too slow")


    report = leakdiff.soak(serve, units=1_000)
    print(json.dumps([report.verdict, list(report.report.not_analysed)]))
    """
    verdict, notes = run_fresh(source)

    assert verdict == "LEAK"
    assert (
        "which lines ran was not looked at to the end: "
        "scenario 'serve' raised TimeoutError in the round traced by line, unit 1"
    ) in notes


def test_a_limit_of_the_container_is_reached_by_all_that_runs_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other processes use of the container's memory counts too, but not the cache that is given back at once."""
    group = Cgroup(version=2, usage=900, limit=1_000, inactive_file=300)
    monkeypatch.setattr(cgroups, "read_cgroup", lambda: group)

    assert soaks.room_for(None) == (1_000, 600)
    assert soaks.room_for(5)[0] == 5


# -- failures --------------------------------------------------------------------------------------


def test_an_exception_in_a_scenario_names_it() -> None:
    """A scenario that fails ends the soak: its name, and its own traceback as the cause."""

    def breaks() -> None:
        raise ZeroDivisionError

    with pytest.raises(leakdiff.LeakdiffError) as failed:
        leakdiff.soak([leakdiff.Scenario(lambda: None), leakdiff.Scenario(breaks, name="order")], duration=1)

    assert str(failed.value).startswith("scenario 'order' raised ZeroDivisionError in the warm-up, unit ")
    assert isinstance(failed.value.__cause__, ZeroDivisionError)


def test_a_coroutine_that_fails_beside_others_ends_them() -> None:
    """Others that run at the same time are cancelled, and nothing of them is left."""
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("waits")
            raise

    async def breaks() -> None:
        await asyncio.sleep(0.01)
        raise LookupError

    traffic = Traffic([leakdiff.Scenario(waits), leakdiff.Scenario(breaks)], make_plan(concurrency=16), None, None)
    with pytest.raises(leakdiff.LeakdiffError, match="scenario 'breaks' raised LookupError in a round, unit "):
        traffic.run(10, "a round")
    traffic.tear_down()

    assert ended == ["waits"] * 5


def test_a_thread_that_cannot_be_started_ends_the_soak() -> None:
    """Those that were started before it are let go: they would wait for it for ever."""
    source = """
    import json, threading
    import leakdiff

    start = threading.Thread.start


    def refusing(thread):
        if thread.name.startswith("leakdiff-soak_2"):
            raise RuntimeError("can't start new thread")
        start(thread)


    async def waits():
        pass


    threading.Thread.start = refusing
    threading.Timer(20, lambda: __import__("os")._exit(3)).start()
    try:
        leakdiff.soak([waits, lambda: None], duration=1, concurrency=4)
    except leakdiff.LeakdiffError as error:
        print(json.dumps(str(error)), flush=True)
    __import__("os")._exit(0)
    """
    assert run_fresh(source).startswith("step raised RuntimeError in the warm-up")


def test_many_slow_units_at_a_time_cost_no_more_each() -> None:
    """What has ended is told by the units themselves: those that run are not gone through at each arrival."""
    asked = Counter[str]()

    class Counted(asyncio.Task[Any]):
        def done(self) -> bool:
            asked["done"] += 1
            return super().done()

    async def setup() -> None:
        asyncio.get_running_loop().set_task_factory(lambda loop, work, **more: Counted(work, loop=loop, **more))

    async def slow() -> None:
        await asyncio.sleep(0.05)

    traffic = Traffic([leakdiff.Scenario(slow)], make_plan(duration=1, rate=100_000), setup, None)
    traffic.set_up()
    traffic.run(1, "the warm-up")
    asked.clear()
    traffic.run(1_000, "a round")
    traffic.tear_down()

    assert asked["done"] < 10 * 1_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"duration": "soon"}, "duration='soon' cannot work"),
        ({"duration": 0}, "duration=0 cannot work"),
        ({"units": 3}, "units=3 cannot work: units must be a whole number of at least 100"),
        ({"rate": -1}, "rate=-1 cannot work"),
        ({"concurrency": 0}, "concurrency=0 cannot work"),
        ({"seed": "x"}, "seed='x' cannot work"),
        ({"load": "heavy"}, "load='heavy' cannot work: load must be 'steady', 'ramp' or 'burst'"),
        ({"load": "burst"}, "load must be 'steady' unless rate or concurrency says"),
        ({"limit": "much"}, "limit='much' cannot work"),
        ({"per_day": 0}, "per_day=0 cannot work"),
        (
            {"duration": 2, "rate": 0.5},
            "rate=0.5 cannot work: rate must be 15 or more with a duration of 2 s: 30 units",
        ),
        ({"rate": 0.5}, "rate must be 1 or more with a duration of 30 s"),
    ],
)
def test_arguments_that_cannot_work_are_refused_at_once(arguments: dict[str, Any], said: str) -> None:
    """Nothing is run; the sentence says what the argument must be."""
    with pytest.raises(BadOption) as refused:
        leakdiff.soak(lambda: 1 / 0, **arguments)

    assert said in str(refused.value)


def test_no_scenarios_are_refused() -> None:
    """An empty list is no soak."""
    with pytest.raises(BadScenario, match="the list is empty"):
        leakdiff.soak([])


# -- in the shell ----------------------------------------------------------------------------------

SHELL = """
import leakdiff

kept = []


def adds():
    kept.append(object())


def nothing():
    pass


scenarios = [leakdiff.Scenario(nothing, weight=3), leakdiff.Scenario(adds)]
"""


def soak_shell(folder: Path, source: str, *arguments: str) -> Ended:
    """Run ``leakdiff soak mix.py`` on a source."""
    write_module(folder, source, "mix.py")
    return shell(folder, "soak", "mix.py", *arguments)


def test_the_command_prints_the_report_and_ends_with_1(tmp_path: Path) -> None:
    """A leak ends with 1, with owner and scenario on the first screen."""
    ended = soak_shell(tmp_path, SHELL, "--duration", "3s", "--seed", "5", "--json", "soak.json")

    assert ended.code == 1, ended.err
    assert ended.out.startswith("leakdiff: LEAK  mix.kept grows by 0.25 entries per unit")
    assert "  grows  1.00 per adds, 0 per nothing\n" in ended.out
    assert json.loads((tmp_path / "soak.json").read_text())["soak"]["seed"] == 5


def test_a_clean_mix_ends_with_0_and_prints_json_alone(tmp_path: Path) -> None:
    """The list may come from a function; with ``--json -`` nothing else is on standard output."""
    source = "def scenarios():\n    return nothing\n\n\ndef nothing():\n    print('said')\n"
    ended = soak_shell(tmp_path, source, "--units", "2000", "--json", "-")

    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["verdict"] == "STABLE"
    assert told["soak"]["scenarios"][0]["name"] == "nothing"


@pytest.mark.parametrize(
    ("source", "arguments", "said"),
    [
        ("x = 1", (), "The list 'scenarios' was not found: mix.py has no such name."),
        ("scenarios = 3", (), "[bad-scenario]"),
        (SHELL, ("--units", "many"), "units='many' cannot work: units must be a whole number."),
        (SHELL, ("--duration", "soon"), "duration='soon' cannot work"),
    ],
)
def test_trouble_ends_with_2_and_one_sentence(
    tmp_path: Path, source: str, arguments: tuple[str, ...], said: str
) -> None:
    """What cannot be soaked is said on standard error, without a traceback."""
    ended = soak_shell(tmp_path, source, *arguments)

    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_ctrl_c_gives_the_report_so_far(tmp_path: Path) -> None:
    """What was found before is told, with the sentence that more was not looked at."""
    source = """
    import sys, time
    from leakdiff import soaks

    rounds, looks, look = [], [], soaks._Run._look


    def looking(run, units):
        looks.append(units)
        return look(run, units)


    soaks._Run._look = looking


    def scenarios():
        return serve


    def serve():
        rounds.append(1)
        rounds.clear()
        if len(looks) > 1:
            print("ready", file=sys.stderr, flush=True)
            time.sleep(30)
    """
    write_module(tmp_path, source, "mix.py")
    ended = shell_interrupted(tmp_path, "soak", "mix.py", "--duration", "20s")

    assert ended.code == 0, ended.err
    assert "leakdiff: STABLE" in ended.out
    assert "note   a further look, with more units a round, was interrupted" in ended.out
