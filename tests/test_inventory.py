"""The owners of a snapshot: every container by a name that a person can edit, with its length, and nothing it holds."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from fresh import run_fresh

# Secrets are never spelled out in the source, which a reader of frames or code may quote.
PLANTED = """
import asyncio, collections, contextvars, dataclasses, functools, json, queue, threading, types, weakref
import attrs
import leakdiff

hush = bytes.fromhex("63616e617279").decode()
made = 0


def secret():
    global made
    made += 1
    return f"{made * 7919 % 10007:05d}{hush}{made}"


def fill(count=1_000):
    return {secret(): [secret(), secret().encode()] for _ in range(count)}


def by_request(count=1_000):
    return {f"req-{number * 2654435761 % 2**32:08x}": secret() for number in range(count)}


by_name = fill()
requests = by_request()
text_only = {f"{number:06d}": secret().encode() for number in range(1_000)}
numbers = list(range(1_000))
members = {secret() for _ in range(1_000)}
frozen = frozenset(secret() for _ in range(1_000))
large_tuple = tuple(secret() for _ in range(1_000))
small_tuple = tuple(secret() for _ in range(10))
small = {secret(): 1, secret(): 2, secret(): 3}
ordered = collections.OrderedDict(fill())
defaults = collections.defaultdict(list, fill())
waiting = queue.Queue()
simple = queue.SimpleQueue()
for number in range(500):
    waiting.put([number])
    simple.put([number])


class Service:
    registry = {number: number for number in range(50)}
    shadowed = None

    def __init__(self):
        self.inflight = fill()
        self.shadowed = fill(900)
        self.below = None


class Inner:
    def __init__(self):
        self.sessions = fill()


class Slotted:
    __slots__ = ("cache",)

    def __init__(self):
        self.cache = fill()


@dataclasses.dataclass
class Order:
    lines: dict = dataclasses.field(default_factory=fill)
    notes: dict | None = None


@attrs.define
class Entry:
    parts: dict = attrs.field(factory=fill)


class Many:
    def __init__(self):
        for at in range(40):
            setattr(self, f"attribute_{at}", at)
        self.table = fill()


class Dynamic:
    pass


class Waiters(list):
    def __init__(self):
        self.waiting = fill()


class Failed(Exception):
    def __init__(self):
        self.context_of_it = fill()


service, slotted, order, entry, many, waiters = Service(), Slotted(), Order(), Entry(), Many(), Waiters()
service.below = Inner()
order.notes = fill(800)
dynamic = Dynamic()
setattr(dynamic, "made" + "_up", fill())
asked = Dynamic()
setattr(asked, "made" + "_up", fill())
asked.__dict__
space = types.SimpleNamespace(table=fill())
failed = Failed()
view = types.MappingProxyType(fill())
weak = weakref.WeakValueDictionary()
targets = [Dynamic() for _ in range(300)]
for number, target in enumerate(targets):
    weak[number] = target
services = {secret(): Inner() for _ in range(5)}
nested = {secret(): [number] * 10 for number in range(300)}
deeper = [{secret(): {number: number for number in range(6)}} for _ in range(100)]


@functools.lru_cache(maxsize=5_000)
def parse(number):
    return [number]


@functools.lru_cache(maxsize=None)
def parse_all(number):
    return [number]


for number in range(700):
    parse(number)
    parse_all(number)
last = collections.deque(range(300), maxlen=1_000)
unbounded = collections.deque(range(300))


class Limited:
    def __init__(self):
        self.maxsize = 5_000
        self.items = fill()

    def put(self, key, value):
        if len(self.items) < self.maxsize:
            self.items[key] = value


class Narrow:
    __slots__ = ("items", "max_entries")

    def __init__(self):
        self.max_entries, self.items = 4_000, fill()

    def put(self, key, value):
        if len(self.items) < self.max_entries:
            self.items[key] = value


class Careless:
    def __init__(self):
        self.maxsize, self.items = 5_000, fill()


limited, narrow, careless = Limited(), Narrow(), Careless()


def remember():
    seen = fill()

    def handler(key):
        seen[key] = key

    return handler


def collect(what, into=fill(), *, also=fill()):
    into[what] = also


def counted():
    pass


def suspended():
    local_of_a_generator = fill()
    yield local_of_a_generator


def local_class():
    class Local:
        table = fill()

    return Local()


