"""The census of a snapshot: everything that named roots reach, each object once, as a brute-force count has it."""

from __future__ import annotations

from typing import Any

import pytest

from fresh import run_fresh

# Plants a heap, then counts it twice: by a snapshot's walk, and by a closure over gc.get_referents from the same roots.
PLANTED = """
import array, collections, dataclasses, gc, json, sys, types
try:
    import numpy
except ImportError:
    numpy = None
import leakdiff
from leakdiff.capture.kinds import type_name
from leakdiff.capture.roots import own_parts
from leakdiff.capture.snapshots import read_heap


class Plain:
    def __init__(self, number):
        self.items = [number, f"plain {number}"]


class Slotted:
    __slots__ = ("first", "second")

    def __init__(self, number):
        self.first, self.second = [number], f"slotted {number}"


@dataclasses.dataclass
class Data:
    number: int
    items: list


class Many:
    def __init__(self, number):
        for at in range(40):
            setattr(self, f"attribute_{at}", [number])


class Unhurried(int):
    pass


class Broken(Exception):
    pass


def suspended(number):
    local = [number, f"local {number}"]
    yield local


_plain = [Plain(number) for number in range(3_000)]
_slotted = {number: Slotted(number) for number in range(2_000)}
_data = {f"key {number}": Data(number, [number]) for number in range(1_500)}
_many = [Many(number) for number in range(60)]
_strings_and_bytes = {f"key-{number:06}": b"%d is the value" % number for number in range(9_000)}
_tuples_of_atoms = [(number, float(number), f"text {number}") for number in range(10_000)]
_large_list = list(range(10**6, 10**6 + 20_000))
_shared = [object() for _ in range(4_097)]
_other_ways = [_shared, list(_shared), set(_shared), dict(enumerate(_shared)), tuple(_shared), [*_shared, *_shared]]
_errors = [Broken(number) for number in range(300)]
_deque = collections.deque(f"entry {number}" for number in range(5_000))
_arrays = [array.array("q", [number]) for number in range(500)]
_numbers = [Unhurried(10**9 + number) for number in range(800)]
_classes = [type(f"Made{number}", (), {"items": [number]}) for number in range(50)]
_generators = [suspended(number) for number in range(100)]
_closures = [(lambda x: (lambda: x))([number]) for number in range(200)]
for generator in _generators:
    next(generator)
if numpy is not None:
    _objects = numpy.empty(5_000, dtype=object)
    _objects[:4_900] = [Slotted(number) for number in range(4_900)]
gc.collect()
gc.disable()


def by_brute_force(roots):
    found = {}
    done = {id(part) for part in own_parts()}
    start = [target for side in roots.targets() for target in side]
    not_counted = set(map(id, start))
    pending = list(start)
    while pending:
        obj = pending.pop()
        cls = type(obj)
        if id(obj) in done or str(cls.__dict__.get("__module__", "")).partition(".")[0] == "leakdiff":
            continue
        done.add(id(obj))
        if id(obj) not in not_counted:
            counted = found.setdefault(type_name(cls), [0, 0])
            counted[0] += 1
            counted[1] += sys.getsizeof(obj)
        pending.append(cls)
        if issubclass(cls, types.ModuleType):
            pending.append(obj.__dict__)
        elif cls is not types.CodeType:
            refs = gc.get_referents(obj)
            pending.extend(refs)
            if len(refs) >= 4 and issubclass(cls, dict):
                pending.extend(dict.keys(obj))  # gc shows no keys where all are text
        if numpy is not None and issubclass(cls, numpy.ndarray) and obj.dtype == object:
            pending.extend(obj.flat)
    del found["NoneType"]  # the walk leaves the one None out
    return found


def count():
    leakdiff.snapshot()
    reading = read_heap(owners=True, seconds=600.0)
    brute = by_brute_force(reading.roots)
    heap = reading.heap(sites=False)
    return {
        "walk": {found.name: [found.count, found.bytes] for found in heap.types},
        "brute": brute,
        "is_whole": heap.is_whole,
        "bytes": heap.bytes,
        "large_bytes": heap.large_bytes,
        "retained": {owner.path: owner.bytes for owner in heap.owners},
        "strings_and_bytes": sys.getsizeof(_strings_and_bytes)
        + sum(sys.getsizeof(key) + sys.getsizeof(value) for key, value in _strings_and_bytes.items()),
        "deque": sys.getsizeof(_deque) + sum(map(sys.getsizeof, _deque)),
        "has_numpy": numpy is not None,
    }


print(json.dumps(count()))
"""

# What is planted of each type: at least so many, whatever else is on the heap.
LEAST = {
    "__main__.Plain": 3_000,
    "__main__.Slotted": 2_000,
    "__main__.Data": 1_500,
    "__main__.Many": 60,
    "__main__.Unhurried": 800,
    "__main__.Broken": 300,
    "array.array": 500,
    "bytes": 9_000,
    "cell": 200,
    "dict": 60,
    "float": 10_000,
    "generator": 100,
    "int": 20_000,
    "list": 3_000 + 2_000 + 1_500 + 60 * 40,
    "object": 4_097,
    "str": 9_000 + 10_000 + 5_000,
    "tuple": 10_000,
    "type": 50,
}


