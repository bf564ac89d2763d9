"""Causes: each rule finds its own kind, and no other's."""

from __future__ import annotations

import ast
from pathlib import Path

import attrs
import pytest

from leakdiff.cli import main
from leakdiff.judge.cause_rules import RULES, growing
from leakdiff.judge.causes import CAUSES
from leakdiff.model.cause import Cause
from leakdiff.model.code import Code, CodeSite
from leakdiff.model.heap import Bound, Site
from leakdiff.model.native import CCall, NativeEvidence
from leakdiff.model.report import Verdict
from leakdiff.selftest_plants import PLANTS
from reported import REPORTED, Seen, seen

DOCS = Path(__file__).resolve().parent.parent / "docs" / "how-to" / "causes"


@pytest.mark.parametrize("plant", REPORTED)
def test_each_planted_leak_has_its_cause(plant: str) -> None:
    """Of the first finding of a plant's report, the cause is what was planted."""
    slug, found = REPORTED[plant]

    assert found.cause == slug


def test_the_table_is_of_the_plants() -> None:
    """What the table expects is what the self-test expects."""
    planted = {plant.name: plant.cause for plant in PLANTS}

    assert {plant: slug for plant, (slug, _) in REPORTED.items()} == {plant: planted[plant] for plant in REPORTED}


# These say where a container is kept, when nothing says more: they are asked last, and fit others' plants as well.
GENERAL = {
    "only-grows",
    "unbounded-module-cache",
    "unbounded-class-cache",
    "unbounded-instance-cache",
    "removal-not-always",
    "closure-grows",
    "growing-buffer",
    "leaked-references",
}
BOTH = {  # pairs of causes that are both true of the later one's plants
    ("unbounded-lru-cache", "lru-cache-on-method"),
    ("pending-future", "pending-task"),
    ("listener-never-removed", "never-exited"),  # what is to be left is called back
    ("threads-never-joined", "pending-timer"),  # a threading.Timer is a thread
}


@pytest.mark.parametrize("slug", sorted({slug for slug, _ in RULES} - GENERAL))
def test_a_rule_claims_no_other_cause_s_plants(slug: str) -> None:
    """Asked alone, a rule fits no plant of another cause, save where both are true."""
    rules = [fits for name, fits in RULES if name == slug]
    claimed = {
        other
        for other, found in REPORTED.values()
        if any(fits(growing(found.finding, found.rates)) for fits in rules) and (slug, other) not in BOTH
    }

    assert claimed <= {slug}


def test_every_rule_has_a_cause_and_every_cause_a_rule() -> None:
    """Nothing is claimed that is not explained, and nothing explained that is never claimed."""
    assert {slug for slug, _ in RULES} == set(CAUSES)


def test_every_cause_is_planted_in_the_selftest() -> None:
    """The self-test has a leak for every cause, but for fragmentation: that is no leak."""
    planted = {plant.cause for plant in PLANTS if plant.cause is not None}

    assert planted == set(CAUSES) - {"fragmentation"}


@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES)
def test_a_cause_is_complete(cause: Cause) -> None:
    """Every cause has a title, a reason, a fix in one sentence, a pattern that compiles, and a page."""
    compile(cause.pattern, cause.slug, "exec", ast.PyCF_ONLY_AST)

    assert cause.title[0].isupper()
    assert cause.why.endswith(".")
    assert cause.fix[0].islower()
    assert not cause.fix.endswith(".")
    assert (DOCS / f"{cause.slug}.md").is_file()
    assert f"]({cause.slug}.md)" in (DOCS / "index.md").read_text("utf-8")


# -- what tells two causes apart -------------------------------------------------------------------


def _with(found: Seen, **facts: object) -> Seen:
    return attrs.evolve(found, finding=attrs.evolve(found.finding, **facts))  # type: ignore[arg-type]


ORDERS = seen("app: module ─ ._orders: dict ─ [*]: app.Order", types="app.Order", keys="int sequential")


@pytest.mark.parametrize("verdict", [Verdict.FILLING, Verdict.WARMUP, Verdict.CHURN, Verdict.STABLE])
def test_what_does_not_leak_has_no_cause(verdict: Verdict) -> None:
    """A cause is a mistake, and a cache that fills to its bound is none."""
    assert _with(ORDERS, verdict=verdict).cause is None


BRANCH = "only if ride.accepted (line 56)"


