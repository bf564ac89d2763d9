"""Guests in a live heap: no code of its objects is run, none is kept, changed or shown, and it may change meanwhile."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest

from fresh import run_fresh
from leakdiff.capture.walk import Budget, Pacer, Walk
from test_hostile import CROWD, HOLDERS, INSTANCES, KEYS, PLACES, SECRETS, WICKED

# Every hostile program becomes a module of its own, which notes each call of its methods unless it is at work itself.
GROWS = """
number = 0


def more(count):
    global number
    working[0] = True
    for _ in range(count):
        number += 1
        keep(make(number))
    working[0] = False
"""
KEEPS = "_kept = []\nkeep = _kept.append\n"
BY_KEY = """
_orders = {}
numbers = iter(range(10**9))
make = Key


def keep(key):
    _orders[Key(next(numbers))] = [key]
"""
PLAIN = "make = lambda number: [number]\n"


def programs() -> dict[str, str]:
    """Return every hostile program by a name for its module."""
    sources = {f"instances_{kind}": KEEPS + textwrap.dedent(source) for kind, source in INSTANCES.items()}
    sources |= {
        f"holders_{kind.replace('.', '_')}": PLAIN + textwrap.dedent(source) for kind, source in HOLDERS.items()
    }
    sources |= {f"keys_{kind}": textwrap.dedent(source) + BY_KEY for kind, source in KEYS.items()}
    sources |= {f"places_{kind}": textwrap.dedent(source) + KEEPS + PLAIN for kind, source in PLACES.items()}
    return {name: WICKED + source + GROWS for name, source in {**sources, "crowd": CROWD + KEEPS + PLAIN}.items()}


HOSTILE = """
import json, sys, threading, time, types
import leakdiff

modules = {}
for name, source in json.loads(SOURCES).items():
    modules[name] = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), modules[name].__dict__)
    modules[name].more(60)


def more(count):
    for module in modules.values():
        module.more(count)


def called():
    return {name: module.calls[:5] for name, module in modules.items() if module.calls}


def serve():
    while not stopped.is_set():
        more(2)
        time.sleep(0.005)


calls = {}
first = leakdiff.snapshot()
first.text()
calls["snapshot"] = called()
more(60)
diff = leakdiff.snapshot() - first
diff.text()
calls["diff"] = called()
more(60)
leakdiff.explain(diff).text()
calls["explain"] = called()
stopped = threading.Event()
server = threading.Thread(target=serve)
server.start()
report = leakdiff.watch(1.0)
stopped.set()
server.join()
report.text()
calls["watch"] = called()
from leakdiff.capture.lookup import lengths_of
lengths_of([change.name for change in diff.owners])
calls["lookup"] = called()
modules_that_grew = {change.name.split(".")[0] for change in diff.owners.growing()}
print(json.dumps({"calls": calls, "missed": sorted(modules.keys() - modules_that_grew),
                  "grown": [change.name for change in diff.owners.growing()]}))
"""


@pytest.fixture(scope="module")
def hostile() -> Any:
    """Look at a process full of objects that note, raise and lie, in every way there is."""
    return run_fresh(f"SOURCES = {json.dumps(programs())!r}\n" + HOSTILE)


@pytest.mark.parametrize("what", ["snapshot", "diff", "explain", "watch", "lookup"])
def test_no_method_of_any_object_is_called(hostile: Any, what: str) -> None:
    """Whatever classes, metaclasses, keys, properties and descriptors do, looking runs none of it."""
    assert hostile["calls"][what] == {}


def test_every_hostile_owner_is_named(hostile: Any) -> None:
    """Each of the programs keeps what it makes, and each of them is among the owners that grew."""
    assert hostile["missed"] == []


@pytest.mark.parametrize(
    "path",
    [
        "holders_app__members._members",
        "holders_app__ordered._ordered",
        "holders_app__slotted_items._slotted.items",
        "holders_app_Guarded_items.Guarded.items",
        "holders_app_Registry_entries.Registry.entries",
        "keys_raising_keys._orders",
        "instances_lying_lengths._kept",
        "crowd._kept",
    ],
)
def test_a_hostile_owner_has_its_right_name(hostile: Any, path: str) -> None:
    """Read past everything that its class or metaclass overrides."""
    assert path in hostile["grown"]


REFERENCES = """
import functools, json, sys, types, weakref
import leakdiff

calls = []


def noted(name):
    def method(*_, **__):
        calls.append(name)
        raise RuntimeError(name)
    return method


