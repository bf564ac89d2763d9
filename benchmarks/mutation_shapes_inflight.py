"""Shapes in which each unit puts an entry into a container and takes it out when it is done."""

from __future__ import annotations

from mutation_shapes import Draw, Shape, Sketch, removals, sketch
from mutation_shapes_parts import Store, async_driver, driver, store


def combined(body: str, kept: Store) -> str:
    """Put the statements of a store into a body."""
    parts = {"DECLARE": kept.declare, "PUT": f"{kept.put}  #put", "KEY": kept.key, "ITEM": kept.item}
    for word, text in parts.items():
        body = body.replace(word, text)
    return body


BEGIN_AND_END = """
DECLARE


def $begin(number, key):
    item = ITEM
    PUT
    return item


def $end(number, key, item):
    $stats["ended"] += 1
    @@


$stats = {"begun": 0, "ended": 0}


def $handle(number):
    key = KEY
    $stats["begun"] += 1
    item = $begin(number, key)
    $end(number, key, item)
"""


def begin_and_end(draw: Draw) -> Sketch:
    """Use one function that registers and one that forgets."""
    kept = store(draw)
    breaks = removals(draw, kept.take, wrong=kept.wrong)
    body = combined(BEGIN_AND_END, kept)
    return sketch(draw, body, fix=kept.take, breaks=breaks, owner=kept.owner, driver=driver(draw))


TRY_FINALLY = """
DECLARE


def $work(number, item):
    if SHARE:
        raise ValueError(number)
    return number * 2


def $process(number):
    key = KEY
    item = ITEM
    PUT
    @@


def $handle(number):
    try:
        $process(number)
    except ValueError:
        return None
"""


def try_finally(draw: Draw) -> Sketch:
    """Take the entry out in a ``finally``, which a refactoring turns into the next line."""
    kept = store(draw)
    body = combined(TRY_FINALLY, kept).replace("SHARE", draw.share())
    fix = f"try:\n    $work(number, item)\nfinally:\n    {kept.take}"
    breaks = {
        "out of the finally": f"$work(number, item)\n{kept.take}",
        "only after an error of another kind": f"try:\n    $work(number, item)\nexcept KeyError:\n    {kept.take}",
        "removal in the else": f"try:\n    $work(number, item)\nexcept ValueError:\n    pass\nelse:\n    {kept.take}",
    }
    return sketch(draw, body, fix=fix, breaks=breaks, owner=kept.owner, driver=driver(draw))


CONTEXT_MANAGER = """
import contextlib

DECLARE


@contextlib.contextmanager
def $tracked(number, key):
    item = ITEM
    PUT
    @@


def $handle(number):
    with contextlib.suppress(RuntimeError):
        with $tracked(number, KEY) as item:
            if SHARE:
                raise RuntimeError("refused")
"""


def context_manager(draw: Draw) -> Sketch:
    """Track work in a context manager that forgets the ``finally``."""
    kept = store(draw)
    body = combined(CONTEXT_MANAGER, kept).replace("SHARE", draw.share())
    fix = f"try:\n    yield item\nfinally:\n    {kept.take}"
    breaks = {"out of the finally": f"yield item\n{kept.take}", "removal deleted": "yield item"}
    return sketch(draw, body, fix=fix, breaks=breaks, owner=kept.owner, driver=driver(draw))


ENTER_AND_EXIT = """
DECLARE


class $Session:
    def __init__(self, number):
        self.number = number
        self.key = KEY
        self.item = ITEM

    def __enter__(self):
        number, key, item = self.number, self.key, self.item
        PUT
        return self

    def __exit__(self, kind, error, trace):
        number, key, item = self.number, self.key, self.item
        @@
        return False


def $handle(number):
    try:
        with $Session(number):
            if SHARE:
                raise LookupError(number)
    except LookupError:
        pass
"""


def enter_and_exit(draw: Draw) -> Sketch:
    """Register in ``__enter__`` and forget in ``__exit__``."""
    kept = store(draw)
    body = combined(ENTER_AND_EXIT, kept).replace("SHARE", draw.share())
    breaks = {
        "removal deleted": "",
        "not after errors": f"if kind is None:\n    {kept.take}",
        "early return after errors": f"if error is not None:\n    return False\n{kept.take}",
    }
    return sketch(draw, body, fix=kept.take, breaks=breaks, owner=kept.owner, driver=driver(draw))


DECORATED = """
import functools

DECLARE


def $tracking(function):
    @functools.wraps(function)
    def wrapper(number):
        key = KEY
        item = ITEM
        PUT
        @@

    return wrapper


@$tracking
def $handle(number):
    return len(str(number))
"""