def _code(only: str, *, how: str = "del", function: str = "match", is_sure: bool = True) -> Code:
    put = CodeSite(Site("app.py", 44, "match"), "[key] =")
    return Code(puts=(put,), gones=(CodeSite(Site("app.py", 57, function), how, only, is_sure=is_sure),))


@pytest.mark.parametrize("only", [BRANCH, "not if line 50 returns first: ride.expired"])
def test_a_removal_in_a_branch_is_told_before_the_map(only: str) -> None:
    """Where the function that puts an entry in does not always take it out, that is the mistake, not the map."""
    assert _with(ORDERS, code=_code(only)).cause == "removal-not-always"
    assert _with(ORDERS, code=_code(only, function="finish")).cause == "removal-not-always"


@pytest.mark.parametrize(
    "code",
    [
        _code(""),
        _code(BRANCH, is_sure=False),
        _code(BRANCH, how="clear"),
        _code("only if len(orders) > 100 (line 56)"),
        _code("only in teardown(), which nothing in app calls"),
        attrs.evolve(_code(BRANCH), bound=Bound("orders", 100, 3)),
        Code(missing="no source"),
    ],
)
def test_another_removal_is_not_blamed(code: Code) -> None:
    """A removal that always runs, clears all, that nobody calls or that enforces a bound is not the mistake."""
    assert _with(ORDERS, code=code).cause == "unbounded-module-cache"


def test_files_that_were_closed_are_not_called_open() -> None:
    """File objects that are kept while descriptors do not grow are only kept."""
    files = seen("app: module ─ ._files: list ─ [*]: _io.FileIO", types="_io.FileIO", rates={"fds": 1.0})

    assert files.cause == "never-closed"
    assert attrs.evolve(files, rates={"fds": 0.0}).cause == "only-grows"


def test_tasks_that_are_done_are_not_called_pending() -> None:
    """Tasks that wait for nothing are kept, not pending."""
    kept = "app: module ─ ._tasks: set ─ [*]: _asyncio.Task"
    tasks = seen(kept, types="_asyncio.Task coroutine", keys="_asyncio.Task")

    assert tasks.cause == "pending-future"
    assert _with(tasks, waiting=(Site("app.py", 7, "watch"),)).cause == "pending-task"


def test_a_cache_in_a_class_of_a_function_without_self_holds_no_instance() -> None:
    """A static method's cache is keyed by values, a class method's by the class."""
    steps = "app.Prices: class ─ .find: {} ─  cache: dict ─ [*]: list"
    static = seen(
        "app.Prices: class ─ .find: staticmethod ─ .__func__: functools._lru_cache_wrapper ─  cache: dict ─ [*]: list",
        depth=4,
        types="list",
        keys="str 4 digits",
    )
    of_class = seen(
        "app.Prices: class ─ .find: classmethod ─ .__func__: functools._lru_cache_wrapper ─  cache: dict ─ [*]: list",
        depth=4,
        types="list",
        keys="tuple(abc.ABCMeta, str)",
    )
    method = seen(steps.format("functools._lru_cache_wrapper"), depth=3, types="list", keys="tuple(app.Prices, str)")

    assert [static.cause, of_class.cause, method.cause] == [
        "unbounded-lru-cache",
        "unbounded-lru-cache",
        "lru-cache-on-method",
    ]


def test_what_a_cached_result_holds_is_not_the_cache() -> None:
    """A list that grows inside a cached result is a container that grows, wherever it is kept."""
    inside = seen(
        "app: module ─ .page: functools._lru_cache_wrapper ─  cache: dict ─ [*]: app.Page ─ .hits: list ─ [*]: app.Hit",
        depth=5,
        types="app.Hit",
    )

    assert inside.cause == "only-grows"


def test_functions_by_name_are_a_map_unless_the_name_says_they_are_called() -> None:
    """Compiled functions in a cache are no listeners; functions among handlers are."""
    path = "app: module ─ .{}: dict ─ [*]: function compiled.<locals>.run"
    cache = seen(path.format("_compiled"), types="function", keys="str 8 hex")
    handlers = seen(path.format("_handlers"), types="function", keys="str 8 hex")

    assert [cache.cause, handlers.cause] == ["unbounded-module-cache", "listener-never-removed"]