class Target:
    def __init__(self):
        self.attribute = 1

    __sizeof__ = noted("__sizeof__")
    __len__ = noted("__len__")
    __iter__ = noted("__iter__")
    __getattribute__ = noted("__getattribute__")
    __class__ = property(noted("__class__"))


def suspended():
    local = [1]
    yield local


targets = [object.__new__(Target) for _ in range(3_000)]
references = [weakref.ref(target) for target in targets]
proxies = [weakref.proxy(target) for target in targets]
methods = [types.MethodType(Target.__init__, target) for target in targets]
partials = [functools.partial(Target, target) for target in targets]
views = [types.MappingProxyType({"target": target}) for target in targets]
mixed = {number: (weakref.ref(target), [target]) for number, target in enumerate(targets)}
generators = {f"generator {number}": suspended() for number in range(3_000)}
iterators = [iter([1, 2, 3]) for _ in range(3_000)]
for generator in generators.values():
    next(generator)
taken = leakdiff.snapshot()
taken = leakdiff.snapshot()
measured = {owner.path: owner.sized_by for owner in taken.heap.owners if owner.entry_bytes is not None}
print(json.dumps([calls, measured, [list(iterator) for iterator in iterators[:20]] == [[1, 2, 3]] * 20]))
"""


def test_measuring_entries_follows_no_reference_and_uses_up_no_iterator() -> None:
    """Weak references, proxies, methods and generators as entries: their sizes are read, not what they lead to."""
    calls, measured, are_whole = run_fresh(REFERENCES)

    assert calls == []
    assert are_whole
    assert {"__main__.mixed", "__main__.generators", "__main__.proxies"} <= set(measured)
    assert {measured[path] for path in ("__main__.mixed", "__main__.generators", "__main__.proxies")} == {"walk"}


# -- nothing is changed ----------------------------------------------------------------------------

IN_PLACE = """
import collections, contextvars, dataclasses, functools, gc, itertools, json, threading, time
import leakdiff


class Plain:
    def __init__(self, number):
        self.items, self.table, self.number = list(range(5)), {number: [number]}, number


@dataclasses.dataclass
class Data:
    items: list
    table: dict
    maxsize: int = 100


class Waiters(list):
    def __init__(self):
        self.waiting = {number: [number] for number in range(10)}


class Failed(Exception):
    def __init__(self):
        self.extra = list(range(10))


class Cached:
    def __init__(self):
        self.cache = {}

    @functools.lru_cache(maxsize=100)
    def get(self, key):
        return [key]


class Entry:
    def __init__(self, number):
        self.payload = [number] * 5


class Dynamic:
    pass


class Service:
    def __init__(self):
        self.store, self.last = {}, collections.deque(maxlen=50)
        self.buffer, self.log, self.deep = bytearray(), "", Dynamic()

    def put(self, key):
        self.store[key] = Entry(key)
        self.last.append(Entry(key))
        self.buffer += b"x" * 100
        self.log += "y" * 50
        self.deep.entries.append(Entry(key))


class Deep:
    def __init__(self, depth):
        self.below = Deep(depth - 1) if depth else [1, 2, 3, 4]


service = Service()
setattr(service.deep, "entries", [])
plain = [Plain(number) for number in range(300)]
data = {number: Data([1] * 5, {1: 2}) for number in range(300)}
waiters = [Waiters() for _ in range(50)]
failed = [Failed() for _ in range(50)]
cached, deep, single = Cached(), Deep(20), Plain(1)
for number in range(50):
    cached.get(number)
local, variable = threading.local(), contextvars.ContextVar("variable")
local.value = Plain(3)
variable.set(Plain(4))
numbers = itertools.count()


def traffic(count):
    for _ in range(count):
        service.put(next(numbers))


def serve():
    while not stopped.is_set():
        traffic(5)
        time.sleep(0.005)


traffic(100)
objects = [
    service, service.deep, *plain, *data.values(), *waiters, *failed, cached, deep, deep.below, deep.below.below,
    single, local.value, variable.get(), *service.store.values(), *service.last,
]


def references():
    return [sorted(type(ref).__name__ for ref in gc.get_referents(obj)) for obj in objects]


def changed():
    return sum(sooner != later for sooner, later in zip(before, references()))


