"""Programs that look like leaks for a while and are none: nothing in them is to be broken."""

from __future__ import annotations

from mutation_shapes import Draw, Shape, Sketch, sketch
from mutation_shapes_inflight import combined
from mutation_shapes_parts import async_driver, driver, store


def clean(draw: Draw, body: str, *, driven: str = "", needs: tuple[str, ...] = ("$handle",)) -> Sketch:
    """Make a sketch without a place to break."""
    return sketch(draw, body, fix="", breaks={}, owner=(), driver=driven or driver(draw), needs=needs)


FILLS = """
DECLARE


def $handle(number):
    key = KEY
    item = ITEM
    PUT
    TRIM
"""


def fills_to_a_bound(draw: Draw) -> Sketch:
    """Fill a container up to a bound that is reached before, during or after the run."""
    kept = store(draw, only_trimmed=True)
    limit = (300, 700, 1500, 3000)[draw.between(0, 3)] + draw.between(0, 90)
    draw.names["limit"] = str(limit)
    draw.tags.append(f"limit {limit}")
    body = combined(FILLS, kept).replace("TRIM", kept.trim.replace("\n", "\n    "))
    return clean(draw, body, driven=driver(draw, same_thread=kept.needs_same_thread))


def ring(draw: Draw) -> Sketch:
    """Keep a ring of cyclic objects."""
    body = """
import collections


class $Node:
    def __init__(self, number):
        self.number = number
        self.self = self
        self.children = [$Leaf(self)]


class $Leaf:
    def __init__(self, parent):
        self.parent = parent


$recent = collections.deque(maxlen=SIZE)


def $handle(number):
    $recent.append($Node(number))
"""
    return clean(draw, body.replace("SIZE", str(draw.between(50, 2500))))


def lru(draw: Draw) -> Sketch:
    """Cache the results of a function, some of them cyclic, in a bounded cache."""
    body = """
import functools


@functools.lru_cache(maxsize=SIZE)
def $tree(number):
    node = {"number": number, "children": []}
    node["children"].append({"parent": node})
    return node


def $handle(number):
    $tree(number)
"""
    return clean(draw, body.replace("SIZE", str(draw.between(64, 4000))))


def small_key_space(draw: Draw) -> Sketch:
    """Memoise by a key from a limited set."""
    body = """
$memo = {}


def $price(product, region):
    found = $memo.get((product, region))
    if found is None:
        found = $memo[product, region] = {"product": product, "region": region, "price": product * 1.5}
    return found


def $handle(number):
    $price((number * 7919) % PRODUCTS, (number // 3) % REGIONS)
"""
    body = body.replace("PRODUCTS", str(draw.between(20, 120))).replace("REGIONS", str(draw.between(1, 9)))
    return clean(draw, body)


def random_keys(draw: Draw) -> Sketch:
    """Memoise by random keys from a limited set: the growth decays."""
    body = """
import random

$memo = {}
$dice = random.Random(SEED)


def $handle(number):
    key = $dice.randrange(SPACE)
    if key not in $memo:
        $memo[key] = [key, str(key)]
"""
    body = body.replace("SEED", str(draw.between(1, 999))).replace("SPACE", str(draw.between(100, 600)))
    return clean(draw, body)


def sawtooth(draw: Draw) -> Sketch:
    """Buffer and flush at intervals longer than a round or shorter."""
    body = """
$buffer = MAKE


def $flush():
    FLUSH


def $handle(number):
    ADD
    if len($buffer) >= SIZE:
        $flush()
"""
    make, add, flush = (
        ("[]", "$buffer.append({'number': number})", "$buffer.clear()"),
        ("{}", "$buffer[number] = str(number)", "$buffer.clear()"),
        ("bytearray()", "$buffer.extend(b'abc')", "del $buffer[:]"),
        ("set()", "$buffer.add((number, 'x'))", "$buffer.difference_update(list($buffer))"),
    )[draw.between(0, 3)]
    size = (17, 90, 150, 260, 500)[draw.between(0, 4)] + draw.between(0, 9)
    draw.tags.append(f"{make} flushed at {size}")
    body = body.replace("MAKE", make).replace("ADD", add).replace("FLUSH", flush)
    return clean(draw, body.replace("SIZE", str(size)))