def test_objects_with_a_method_of_their_own_are_no_listeners() -> None:
    """A bound method that an entry keeps in an attribute is not what the owner keeps."""
    sessions = seen("app: module ─ ._sessions: list ─ [*]: app.Session ─ .on_close: method", types="app.Session method")

    assert sessions.cause == "only-grows"


def test_those_who_wait_at_a_queue_are_not_its_entries() -> None:
    """Futures of getters of an empty queue wait; the queue does not fill."""
    getters = seen(
        "app: module ─ ._inbox: asyncio.queues.Queue ─ ._getters: collections.deque ─ [*]: _asyncio.Future",
        depth=3,
        types="_asyncio.Future _asyncio.FutureIter _asyncio.Task coroutine",
    )

    assert getters.cause == "pending-task"


def test_weak_mappings_are_not_called_caches() -> None:
    """Entries of a weak dictionary are held by somebody else."""
    weak = seen(
        "app: module ─ ._live: weakref.WeakValueDictionary ─ .data: dict ─ [*]: weakref.KeyedRef",
        depth=3,
        types="weakref.KeyedRef",
        keys="int",
    )

    assert weak.cause == "only-grows"


def test_a_set_in_a_dict_belongs_to_what_holds_the_dict() -> None:
    """Entries between the name and the owner do not hide where it is kept."""
    members = seen("app: module ─ ._proxy: app.Proxy ─ ._seen: dict ─ [*]: set", depth=4, types="str", keys="str UUID")

    assert members.cause == "unbounded-instance-cache"


def test_the_buffer_of_a_file_in_memory_is_kept_where_the_file_is() -> None:
    """From 3.13 on the bytes inside a ``BytesIO`` are seen as an object of their own."""
    inside = seen("app: module ─ ._recording: _io.BytesIO ─  → bytes: bytes", depth=3, entries=None)

    assert inside.cause == "large-global"


def test_a_list_that_nothing_is_known_of_is_no_buffer() -> None:
    """A container without countable entries still is a container."""
    weak = seen("app: module ─ ._database: app.Database ─  → list: list", depth=3, entries=None)

    assert weak.cause == "only-grows"


def test_native_evidence_tells_a_cycle_from_leaked_references() -> None:
    """What the evidence says of objects without a holder goes before what their path looks like."""
    orphans = seen(
        "no referrer: native ─ app.Zone: app.Zone ─ .since: datetime.datetime",
        depth=1,
        types="app.Zone",
        is_owned=False,
        verdict=Verdict.NATIVE,
    )

    assert orphans.cause == "leaked-references"
    assert _with(orphans, native=NativeEvidence("hidden cycle")).cause == "uncollectable-cycle"


def test_a_call_of_atexit_is_known_without_the_source() -> None:
    """The C function that keeps them tells it as well as the line."""
    orphans = seen(
        "no referrer: native ─ tuple: tuple ─ [*]: app.Connection",
        depth=1,
        types="tuple",
        is_owned=False,
        verdict=Verdict.NATIVE,
    )
    call = CCall("atexit.register", "atexit", "", calls=1.0, bytes=8.0, blocks=3.0)

    assert _with(orphans, native=NativeEvidence("leaked references", calls=(call,))).cause == "atexit-registry"


def test_memory_that_grows_while_nothing_in_use_does_is_fragmentation() -> None:
    """Where the process gains and neither blocks nor the C heap do, the holes between them grow."""
    process = seen("memory: native", depth=1, is_owned=False, entries=None, verdict=Verdict.INCONCLUSIVE)
    rates = {"rss": 4096.0, "blocks": 0.0, "native_bytes": 3.0}

    assert attrs.evolve(process, rates=rates).cause == "fragmentation"
    assert attrs.evolve(process, rates=rates | {"native_bytes": 4000.0}).cause is None
    assert attrs.evolve(process, rates={"rss": 4096.0}).cause is None


def test_the_command_line_explains_every_cause(capsys: pytest.CaptureFixture[str]) -> None:
    """A report names a cause; whoever installed leakdiff without its documents can ask what that means."""
    assert main(["cause"]) == 0
    listed = capsys.readouterr().out
    assert all(slug in listed for slug in CAUSES)

    assert main(["cause", "pending-timer"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Timers never cancelled\n")
    assert "timer.cancel()" in said

    assert main(["cause", "no-such"]) == 2
    assert "[target-not-found]" in capsys.readouterr().err
