"""The parts that shapes are combined from: containers, holders, keys, entries and drivers."""

from __future__ import annotations

from dataclasses import dataclass

from mutation_shapes import GONE, PUT, Draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """How to make a container, put ``item`` under ``key`` into it, and take it out again; ``REF`` names it."""

    make: str
    put: str
    take: str
    wrong: str = ""
    imports: str = ""
    define: str = ""
    item: str = ""  # what an entry must be, where it cannot be anything
    trim: str = ""  # keeps it at ``$limit`` entries
    is_keyed: bool = True


def keyed(make: str, *, imports: str = "", define: str = "", put: str = "REF[key] = item") -> Container:
    """Describe a mapping."""
    return Container(
        make=make,
        put=put,
        take="del REF[key]",
        wrong="REF.pop(repr(key), None)",
        imports=imports,
        define=define,
        trim="while len(REF) > $limit:\n    del REF[next(iter(REF))]",
    )


DICT_SUBCLASS = """
class $Table(dict):
    def add(self, key, item):
        self[key] = item#P

    def drop(self, key):
        self.pop(key)#G
"""
WRAPPER = """
class $Table:
    __slots__ = ("${inner}", "hits")

    def __init__(self):
        self.${inner} = {}
        self.hits = 0

    def add(self, key, item):
        self.${inner}[key] = item#P

    def drop(self, key):
        self.${inner}.pop(key, None)#G

    def __len__(self):
        return len(self.${inner})
"""

CONTAINERS: dict[str, Container] = {
    "dict": keyed("{}"),
    "OrderedDict": keyed("collections.OrderedDict()", imports="import collections"),
    "defaultdict(list)": keyed(
        "collections.defaultdict(list)", imports="import collections", put="REF[key].append(item)"
    ),
    "dict of dicts": keyed("{}", put='REF.setdefault(key, {})["first"] = item'),
    "ChainMap": Container(
        make="collections.ChainMap({}, {})",
        put="REF[key] = item",
        take="REF.pop(key)",
        wrong="REF.pop(repr(key), None)",
        imports="import collections",
    ),
    "UserDict": Container(
        make="collections.UserDict()",
        put="REF[key] = item",
        take="del REF[key]",
        wrong="REF.pop(repr(key), None)",
        imports="import collections",
    ),
    "set of keys": Container(make="set()", put="REF.add(key)", take="REF.remove(key)", wrong="REF.discard(repr(key))"),
    "set of pairs": Container(
        make="set()",
        put="REF.add((key, number))",
        take="REF.discard((key, number))",
        wrong="REF.discard((number, key))",
    ),
    "list": Container(
        make="[]", put="REF.append(item)", take="REF.remove(item)", is_keyed=False, trim="del REF[:-$limit]"
    ),
    "list of pairs": Container(
        make="[]", put="REF.append((key, item))", take="REF.pop()", is_keyed=False, trim="del REF[:-$limit]"
    ),
    "deque": Container(
        make="collections.deque()",
        put="REF.append(item)",
        take="REF.popleft()",
        imports="import collections",
        is_keyed=False,
        trim="while len(REF) > $limit:\n    REF.popleft()",
    ),
    "heap": Container(
        make="[]",
        put="heapq.heappush(REF, (number, item))",
        take="heapq.heappop(REF)",
        imports="import heapq",
        is_keyed=False,
        trim="while len(REF) > $limit:\n    heapq.heappop(REF)",
    ),
    "SimpleQueue": Container(
        make="queue.SimpleQueue()",
        put="REF.put(item)",
        take="REF.get_nowait()",
        imports="import queue",
        is_keyed=False,
        trim="while REF.qsize() > $limit:\n    REF.get_nowait()",
    ),
    "Queue": Container(
        make="queue.Queue()",
        put="REF.put((key, item))",
        take="REF.get_nowait()",
        imports="import queue",
        is_keyed=False,
        trim="while REF.qsize() > $limit:\n    REF.get_nowait()",
    ),
    "dict subclass": Container(
        make="$Table()",
        put="REF.add(key, item)",
        take="REF.drop(key)",
        wrong="REF.pop(repr(key), None)",
        define=DICT_SUBCLASS,
    ),
    "wrapper with slots": Container(
        make="$Table()", put="REF.add(key, item)", take="REF.drop(key)", wrong="REF.drop(repr(key))", define=WRAPPER
    ),
    "bytearray": Container(
        make="bytearray()",
        put="REF.extend(item)",
        take="del REF[:len(item)]",
        item='number.to_bytes(8, "big") * 40',
        is_keyed=False,
        trim="del REF[:-$limit]",
    ),
    "array": Container(
        make='array.array("q")',
        put="REF.extend(item)",
        take="del REF[:len(item)]",
        imports="import array",
        item="range(number, number + 60)",
        is_keyed=False,
        trim="del REF[:-$limit]",
    ),
}