def double_buffer(draw: Draw) -> Sketch:
    """Fill one buffer while the other is read."""
    body = """
class $Buffers:
    def __init__(self):
        self.front = []
        self.back = []

    def write(self, number):
        self.back.append([number, str(number)])
        if len(self.back) >= SIZE:
            self.front, self.back = self.back, []


$buffers = $Buffers()


def $handle(number):
    $buffers.write(number)
"""
    return clean(draw, body.replace("SIZE", str(draw.between(30, 350))))


def pool(draw: Draw) -> Sketch:
    """Grow a pool of connections up to its size."""
    body = """
class $Pool:
    max_size = SIZE

    def __init__(self):
        self.idle = []
        self.busy = set()
        self.made = 0

    def take(self, wish):
        if self.idle and wish % 3:
            connection = self.idle.pop()
        elif self.made < self.max_size:
            self.made += 1
            connection = $Connection()
        else:
            connection = self.idle.pop()
        self.busy.add(connection)
        return connection

    def give_back(self, connection):
        self.busy.remove(connection)
        self.idle.append(connection)


class $Connection:
    def __init__(self):
        self.buffer = bytearray(500)


$pool = $Pool()


def $handle(number):
    $pool.give_back($pool.take(number))
"""
    return clean(draw, body.replace("SIZE", str(draw.between(20, 200))))


def lazy_tables(draw: Draw) -> Sketch:
    """Build each row of a table when it is first asked for."""
    body = """
class $Tables:
    def __init__(self):
        self.rows = [None] * SIZE

    def row(self, index):
        if self.rows[index] is None:
            self.rows[index] = [index * column for column in range(8)]
        return self.rows[index]


$tables = $Tables()


def $handle(number):
    $tables.row(number % SIZE)
"""
    return clean(draw, body.replace("SIZE", str(draw.between(40, 800))))


def interned(draw: Draw) -> Sketch:
    """Keep one object for each name of a limited set of names, made on demand."""
    body = """
class $Symbol:
    table = {}

    def __new__(cls, name):
        found = cls.table.get(name)
        if found is None:
            found = cls.table[name] = super().__new__(cls)
            found.name = name
        return found


def $handle(number):
    $Symbol(f"symbol-{number * number % SIZE}")
"""
    return clean(draw, body.replace("SIZE", str(draw.between(101, 907))))


def cyclic_garbage(draw: Draw) -> Sketch:
    """Make cycles that only the collector frees."""
    body = """
class $Owner:
    def __init__(self, number):
        self.number = number
        self.parts = [$Part(self) for _ in range(4)]


class $Part:
    def __init__(self, owner):
        self.owner = owner
        self.call = lambda: self.owner


def $handle(number):
    $Owner(number)
    try:
        raise ValueError(number)
    except ValueError as error:
        kept = error
    return kept is None
"""
    return clean(draw, body)


def dynamic_classes(draw: Draw) -> Sketch:
    """Make a class for each unit and let it go."""
    body = """
def $handle(number):
    made = type(f"Row{number}", (), {"__slots__": ("a", "b"), "number": number})
    instance = made()
    instance.a = instance
"""
    return clean(draw, body)


def ttl(draw: Draw) -> Sketch:
    """Expire entries after a number of units."""
    body = """
import collections

$alive = collections.OrderedDict()


def $expire(now):
    while $alive:
        key, (born, _) = next(iter($alive.items()))
        if born > now - LIFETIME:
            break
        del $alive[key]


def $handle(number):
    $alive[f"session-{number}"] = (number, {"user": number})
    if number % EVERY == 0:
        $expire(number)
"""
    body = body.replace("LIFETIME", str(draw.between(50, 900))).replace("EVERY", str(draw.between(1, 60)))
    return clean(draw, body)


def history_of_counts(draw: Draw) -> Sketch:
    """Count by bucket: numbers grow, entries do not."""
    body = """
import collections

$counts = collections.Counter()
$latest = {}


def $handle(number):
    $counts[f"bucket {number % SIZE}"] += 10**6 * number
    $latest[number % SIZE] = {"number": number, "text": str(number) * (number % 9)}
"""
    return clean(draw, body.replace("SIZE", str(draw.between(20, 300))))


def compacted(draw: Draw) -> Sketch:
    """Append to a log that is compacted when it is twice as long as it must be."""
    body = """
class $Log:
    def __init__(self):
        self.records = []
        self.base = 0

    def append(self, number):
        self.records.append((number % SIZE, number))
        if len(self.records) > 2 * SIZE:
            self.compact()

    def compact(self):
        latest = dict(self.records)
        self.base += len(self.records)
        self.records = list(latest.items())


$log = $Log()


def $handle(number):
    $log.append(number)
"""
    return clean(draw, body.replace("SIZE", str(draw.between(20, 400))))


