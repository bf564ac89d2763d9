"""Shapes in which something keeps a container small: a bound, a cache's size, a flush, a weak reference."""

from __future__ import annotations

from mutation_shapes import Draw, Shape, Sketch, sketch
from mutation_shapes_inflight import combined
from mutation_shapes_parts import driver, store

TRIMMED = """
DECLARE


def $remember(number, key, item):
    PUT
    @@


def $handle(number):
    $remember(number, KEY, ITEM)
"""


def trimmed(draw: Draw) -> Sketch:
    """Trim a history after each entry."""
    kept = store(draw, only_trimmed=True)
    draw.names["limit"] = str(draw.between(20, 300))
    first, *rest = kept.trim.splitlines()
    breaks = {"trim deleted": ""}
    if rest:
        breaks["limit never reached"] = kept.trim.replace("$limit", "$limit * 10**6")
        breaks["trim in an if"] = "\n".join(["if number < 0:", *(f"    {line}" for line in (first, *rest))])
    else:
        breaks["trims a copy"] = kept.trim.replace("del ", "list(").replace("[:-$limit]", ")[:-$limit]")
    driven = driver(draw, same_thread=kept.needs_same_thread)
    return sketch(draw, combined(TRIMMED, kept), fix=kept.trim, breaks=breaks, owner=kept.owner, driver=driven)


DECLARED = """
import collections
import queue


class $Recent:
    def __init__(self):
        @@

    def note(self, number):
        NOTE  #put


$recent = $Recent()


def $handle(number):
    $recent.note(number)
"""


def declared_bound(draw: Draw) -> Sketch:
    """Declare a bound where the container is made."""
    size = draw.between(10, 400)
    ring = (f"self.$store = collections.deque(maxlen={size})", "self.$store = collections.deque()")
    made, note = (
        (ring, "self.$store.append({'number': number})"),
        (ring, "self.$store.appendleft((number, str(number)))"),
    )[draw.between(0, 1)]
    body = DECLARED.replace("NOTE", note)
    return sketch(draw, body, fix=made[0], breaks={"bound dropped": made[1]}, owner=("$store",), driver=driver(draw))


GLOBAL_RING = """
import collections

@@


def $handle(number):
    $store.append([number, str(number)])  #put
"""


def global_ring(draw: Draw) -> Sketch:
    """Declare a ring at the top of a module."""
    fix = f"$store = collections.deque(maxlen={draw.between(10, 400)})"
    breaks = {
        "bound dropped": "$store = collections.deque()",
        "bound for another": "$store = collections.deque([None], None)",
    }
    return sketch(draw, GLOBAL_RING, fix=fix, breaks=breaks, owner=("$store",), driver=driver(draw))


CACHED_FUNCTION = """
import functools


@@
def $describe(number):
    return {"number": number, "text": str(number) * 4}  #put


def $handle(number):
    return $describe(number)
"""


def cached_function(draw: Draw) -> Sketch:
    """Cache a function's results."""
    fix = f"@functools.lru_cache(maxsize={draw.between(16, 256)})"
    breaks = {"bound dropped": "@functools.lru_cache(maxsize=None)", "cache for ever": "@functools.cache"}
    return sketch(draw, CACHED_FUNCTION, fix=fix, breaks=breaks, owner=("$describe",), driver=driver(draw))


CACHED_METHOD = """
import functools


class $Account:
    def __init__(self, number):
        self.number = number
        self.rows = [number] * 20

    @@
    def $summary(self):
        return sum(self.rows)


def $handle(number):
    account = $Account(number)
    return account.$summary()  #put
"""


def cached_method(draw: Draw) -> Sketch:
    """Cache a method, which keeps every instance."""
    fix = draw.pick("@functools.lru_cache(maxsize=32)", "")
    breaks = {"bound dropped": "@functools.lru_cache(maxsize=None)", "cache for ever": "@functools.cache"}
    return sketch(draw, CACHED_METHOD, fix=fix, breaks=breaks, owner=("$summary",), driver=driver(draw))


MUTABLE_DEFAULT = """
@@
    $prepare(number, $items)
    return len($items)


def $prepare(number, items):
    items.append({"number": number, "rows": [number]})  #put


def $handle(number):
    $collect(number)
"""


def mutable_default(draw: Draw) -> Sketch:
    """Collect into a list made for each call."""
    fix = "def $collect(number, $items=None):\n    $items = [] if $items is None else $items"
    breaks = {"mutable default": "def $collect(number, $items=[]):"}
    return sketch(draw, MUTABLE_DEFAULT, fix=fix, breaks=breaks, owner=("$items", "$collect"), driver=driver(draw))