handler = remember()
counted.cache = fill()
generator = suspended()
next(generator)
of_a_local_class = local_class()
variable = contextvars.ContextVar("variable")
variable.set(fill())
of_thread = threading.local()
of_thread.here = fill()
started, stopped = threading.Event(), threading.Event()


def work():
    in_frame = fill()
    started.set()
    stopped.wait()


threading.Thread(target=work, name="worker-7", daemon=True).start()
started.wait()
before = leakdiff.snapshot(label="before")
by_name[secret()] = [secret()]
taken = leakdiff.snapshot()
shown = [taken.text(), repr(taken), (taken - before).text(), leakdiff.explain(taken - before).text()]
shown += [str(taken.heap), str(taken.resources), str(taken - before), str(taken.left_out)]
taken.save("taken.json.gz")
print(json.dumps({
    "owners": {owner.path: {
        "kind": owner.kind, "type": owner.type, "entries": owner.entries, "containers": owner.containers,
        "shape": owner.key_shape, "bound": owner.bound and [owner.bound.kind, owner.bound.limit, owner.bound.filled],
        "entry_bytes": owner.entry_bytes, "sized_by": owner.sized_by, "bytes": owner.bytes,
    } for owner in taken.heap.owners},
    "order": [owner.bytes for owner in taken.heap.owners],
    "is_shown": [text.count(hush) for text in shown],
    "is_saved": leakdiff.Snapshot.load("taken.json.gz").text().count(hush),
    "least": taken.heap.least_entries,
}))
"""


@pytest.fixture(scope="module")
def seen() -> Any:
    """Take one snapshot of a program with owners of every kind."""
    return run_fresh(PLANTED)


# Since 3.13 an instance refers to its attributes, also once somebody has asked for a dict of them, and a simple queue
# to its entries.
IS_DIRECT = sys.version_info >= (3, 13)
SIMPLE = "__main__.simple" if IS_DIRECT else "__main__.simple entries"

NAMED = {
    "__main__.by_name": ("module", "dict", 1_001),
    "__main__.text_only": ("module", "dict", 1_000),
    "__main__.numbers": ("module", "list", 1_000),
    "__main__.members": ("module", "set", 1_000),
    "__main__.frozen": ("module", "frozenset", 1_000),
    "__main__.large_tuple": ("module", "tuple", 1_000),
    "__main__.ordered": ("module", "collections.OrderedDict", 1_000),
    "__main__.defaults": ("module", "collections.defaultdict", 1_000),
    "__main__.waiting.queue": ("module", "collections.deque", 500),
    SIMPLE: ("module", "_queue.SimpleQueue" if IS_DIRECT else "list", 500),
    "__main__.Service.registry": ("class", "dict", 50),
    "__main__.service.inflight": ("module", "dict", 1_000),
    "__main__.service.shadowed": ("module", "dict", 900),
    "__main__.service.below.sessions": ("module", "dict", 1_000),
    "__main__.slotted.cache": ("module", "dict", 1_000),
    "__main__.order.lines": ("module", "dict", 1_000),
    "__main__.order.notes": ("module", "dict", 800),
    "__main__.entry.parts": ("module", "dict", 1_000),
    "__main__.many.table": ("module", "dict", 1_000),
    "__main__.waiters.waiting": ("module", "dict", 1_000),
    "__main__.asked → dict" if IS_DIRECT else "__main__.asked.made_up": ("module", "dict", 1_000),
    "__main__.space.table": ("module", "dict", 1_000),
    "__main__.failed.context_of_it": ("module", "dict", 1_000),
    "__main__.parse cache": ("module", "dict", 700),
    "__main__.parse_all cache": ("module", "dict", 700),
    "__main__.handler closure seen": ("module", "dict", 1_000),
    "__main__.collect.__defaults__['into']": ("module", "dict", 1_000),
    "__main__.collect.__kwdefaults__['also']": ("module", "dict", 1_000),
    "__main__.counted.cache": ("module", "dict", 1_000),
    "__main__.generator local local_of_a_generator": ("module", "dict", 1_000),
    "__main__.of_a_local_class.__class__.table": ("module", "dict", 1_000),
    "__main__.of_thread.here": ("module", "dict", 1_000),
    "current context variable": ("context", "dict", 1_000),
    "work() in thread 'worker-7' local in_frame": ("frame", "dict", 1_000),
}


@pytest.mark.parametrize("path", NAMED)
def test_a_container_is_known_by_the_name_that_leads_to_it(seen: Any, path: str) -> None:
    """Wherever a program can keep a container, the path starts at what a person can edit."""
    found = seen["owners"][path]

    assert (found["kind"], found["type"], found["entries"], found["containers"]) == (*NAMED[path], 1)


SUMMED = {
    "__main__.services[*].sessions": (5, 5_000),
    "__main__.nested[*]": (300, 3_000),
    "__main__.deeper[*][*]": (100, 600),
}


@pytest.mark.parametrize("path", SUMMED)
def test_containers_of_one_path_are_counted_together(seen: Any, path: str) -> None:
    """Keys and indexes are no part of a name: what differs by them alone is one owner."""
    found = seen["owners"][path]

    assert (found["containers"], found["entries"]) == SUMMED[path]


@pytest.mark.parametrize("path", ["__main__.dynamic → dict", "__main__.view → dict"])
def test_an_edge_without_a_name_says_so(seen: Any, path: str) -> None:
    """An attribute that no code mentions is not guessed, nor is what C code holds; the container is told anyhow."""
    assert seen["owners"][path]["entries"] == 1_000


SHAPES = {
    "__main__.requests": "str 'req-' + 8 hex",
    "__main__.text_only": "str 6 digits",
    "__main__.Service.registry": "int sequential",
    "__main__.numbers": None,
}


@pytest.mark.parametrize("path", SHAPES)
def test_keys_are_told_by_their_shape(seen: Any, path: str) -> None:
    """What the newest keys look like, not what they are."""
    assert seen["owners"][path]["shape"] == SHAPES[path]


BOUNDS = {
    "__main__.last": ["deque(maxlen)", 1_000, 300],
    "__main__.parse cache": ["lru_cache(maxsize)", 5_000, 700],
    "__main__.limited.items": ["__main__.Limited.maxsize", 5_000, 1_000],
    "__main__.narrow.items": ["__main__.Narrow.max_entries", 4_000, 1_000],
    "__main__.careless.items": None,
    "__main__.unbounded": None,
    "__main__.parse_all cache": None,
    "__main__.by_name": None,
}


@pytest.mark.parametrize("path", BOUNDS)
def test_a_bound_is_told_where_something_enforces_it(seen: Any, path: str) -> None:
    """Of a deque, an lru_cache and an attribute that the code reads; a limit that nobody reads is none."""
    assert seen["owners"][path]["bound"] == BOUNDS[path]


def test_namespaces_and_small_containers_are_no_owners(seen: Any) -> None:
    """Not listed: modules, classes, dicts of instances and functions, what has less than four entries, small tuples."""
    paths = set(seen["owners"])

    assert not any(path.endswith("__dict__") for path in paths)
    assert {"__main__", "__main__.small", "__main__.small_tuple", "__main__.Service"}.isdisjoint(paths)
    assert seen["least"] == 4


def test_what_holds_only_weak_references_owns_nothing(seen: Any) -> None:
    """Its entries go when what they point to goes."""
    assert not any(path.startswith("__main__.weak") for path in seen["owners"])
    assert seen["owners"]["__main__.targets"]["entries"] == 300


def test_the_heaviest_come_first(seen: Any) -> None:
    """Most bytes first, and every one has some."""
    assert seen["order"] == sorted(seen["order"], reverse=True)
    assert min(seen["order"]) > 0


def test_entries_of_the_largest_are_measured(seen: Any) -> None:
    """By pympler, where an entry is nothing but data: 1,000 keys with two texts each are some 300 bytes an entry."""
    measured = [owner for owner in seen["owners"].values() if owner["entry_bytes"] is not None]

    assert measured
    assert {owner["sized_by"] for owner in measured} <= {"pympler", "walk"}
    assert all(0 < owner["entry_bytes"] < owner["bytes"] for owner in measured)


def test_no_key_and_no_value_is_shown(seen: Any) -> None:
    """Not in its text, not in a diff or an explanation of it, not in what is kept in a file."""
    assert seen["is_shown"] == [0] * 8
    assert seen["is_saved"] == 0
    assert not any("canary" in f"{path} {owner}" for path, owner in seen["owners"].items())