def generations(draw: Draw) -> Sketch:
    """Keep two generations of a cache and drop the older when the younger is full."""
    body = """
class $Cache:
    def __init__(self):
        self.young = {}
        self.old = {}

    def put(self, key, value):
        if len(self.young) >= SIZE:
            self.old = self.young
            self.young = {}
        self.young[key] = value


$cache = $Cache()


def $handle(number):
    $cache.put((number, "k"), [number])
"""
    return clean(draw, body.replace("SIZE", str(draw.between(40, 600))))


def async_steady(draw: Draw) -> Sketch:
    """Keep a limited number of tasks and futures in flight."""
    body = """
import asyncio
import collections

$window = collections.deque()


async def $work(number):
    await asyncio.sleep(0)
    return {"number": number}


async def $handle(number):
    $window.append(asyncio.ensure_future($work(number)))
    if len($window) > SIZE:
        await $window.popleft()
"""
    body = body.replace("SIZE", str(draw.between(5, 250)))
    return clean(draw, body, driven=async_driver(draw, one_loop=True))


def queue_levels(draw: Draw) -> Sketch:
    """Let a queue rise and fall between a producer and a consumer."""
    body = """
import queue

$jobs = queue.Queue(maxsize=SIZE)


def $handle(number):
    if $jobs.full():
        for _ in range(SIZE - number % 5):
            $jobs.get_nowait()
    $jobs.put_nowait((number, [number]))
"""
    return clean(draw, body.replace("SIZE", str(draw.between(25, 700))))


def warm_imports(draw: Draw) -> Sketch:
    """Compile each of a few patterns and templates when it is first needed."""
    body = """
import re
import string

$rendered = {}


def $handle(number):
    kind = number % SIZE
    pattern = re.compile(f"item-{kind}-([0-9]+)")
    found = pattern.match(f"item-{kind}-{number}")
    $rendered[kind] = string.Template("$$n of $$k").substitute(n=found.group(1), k=kind)
"""
    return clean(draw, body.replace("SIZE", str(draw.between(5, 400))))


def weakly_kept(draw: Draw) -> Sketch:
    """Hold objects weakly while a bounded list holds them strongly."""
    body = """
import collections
import weakref


class $Thing:
    def __init__(self, number):
        self.number = number


$index = weakref.WeakValueDictionary()
$recent = collections.deque(maxlen=SIZE)


def $handle(number):
    thing = $index[number] = $Thing(number)
    $recent.append(thing)
"""
    return clean(draw, body.replace("SIZE", str(draw.between(20, 900))))


def decaying(draw: Draw) -> Sketch:
    """Learn words of a text in which new ones get rarer and rarer."""
    body = """
$known = {}


def $handle(number):
    word = int((number * 2654435761 % 2**32) ** 0.5) % SIZE
    if word not in $known:
        $known[word] = f"word {word}"
"""
    return clean(draw, body.replace("SIZE", str(draw.between(150, 700))))


def nightly(draw: Draw) -> Sketch:
    """Empty everything at once after several rounds."""
    body = """
class $Day:
    def __init__(self):
        self.visits = []
        self.users = {}

    def visit(self, number):
        self.visits.append(number)
        self.users[number] = (number, "user")
        if len(self.visits) == SIZE:
            self.visits = []
            self.users = {}


$day = $Day()


def $handle(number):
    $day.visit(number)
"""
    return clean(draw, body.replace("SIZE", str(draw.between(110, 450))))


SHAPES: tuple[tuple[Shape, int], ...] = (
    (fills_to_a_bound, 6),
    (ring, 2),
    (lru, 3),
    (small_key_space, 2),
    (random_keys, 2),
    (sawtooth, 4),
    (double_buffer, 2),
    (pool, 2),
    (lazy_tables, 2),
    (interned, 2),
    (cyclic_garbage, 1),
    (dynamic_classes, 1),
    (ttl, 2),
    (history_of_counts, 1),
    (compacted, 2),
    (generations, 2),
    (async_steady, 2),
    (queue_levels, 2),
    (warm_imports, 2),
    (weakly_kept, 1),
    (decaying, 2),
    (nightly, 2),
)