CLASS_STATE = """
class $Basket:
    $lines: CONTAINER = MAKE
    currency = "EUR"

    def __init__(self, customer):
        self.customer = customer
        @@

    def put(self, number):
        ADD  #put


def $handle(number):
    basket = $Basket(f"customer {number}")
    basket.put(number)
"""


def class_state(draw: Draw) -> Sketch:
    """Give each instance a container of its own, or forget to and share the class's."""
    container, make, add = (
        ("list", "[]", "self.$lines.append((number, str(number)))"),
        ("dict", "{}", "self.$lines[number] = [number]"),
        ("set", "set()", "self.$lines.add(str(number))"),
    )[draw.between(0, 2)]
    draw.tags.append(f"container {container}")
    body = CLASS_STATE.replace("CONTAINER", container).replace("MAKE", make).replace("ADD", add)
    breaks = {"not made for each": "", "made only for the first": f"$Basket.$lines = $Basket.$lines or {make}"}
    return sketch(draw, body, fix=f"self.$lines = {make}", breaks=breaks, owner=("$lines",), driver=driver(draw))


FLUSHED = """
import array
import io


class $Writer:
    def __init__(self):
        self.$buffer = MAKE
        self.flushed = 0
        self.pending = 0

    def write(self, number):
        WRITE  #put
        self.pending += 1
        if self.pending >= SIZE:
            self.flush()

    def flush(self):
        self.flushed += self.pending
        self.pending = 0
        @@


$writer = $Writer()


def $handle(number):
    $writer.write(number)
"""


def flushed(draw: Draw) -> Sketch:
    """Buffer and flush: the flush forgets to empty the buffer."""
    table = {
        "list": ("[]", "self.$buffer.append(f'line {number}')", "self.$buffer.clear()"),
        "list rebound": ("[]", "self.$buffer.append([number])", "self.$buffer = []"),
        "dict": ("{}", "self.$buffer[number] = str(number)", "self.$buffer.clear()"),
        "bytearray": ("bytearray()", "self.$buffer += b'x' * 200", "del self.$buffer[:]"),
        "text": ("''", "self.$buffer += f'{number:0100d}'", "self.$buffer = ''"),
        "bytes": ("b''", "self.$buffer += number.to_bytes(100, 'big')", "self.$buffer = b''"),
        "array": ("array.array('d')", "self.$buffer.extend([0.5] * 40)", "del self.$buffer[:]"),
        "StringIO": ("io.StringIO()", "self.$buffer.write(f'row {number} ' * 20)", "self.$buffer = io.StringIO()"),
        "BytesIO": ("io.BytesIO()", "self.$buffer.write(bytes(200))", "self.$buffer = io.BytesIO()"),
        "tuple": ("()", "self.$buffer += (str(number),)", "self.$buffer = ()"),
    }
    kind = draw.tagged("container", {name: name for name in table})
    make, write, fix = table[kind]
    size = draw.between(5, 40)
    body = FLUSHED.replace("MAKE", make).replace("WRITE", write).replace("SIZE", str(size))
    breaks = {
        "flush forgets the buffer": "",
        "emptied in an if": f"if self.flushed < {size}:\n    {fix}",
        "emptied if empty": f"if self.pending:\n    {fix}",
    }
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$buffer",), driver=driver(draw))


OWN_LRU = """
import collections


class $Lru(BASE):
    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        @@


$store = $Lru(SIZE)


def $handle(number):
    $store[KEY] = [number, str(number)]  #put
"""


def own_lru(draw: Draw) -> Sketch:
    """Evict in ``__setitem__`` of a class of one's own."""
    base = draw.tagged("base", {"OrderedDict": "collections.OrderedDict", "dict": "dict"})
    evict = "self.popitem(last=False)" if base != "dict" else "del self[next(iter(self))]"
    body = OWN_LRU.replace("BASE", base).replace("SIZE", str(draw.between(16, 300)))
    body = body.replace("KEY", draw.pick("number", 'f"k{number}"', "(number, 1)"))
    fix = f"while len(self) > self.limit:\n    {evict}"
    breaks = {
        "eviction deleted": "",
        "eviction in an if": f"if key is None and len(self) > self.limit:\n    {evict}",
        "compares with the wrong thing": f"while len(self) > self.limit * len(self):\n    {evict}",
    }
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$store",), driver=driver(draw))