def decorated(draw: Draw) -> Sketch:
    """Track calls in a decorator."""
    kept = store(draw)
    share = draw.share()
    fix = f"result = function(number)\n{kept.take}\nreturn result"
    breaks = {
        "returns before the removal": f"return function(number)\n{kept.take}",
        "early return": f"result = function(number)\nif {share}:\n    return result\n{kept.take}\nreturn result",
    }
    if kept.wrong:
        breaks["wrong key"] = f"result = function(number)\n{kept.wrong}\nreturn result"
    return sketch(draw, combined(DECORATED, kept), fix=fix, breaks=breaks, owner=kept.owner, driver=driver(draw))


COMPLETION = """
DECLARE


class $Job:
    def __init__(self, number, done):
        self.number = number
        self.done = done

    def run(self):
        number = self.number
        if SHARE:
            return self.fail()
        self.done(self.number)

    def fail(self):
        @@


def $finished(number):
    key = KEY
    item = $made.pop(number)
    TAKE  #gone


$made = {}


def $handle(number):
    key = KEY
    item = ITEM
    $made[number] = item
    PUT
    $Job(number, $finished).run()
    $made.pop(number, None)
"""


def completion(draw: Draw) -> Sketch:
    """Take the entry out in a completion callback that failures do not call."""
    kept = store(draw)
    body = combined(COMPLETION, kept).replace("SHARE", draw.share()).replace("TAKE", kept.take)
    breaks = {
        "failures do not report": "return None",
        "failures report late": "if self.number < 0:\n    self.done(self.number)",
    }
    return sketch(draw, body, fix="self.done(self.number)", breaks=breaks, owner=kept.owner, driver=driver(draw))


ASYNC_FINALLY = """
import asyncio

DECLARE


async def $call(number, item):
    await asyncio.sleep(0)
    if SHARE:
        raise ERROR


async def $serve(number):
    key = KEY
    item = ITEM
    PUT
    @@


async def $handle(number):
    try:
        await $serve(number)
    except (ConnectionError, asyncio.CancelledError):
        pass
"""


def async_finally(draw: Draw) -> Sketch:
    """Take the entry out after an await that may fail or be cancelled."""
    kept = store(draw)
    error = draw.pick('ConnectionError("reset")', "asyncio.CancelledError")
    body = combined(ASYNC_FINALLY, kept).replace("SHARE", draw.share()).replace("ERROR", error)
    fix = f"try:\n    await $call(number, item)\nfinally:\n    {kept.take}"
    breaks = {
        "out of the finally": f"await $call(number, item)\n{kept.take}",
        "only on timeout": f"try:\n    await $call(number, item)\nexcept TimeoutError:\n    {kept.take}",
    }
    driven = async_driver(draw, one_loop=kept.needs_same_thread)
    return sketch(draw, body, fix=fix, breaks=breaks, owner=kept.owner, driver=driven)


METHODS = """
DECLARE


class $Service:
    def __init__(self):
        self.handled = 0

    def accept(self, number):
        key = KEY
        item = ITEM
        PUT
        try:
            return self.answer(number, key, item)
        finally:
            self.handled += 1

    def answer(self, number, key, item):
        reply = {"number": number}
        self.settle(number, key, item, reply)
        return reply

    def settle(self, number, key, item, reply):
        reply["settled"] = True
        @@


$service = $Service()


def $handle(number):
    $service.accept(number)
"""


def methods(draw: Draw) -> Sketch:
    """Add in one method and take out two calls deeper: the delete that wandered into an ``if``."""
    kept = store(draw)
    breaks = removals(draw, kept.take, wrong=kept.wrong)
    breaks["removal in an if"] = f'if reply.get("accepted"):\n    {kept.take}'
    body = combined(METHODS, kept)
    return sketch(draw, body, fix=kept.take, breaks=breaks, owner=kept.owner, driver=driver(draw))


CLOSURES = """
IMPORTS


def $make_tracker():
    $store = MAKE
    totals = [0]

    def enter(number):
        totals[0] += 1
        $store[number] = ITEM  #put

    def leave(number):
        totals[0] -= 1
        @@

    return enter, leave


$enter, $leave = $make_tracker()


def $handle(number):
    $enter(number)
    $leave(number)
"""