# Each declares $store, made by MAKE, and says below the line how code refers to it.
_HOLDERS = """
=== module global
$store = MAKE
--- $store
=== private global
_$store = MAKE
--- _$store
=== class attribute
class $Holder:
    $store = MAKE
--- $Holder.$store
=== inherited class attribute
class $Holder:
    $store = MAKE


class $Child($Holder):
    pass
--- $Child.$store
=== instance attribute
class $Holder:
    def __init__(self):
        self.$store = MAKE


$single = $Holder()
--- $single.$store
=== deep attribute
class $Inner:
    def __init__(self):
        self.$store = MAKE


class $Middle:
    def __init__(self):
        self.$part = $Inner()


class $Outer:
    def __init__(self):
        self.$whole = $Middle()


$single = $Outer()
--- $single.$whole.$part.$store
=== slots attribute
class $Holder:
    __slots__ = ("$store", "${other}")

    def __init__(self):
        self.$store = MAKE
        self.${other} = None


$single = $Holder()
--- $single.$store
=== dataclass field
@dataclasses.dataclass
class $Holder:
    title: str
    $store: object = dataclasses.field(default_factory=lambda: MAKE)


$single = $Holder("main")
--- $single.$store
=== closure
def $maker():
    $store = MAKE

    def current():
        return $store

    return current


$opener = $maker()
--- $opener()
=== function attribute
def $lookup():
    return $lookup.$store


$lookup.$store = MAKE
--- $lookup.$store
=== default argument
def $lookup($store=MAKE):
    return $store
--- $lookup()
=== keyword default
def $lookup(*, $store=MAKE):
    return $store
--- $lookup()
=== entry of a dict
$outer = {"north": MAKE, "south": {}}
--- $outer["north"]
=== entry of a list
class $Holder:
    def __init__(self):
        self.$store = MAKE


$outer = [$Holder() for _ in range(3)]
--- $outer[1].$store
=== namespace
$single = types.SimpleNamespace($store=MAKE, ${other}=1)
--- $single.$store
=== metaclass attribute
class $Meta(type):
    $store = MAKE


class $Holder(metaclass=$Meta):
    pass
--- $Holder.$store
=== enum member attribute
class $Lane(enum.Enum):
    FAST = "fast"
    SLOW = "slow"

    def __init__(self, label):
        self.$store = MAKE
--- $Lane.SLOW.$store
=== singleton by __new__
class $Holder:
    instance = None

    def __new__(cls):
        if cls.instance is None:
            cls.instance = super().__new__(cls)
            cls.instance.$store = MAKE
        return cls.instance
--- $Holder().$store
=== cached property
class $Holder:
    @functools.cached_property
    def $store(self):
        return MAKE


$single = $Holder()
--- $single.$store
=== cached factory
@functools.lru_cache(maxsize=1)
def $store():
    return MAKE
--- $store()
=== thread-local
$local = threading.local()


def $lookup():
    if not hasattr($local, "$store"):
        $local.$store = MAKE
    return $local.$store
--- $lookup()
=== context variable
$store = contextvars.ContextVar("$store", default=MAKE)
--- $store.get()
=== property of a singleton
class $Holder:
    def __init__(self):
        self._$store = MAKE

    @property
    def ${view}(self):
        return self._$store


$single = $Holder()
--- $single.${view}
"""


def _holders(text: str) -> dict[str, tuple[str, str]]:
    """Read each holder: its name, what declares it, and how code refers to it."""
    found = {}
    for block in text.split("=== ")[1:]:
        name, rest = block.split("\n", 1)
        declare, ref = rest.rsplit("--- ", 1)
        found[name] = (declare.rstrip("\n"), ref.strip())
    return found


HOLDERS = _holders(_HOLDERS)
HOLDER_NAMES: dict[str, tuple[str, ...]] = {
    "private global": ("_$store",),
    "property of a singleton": ("_$store",),
    "entry of a dict": ("$outer",),
    "default argument": ("$store", "$lookup"),
    "keyword default": ("$store", "$lookup"),
}

KEYS = {
    "text": 'f"req-{number:08x}"',
    "number": "number",
    "pair": '(number % 5, f"user{number}")',
    "UUID": "uuid.UUID(int=number)",
    "bytes": 'number.to_bytes(12, "big")',
    "fraction": "fractions.Fraction(number, 7)",
}
ENTRIES = {
    "dict": '{"id": number, "state": "new"}',
    "text": '"payload " + str(number) * 30',
    "bytes": "bytes(200) + str(number).encode()",
    "tuple": '(number, str(number), ["a", number])',
    "object": "$Entry(number)",
    "object in a cycle": "$Cyclic(number)",
    "dataclass": "$Record(number, str(number))",
    "large": "bytearray(4000)",
    "float list": "[number * 0.5, number * 0.25]",
    "function": "lambda: number",
    "exception": "ValueError(str(number))",
}
ENTRY_CLASSES = {
    "$Entry": """
class $Entry:
    def __init__(self, number):
        self.number = number
        self.notes = [number]
""",
    "$Cyclic": """
class $Cyclic:
    def __init__(self, number):
        self.number = number
        self.parent = self
""",
    "$Record": """
@dataclasses.dataclass(eq=False)
class $Record:
    number: int
    label: str
""",
}