before, stopped = references(), threading.Event()
first = leakdiff.snapshot()
seen = {"snapshot": changed()}
traffic(200)
diff = leakdiff.snapshot() - first
seen["diff"] = changed()
traffic(200)
explained = leakdiff.explain(diff)
seen["explain"] = changed()
server = threading.Thread(target=serve)
server.start()
watched = leakdiff.watch(1.5)
stopped.set()
server.join()
seen["watch"] = changed()
from leakdiff.capture.lookup import lengths_of
lengths = lengths_of(["__main__.service.store", "__main__.single.items", "__main__.deep.below", "__main__.waiters"])
seen["lookup"] = changed()
print(json.dumps({"changed": seen, "lengths": len(lengths), "watched": [f.owner for f in watched.findings],
                  "explained": [f.owner for f in explained.findings]}))
"""


def test_no_instance_is_made_to_keep_a_dict() -> None:
    """What an instance refers to is the same after each kind of look, also of those that are named and watched."""
    seen = run_fresh(IN_PLACE)

    assert seen["changed"] == dict.fromkeys(("snapshot", "diff", "explain", "watch", "lookup"), 0)
    assert "__main__.service.store" in seen["explained"]
    assert {"__main__.service.store", "__main__.service.buffer"} <= set(seen["watched"])
    assert seen["lengths"] == 3


NUMBER_OF_DICTS = """
import gc, json
import leakdiff


class Plain:
    def __init__(self, number):
        self.items = [number] * 10


leakdiff.snapshot()
plain = [Plain(number) for number in range(5_000)]
before = after = None
gc.collect()
before = sum(type(obj) is dict for obj in gc.get_objects())
first, second = leakdiff.snapshot(), leakdiff.snapshot()
report = leakdiff.explain(second - first)
gc.collect()
after = sum(type(obj) is dict for obj in gc.get_objects())
print(json.dumps(after - before))
"""


def test_the_number_of_dicts_in_the_heap_does_not_change() -> None:
    """Beyond those of what is returned: a few, not one for each of 5,000 instances whose lists are named."""
    assert run_fresh(NUMBER_OF_DICTS) <= 20


# -- nothing is kept -------------------------------------------------------------------------------

KEPT = """
import gc, json, threading, time, weakref
import leakdiff


class Thing:
    pass


def suspended():
    local = Thing()
    local.me = local
    yield local
    local = None
    yield


things = {number: Thing() for number in range(500)}
first = leakdiff.snapshot()
things.update((number, Thing()) for number in range(500, 1_000))
things[0].me = things
generators = [suspended() for _ in range(50)]
locals_of_them = [weakref.ref(next(generator)) for generator in generators]
references = [weakref.ref(thing) for thing in things.values()]


def run():
    local = Thing()
    references.append(weakref.ref(local))
    diff = leakdiff.snapshot() - first
    stopped = threading.Event()

    def serve():
        in_frame = Thing()
        references.append(weakref.ref(in_frame))
        while not stopped.is_set():
            things[len(things)] = Thing()
            time.sleep(0.002)

    server = threading.Thread(target=serve)
    server.start()
    reports = [leakdiff.explain(diff), leakdiff.watch(0.6)]
    stopped.set()
    server.join()
    return diff, reports


kept = run()
for generator in generators:
    next(generator)  # a local that was read may not stay with it once it goes on
things.clear()
gc.collect()
print(json.dumps({
    "alive": sum(type(obj) is Thing for obj in gc.get_objects()),
    "references": sum(one() is not None for one in references), "verdicts": [report.verdict for report in kept[1]],
    "locals": sum(one() is not None for one in locals_of_them),
}))
"""


def test_no_object_is_kept_while_what_was_returned_lives_on() -> None:
    """Everything the program lets go of dies, also what was a local of a frame or of a generator that went on."""
    seen = run_fresh(KEPT)

    assert (seen["alive"], seen["references"], seen["locals"]) == (0, 0, 0)
    assert "LEAK" in seen["verdicts"]


# -- nothing is shown ------------------------------------------------------------------------------

SHOWN = """
import json, threading, time
import leakdiff


def serve():
    _thread.seen = set()
    _variable.set([])
    while not stopped.is_set():
        step(3)
        time.sleep(0.005)