EXPIRING = """
class $Tokens:
    lifetime = LIFETIME

    def __init__(self):
        self.$issued = {}
        self.clock = 0

    def issue(self, number):
        self.clock += 1
        self.$issued[f"token-{number}"] = (self.clock, number)  #put
        if self.clock % EVERY == 0:
            self.expire()

    def expire(self):
        limit = self.clock - self.lifetime
        for key in [key for key, (born, _) in self.$issued.items() if born < limit]:
            self.drop(key)

    def drop(self, key):
        $dropped[0] += 1
        @@


$dropped = [0]
$tokens = $Tokens()


def $handle(number):
    $tokens.issue(number)
"""


def expiring(draw: Draw) -> Sketch:
    """Expire entries by age, every so often."""
    body = EXPIRING.replace("LIFETIME", str(draw.between(10, 90))).replace("EVERY", str(draw.between(5, 60)))
    fix = "del self.$issued[key]"
    breaks = {
        "removal deleted": "",
        "wrong key": "self.$issued.pop(key.upper(), None)",
        "removal in an if": "if key.endswith('00'):\n    del self.$issued[key]",
    }
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$issued",), driver=driver(draw))


MADE_WEAK = """
import weakref


class $Picture:
    def __init__(self, number):
        self.number = number
        self.pixels = bytes(100)


class $Gallery:
    def __init__(self):
        @@

    def show(self, number):
        picture = $Picture(number)
        ADD  #put
        return picture


$gallery = $Gallery()


def $handle(number):
    $gallery.show(number)
"""


def made_weak(draw: Draw) -> Sketch:
    """Hold objects weakly, until someone takes a plain container."""
    weak, strong, add = (
        ("weakref.WeakValueDictionary()", "{}", "self.$shown[number] = picture"),
        ("weakref.WeakKeyDictionary()", "{}", "self.$shown[picture] = {'title': str(number)}"),
        ("weakref.WeakSet()", "set()", "self.$shown.add(picture)"),
    )[draw.between(0, 2)]
    draw.tags.append(f"container {weak}")
    fix, broken = f"self.$shown = {weak}", f"self.$shown = {strong}"
    body = MADE_WEAK.replace("ADD", add)
    return sketch(draw, body, fix=fix, breaks={"weak to strong": broken}, owner=("$shown",), driver=driver(draw))


LOCAL_SHADOW = """
$results = []


def $gather(number):
    @@
    $found.append((number, str(number)))  #put
    return len($found)


def $handle(number):
    $gather(number)
"""


def local_shadow(draw: Draw) -> Sketch:
    """Collect into a local list, or by mistake into the module's."""
    breaks = {"alias of a global": "$found = $results"}
    return sketch(draw, LOCAL_SHADOW, fix="$found = []", breaks=breaks, owner=("$results",), driver=driver(draw))


RESET_BETWEEN = """
class $Parser:
    def __init__(self):
        self.$errors = []
        self.$lines = []

    def parse(self, number):
        @@
        self.$lines = [str(number)]
        if SHARE:
            self.$errors.append(ValueError(number))  #put
        return len(self.$errors)


$parser = $Parser()


def $handle(number):
    $parser.parse(number)
"""


def reset_between(draw: Draw) -> Sketch:
    """Reset a reused object between two uses."""
    body = RESET_BETWEEN.replace("SHARE", draw.share())
    breaks = {
        "reset deleted": "",
        "resets a local": "errors = []",
        "reset in an if": "if number < 0:\n    self.$errors = []",
    }
    return sketch(draw, body, fix="self.$errors = []", breaks=breaks, owner=("$errors",), driver=driver(draw))


UNDO = """
class $Document:
    def __init__(self):
        self.text = ""
        self.$undo = None

    def edit(self, number):
        self.$undo = $Step(self.text, self.$undo)  #put
        self.text = f"text {number}"
        @@


class $Step:
    def __init__(self, text, previous):
        self.text = text
        self.previous = previous


$document = $Document()


def $handle(number):
    $document.edit(number)
"""


def undo(draw: Draw) -> Sketch:
    """Chain the steps of an undo history, and cut the chain."""
    fix = "self.$undo.previous = None"
    breaks = {"cut deleted": "", "cut in an if": "if not self.text:\n    self.$undo.previous = None"}
    return sketch(draw, UNDO, fix=fix, breaks=breaks, owner=("$undo",), driver=driver(draw))


SHAPES: tuple[tuple[Shape, int], ...] = (
    (trimmed, 8),
    (declared_bound, 2),
    (global_ring, 2),
    (cached_function, 2),
    (cached_method, 2),
    (mutable_default, 2),
    (class_state, 2),
    (flushed, 5),
    (own_lru, 3),
    (expiring, 2),
    (made_weak, 3),
    (local_shadow, 1),
    (reset_between, 2),
    (undo, 1),
)