_LIBRARIES = ("dataclasses", "contextvars", "enum", "functools", "types", "threading", "uuid", "fractions")

LOOP = """
import itertools

$drive_numbers = itertools.count($start)


def step(n):
    for _ in range(n):
        $handle(next($drive_numbers))
"""
DRIVERS = {
    "loop": LOOP,
    "single unit": """
import itertools

$drive_numbers = itertools.count($start)


def step():
    $handle(next($drive_numbers))
""",
    "async": """
import asyncio
import itertools

$drive_numbers = itertools.count($start)


async def step(n):
    for _ in range(n):
        $handle(next($drive_numbers))
        await asyncio.sleep(0)
""",
    "worker thread": """
import itertools
import queue
import threading

$drive_numbers = itertools.count($start)
$drive_inbox = queue.Queue()


def $drive_serve():
    while True:
        $handle($drive_inbox.get())
        $drive_inbox.task_done()


def setup():
    threading.Thread(target=$drive_serve, daemon=True).start()


def step(n):
    for _ in range(n):
        $drive_inbox.put(next($drive_numbers))
    $drive_inbox.join()
""",
    "thread pool": """
import concurrent.futures
import itertools

$drive_numbers = itertools.count($start)
$drive_pool = concurrent.futures.ThreadPoolExecutor(2)


def step(n):
    for _ in range(n):
        $drive_pool.submit($handle, next($drive_numbers)).result()
""",
    "generator": """
import itertools

$drive_numbers = itertools.count($start)


def $drive_pump():
    while True:
        number = yield
        $handle(number)


$drive_pumping = $drive_pump()
next($drive_pumping)


def step(n):
    for _ in range(n):
        $drive_pumping.send(next($drive_numbers))
""",
    "to_thread": """
import asyncio
import itertools

$drive_numbers = itertools.count($start)


async def step(n):
    for _ in range(n):
        await asyncio.to_thread($handle, next($drive_numbers))
""",
}
ASYNC_DRIVERS = {
    "async": """
import itertools

$drive_numbers = itertools.count($start)


async def step(n):
    for _ in range(n):
        await $handle(next($drive_numbers))
""",
    "gather": """
import asyncio
import itertools

$drive_numbers = itertools.count($start)


async def step(n):
    await asyncio.gather(*[$handle(next($drive_numbers)) for _ in range(n)])
""",
    "own loop": """
import asyncio
import itertools

$drive_numbers = itertools.count($start)
$drive_loop = asyncio.new_event_loop()


def step(n):
    for _ in range(n):
        $drive_loop.run_until_complete($handle(next($drive_numbers)))
""",
}
SAME_THREAD = ("loop", "single unit", "generator", "async")


def driver(draw: Draw, *, same_thread: bool = False) -> str:
    """Choose who calls the function that does a unit."""
    draw.names["start"] = str(draw.between(0, 100_000))
    table = {name: text for name, text in DRIVERS.items() if not same_thread or name in SAME_THREAD}
    return draw.tagged("style", table)


def async_driver(draw: Draw, *, one_loop: bool = False) -> str:
    """Choose who awaits the coroutine function that does a unit."""
    draw.names["start"] = str(draw.between(0, 100_000))
    table = {name: text for name, text in ASYNC_DRIVERS.items() if not one_loop or name != "own loop"}
    return draw.tagged("style", table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A container in its holder, as statements over ``number``, ``key`` and ``item``."""

    declare: str
    put: str
    take: str
    wrong: str
    trim: str
    key: str
    item: str
    ref: str
    owner: tuple[str, ...]
    needs_same_thread: bool


def store(draw: Draw, *, only_trimmed: bool = False, only_keyed: bool = False) -> Store:
    """Choose a container, its holder, its keys and its entries."""
    names = [
        name
        for name, each in CONTAINERS.items()
        if (each.trim or not only_trimmed) and (each.is_keyed or not only_keyed)
    ]
    container = CONTAINERS[draw.tagged("container", {name: name for name in names})]
    holder = draw.tagged("holder", {name: name for name in HOLDERS})
    declare, ref = HOLDERS[holder]
    item = container.item or draw.tagged("entry", ENTRIES)
    key = draw.tagged("key", KEYS)
    text = "\n\n".join(
        part
        for part in (
            container.imports,
            "\n".join(f"import {name}" for name in _LIBRARIES if f"{name}." in declare + item + key or name in item),
            "import dataclasses" if "$Record" in item else "",
            container.define.replace("#P", PUT).replace("#G", GONE),
            next((ENTRY_CLASSES[name] for name in ENTRY_CLASSES if name in item), ""),
            declare.replace("MAKE", container.make),
        )
        if part
    )
    return Store(
        declare=text,
        put=container.put.replace("REF", ref),
        take=container.take.replace("REF", ref),
        wrong=container.wrong.replace("REF", ref),
        trim=container.trim.replace("REF", ref),
        key=key,
        item=item,
        ref=ref,
        owner=HOLDER_NAMES.get(holder, ("$store",)),
        needs_same_thread=holder == "thread-local",
    )