stopped = threading.Event()
step(20)
first = leakdiff.snapshot()
step(20)
diff = leakdiff.snapshot() - first
step(20)
server = threading.Thread(target=serve)
server.start()
reports = [leakdiff.explain(diff), leakdiff.watch(1.0)]
stopped.set()
server.join()
shown = [first.text(), repr(first), diff.text(), repr(diff), str(diff)]
shown += [text for report in reports for text in (report.text(), report.json(), str(report), repr(report))]
print(json.dumps([[text.count(hush) for text in shown], [finding.owner for finding in reports[1].findings]]))
"""


def test_no_value_and_no_key_reaches_what_is_returned() -> None:
    """Keys, members, attribute values, arguments and locals stay where they are, also while traffic goes on."""
    counts, owners = run_fresh(SECRETS + SHOWN)

    assert counts == [0] * 13
    assert "__main__._customers" in owners


# -- everything may change meanwhile ---------------------------------------------------------------

RACE = """
import collections, json, random, threading, time
import leakdiff


class Thing:
    def __init__(self):
        self.items = {}


table, rows, members, waiting, things, thing = {}, [], set(), collections.deque(), {}, Thing()
stopped, failed = threading.Event(), []


def change(seed):
    numbers = random.Random(seed)
    while not stopped.is_set():
        key = numbers.randrange(3_000)
        table[key] = {at: [at] for at in range(numbers.randrange(8))}
        table.pop(numbers.randrange(3_000), None)
        rows.append([key] * 5)
        del rows[: 1_000 if len(rows) > 2_000 else 0]
        members.add((key, str(key)))
        waiting.append({key: [1, 2, 3, 4, 5]})
        if key % 300 == 0:
            members.clear()
            waiting.clear()
        made = Thing()
        made.items = {at: [at] for at in range(10)}
        setattr(made, f"attribute_{key}", key)
        things[key % 100] = made
        if key % 50 == 0:
            thing.__dict__[f"attribute_{key}"] = [1] * 10
        if key % 70 == 0:
            thing.__dict__.clear()
            thing.items = {}
        globals()[f"name_{key % 500}"] = [key] * 6
        globals().pop(f"name_{key % 300}", None)
        if key % 100 == 0:
            things[key] = type(f"Made{key}", (Thing,), {"registry": {at: at for at in range(10)}})()
        time.sleep(0 if key % 20 else 0.001)


def run(seed):
    try:
        change(seed)
    except BaseException as error:
        failed.append(repr(error))


leakdiff.snapshot()
threads = [threading.Thread(target=run, args=(seed,)) for seed in range(2)]
for thread in threads:
    thread.start()
until, looks, before = time.monotonic() + 4.0, 0, None
while time.monotonic() < until or looks < 3:
    taken = leakdiff.snapshot()
    taken.text()
    if before is not None:
        diff = taken - before
        diff.text()
        leakdiff.explain(diff)
    before, looks = taken, looks + 1
leakdiff.watch(0.5)
stopped.set()
for thread in threads:
    thread.join()
print(json.dumps([looks, failed, taken.left_out]))
"""


def test_looking_survives_whatever_other_threads_do() -> None:
    """Dicts, lists, sets, attributes, globals and classes come and go while snapshots are taken in a loop."""
    looks, failed, left_out = run_fresh(RACE)

    assert looks >= 3
    assert failed == []
    assert left_out == []


BUILDING = """
import json, threading
import leakdiff

stopped, failed, built = threading.Event(), [], [0]


def build():
    while not stopped.is_set():
        try:
            tuple([number] for number in range(5_000))
            built[0] += 1
        except SystemError as error:
            failed.append(str(error))


leakdiff.snapshot()
builders = [threading.Thread(target=build) for _ in range(2)]
for builder in builders:
    builder.start()
reports = [leakdiff.watch(0.5, windows=50).verdict for _ in range(2)]
stopped.set()
for builder in builders:
    builder.join()
print(json.dumps([failed, built[0] > 0]))
"""


def test_tuples_that_other_threads_are_building_are_let_grow() -> None:
    """A tuple under construction cannot grow while anyone refers to it: no thread may find it referred to."""
    assert run_fresh(BUILDING) == [[], True]


class _ProgramThatLetsGo(Pacer):
    """Between two levels of a walk, closes a cycle of objects with one referrer each, and lets go of it."""

    held: list[list[Any]]

    def breathe(self) -> None:
        """Let the program run."""
        if self.held:
            self.held[0][0].append(self.held[0])
            self.held.clear()


def test_walk_ends_in_a_cycle_that_the_program_lets_go_of_meanwhile() -> None:
    """A cycle whose objects have one referrer each, as a frame and its traceback, is not walked round for ever."""
    pacer = _ProgramThatLetsGo()
    pacer.held = [[[]]]
    walk = Walk(Budget(100_000, 60.0), pacer=pacer)
    walk.from_roots([pacer.held])

    assert walk.budget.spent is None
    assert len(walk.addresses) < 10_000