@pytest.fixture(scope="module")
def counted() -> Any:
    """Count one planted heap both ways."""
    return run_fresh(PLANTED)


@pytest.mark.parametrize("name", LEAST)
def test_a_planted_type_is_counted_as_by_brute_force(counted: Any, name: str) -> None:
    """Instances, untracked dicts and tuples, text and numbers: objects and bytes are those of a closure over all."""
    assert counted["walk"][name] == counted["brute"][name]
    assert counted["walk"][name][0] >= LEAST[name]


def test_every_type_is_counted_as_by_brute_force(counted: Any) -> None:
    """Not only what was planted: no type of the whole interpreter differs."""
    assert counted["is_whole"]
    assert counted["walk"] == counted["brute"]


def test_what_is_reached_in_many_ways_counts_once(counted: Any) -> None:
    """4,097 objects under six containers, some of them twice in one, are 4,097 objects."""
    assert counted["walk"]["object"][0] < 2 * 4_097


def test_numpy_object_arrays_do_not_hide_what_they_hold(counted: Any) -> None:
    """What gc cannot see in an array of objects is counted, empty places are not."""
    if not counted["has_numpy"]:
        pytest.skip("numpy is not installed")

    assert counted["walk"]["__main__.Slotted"][0] == 2_000 + 4_900


def test_a_container_retains_what_only_it_leads_to(counted: Any) -> None:
    """The estimate of a dict of text to bytes, which gc does not track, is itself with all its keys and values."""
    assert counted["retained"]["__main__._strings_and_bytes"] == counted["strings_and_bytes"]
    assert counted["retained"]["__main__._deque"] == counted["deque"]


def test_large_objects_are_a_part_of_all_bytes(counted: Any) -> None:
    """Objects above 512 bytes live on the C heap: the list of 20,000 numbers is among them."""
    assert 20_000 * 8 < counted["large_bytes"] < counted["bytes"]


OWN = """
import gc, json
import leakdiff

places = [None] * 8
before = after = None  # a new name is an object, too
thing = {"kept": [1, 2, 3, 4]}
first = leakdiff.snapshot()
later = leakdiff.snapshot()
places[0], places[1] = leakdiff.snapshot(), leakdiff.explain(later - first)
places[2] = leakdiff.watch(0.3)
places[3] = places[0] - first
places[4] = places[3].owners
gc.collect()
before = leakdiff.snapshot()
places[5], places[6] = leakdiff.snapshot(), leakdiff.snapshot(label="another")
after = leakdiff.snapshot()
print(json.dumps({
    "names": [found.name for found in after.heap.types if found.name.startswith("leakdiff")],
    "paths": [owner.path for owner in after.heap.owners if "leakdiff" in owner.path],
    "grown": [str(change) for change in (after - before).types],
}))
"""


def test_what_leakdiff_returns_is_not_part_of_the_heap_it_measures() -> None:
    """Snapshots, diffs and reports that a program keeps count neither as objects nor as owners."""
    assert run_fresh(OWN) == {"names": [], "paths": [], "grown": []}


BUDGET = """
import json
import leakdiff

ballast = [[number] for number in range(300_000)]
whole = leakdiff.snapshot()
cut = leakdiff.snapshot(budget=0.000001)
diff = cut - whole
print(json.dumps({
    "is_whole": [whole.heap.is_whole, cut.heap.is_whole],
    "left_out": [whole.left_out, cut.left_out],
    "walked": [whole.cost.walked, cut.cost.walked],
    "objects": cut.heap.objects,
    "text": cut.text(),
    "types": len(diff.types),
    "incomparable": diff.incomparable,
    "explained": leakdiff.explain(diff, budget=0.000001).not_analysed,
}))
"""


def test_a_walk_that_may_not_go_on_says_so() -> None:
    """A budget that is spent at once ends the walk, not the snapshot: it says what it is, and is not compared."""
    ended = run_fresh(BUDGET)

    assert ended["is_whole"] == [True, False]
    assert ended["left_out"][0] == []
    assert "the walk stopped after" in ended["left_out"][1][0]
    assert "the walk stopped after" in ended["text"]
    assert ended["walked"][1] < 100_000
    assert ended["walked"][0] > 300_000
    assert ended["types"] == 0
    assert any("ended at its budget" in sentence for sentence in ended["incomparable"])
    assert any("the walk stopped after" in sentence for sentence in ended["explained"])


SUBCLASSES = """
import json
import leakdiff


class Sized(list):
    def __sizeof__(self):
        raise RuntimeError("somebody's code")


_sized = [Sized() for _ in range(2_000)]
_twins = [type("Twin", (), {})() for _ in range(30)]
taken = leakdiff.snapshot()
counts = {found.name: [found.count, found.bytes] for found in taken.heap.types}
print(json.dumps([counts["__main__.Sized"], counts["__main__.Twin"]]))
"""


def test_sizes_are_read_without_the_programs_own_sizeof() -> None:
    """A ``__sizeof__`` written in Python is passed by; classes of one name count as one type."""
    (sized, size), (twins, _) = run_fresh(SUBCLASSES)

    assert (sized, twins) == (2_000, 30)
    assert size >= 2_000 * 40