def closures(draw: Draw) -> Sketch:
    """Keep the container in a variable that two closures share."""
    make = draw.tagged("container", {"dict": "{}", "OrderedDict": "collections.OrderedDict()"})
    item = draw.pick("[number, str(number)]", '{"id": number}', "bytearray(300)")
    body = CLOSURES.replace("IMPORTS", "import collections").replace("MAKE", make).replace("ITEM", item)
    breaks = removals(draw, "del $store[number]", wrong="$store.pop(str(number), None)")
    return sketch(draw, body, fix="del $store[number]", breaks=breaks, owner=("$store",), driver=driver(draw))


TWO_INDEXES = """
class $Registry:
    def __init__(self):
        self.$by_id = {}
        self.$by_name = {}

    def add(self, number):
        entry = {"number": number, "name": f"n{number}"}
        self.$by_id[number] = entry
        self.$by_name[entry["name"]] = entry  #put
        return entry

    def remove(self, number):
        entry = self.$by_id.pop(number)
        @@
        return entry


$registry = $Registry()


def $handle(number):
    $registry.add(number)
    $registry.remove(number)
"""


def two_indexes(draw: Draw) -> Sketch:
    """Index entries twice and forget one of the indexes."""
    removal = 'self.$by_name.pop(entry["name"])'
    breaks = {
        "removal deleted": "",
        "wrong key": 'self.$by_name.pop(entry["number"], None)',
        "removal in an if": f"if {draw.share().replace('==', '!=').replace(' in ', ' not in ')}:\n    {removal}",
    }
    return sketch(draw, TWO_INDEXES, fix=removal, breaks=breaks, owner=("$by_name",), driver=driver(draw))


GROUPS = """
import collections

$rooms = collections.defaultdict(set)


class $Member:
    def __init__(self, number):
        self.number = number
        self.room = f"room-{number % SPREAD}"


def $join(member):
    $rooms[member.room].add(member)  #put


def $leave(member):
    $seen[member.number % 16] += 1
    @@


$seen = [0] * 16


def $handle(number):
    member = $Member(number)
    $join(member)
    $leave(member)
"""


def groups(draw: Draw) -> Sketch:
    """Keep members in sets by group."""
    fix = "$rooms[member.room].discard(member)"
    breaks = {
        "removal deleted": "",
        "wrong group": "$rooms[member.number].discard(member)",
        "wrong member": "$rooms[member.room].discard(member.number)",
        "removal in an if": "if member.number % 5 == 0:\n    $rooms[member.room].discard(member)",
    }
    body = GROUPS.replace("SPREAD", str(draw.between(3, 12)))
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$rooms",), driver=driver(draw))


GENERATOR_LOCAL = """
def $conversation():
    $store = {}
    reply = None
    while True:
        kind, number = yield reply
        if kind == "open":
            $store[number] = {"number": number, "log": [number]}  #put
            reply = len($store)
        else:
            reply = number
            @@


$session = $conversation()
next($session)


def $handle(number):
    $session.send(("open", number))
    $session.send(("close", number))
"""


def generator_local(draw: Draw) -> Sketch:
    """Keep the container in a local of a suspended generator."""
    breaks = removals(draw, "del $store[number]", wrong="$store.pop(str(number), None)")
    del breaks["early return"]
    driven = driver(draw, same_thread=True)
    return sketch(
        draw, GENERATOR_LOCAL, fix="del $store[number]", breaks=breaks, owner=("$store", "$conversation"), driver=driven
    )


PARENTS = """
class $Node:
    def __init__(self, title, parent=None):
        self.title = title
        self.parent = parent
        self.$children = []
        if parent is not None:
            parent.$children.append(self)  #put

    def detach(self):
        parent, self.parent = self.parent, None
        @@


$root = $Node("root")


def $handle(number):
    node = $Node(f"node {number}", $root)
    $Node("leaf", node)
    node.detach()
"""


def parents(draw: Draw) -> Sketch:
    """Hang nodes under a root and detach them from one side only."""
    breaks = {
        "removal deleted": "",
        "removal in an if": "if not self.$children:\n    parent.$children.remove(self)",
        "wrong list": "if self in self.$children:\n    self.$children.remove(self)",
    }
    fix = "parent.$children.remove(self)"
    return sketch(draw, PARENTS, fix=fix, breaks=breaks, owner=("$children",), driver=driver(draw))


SHAPES: tuple[tuple[Shape, int], ...] = (
    (begin_and_end, 7),
    (try_finally, 7),
    (context_manager, 7),
    (enter_and_exit, 7),
    (decorated, 6),
    (completion, 6),
    (async_finally, 7),
    (methods, 7),
    (closures, 2),
    (two_indexes, 2),
    (groups, 2),
    (generator_local, 2),
    (parents, 2),
)
