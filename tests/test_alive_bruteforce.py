"""``why_alive`` beside a brute-force walk: the same holders and paths, on random heaps with all kinds of objects."""

from __future__ import annotations

import pytest

from fresh import run_fresh

_HEAP = '''
import contextlib, gc, json, random, sys, types

from leakdiff.capture.alive_holders import hold
from leakdiff.capture.roots import Root, Roots
from leakdiff.model.alive import Whose


class Node:
    pass


class Slotted:
    __slots__ = ("first", "second")


class Bag(list):
    pass


def closure_of(value):
    def inner():
        return value

    return types.FunctionType(inner.__code__, {"__builtins__": {}}, "inner", (), inner.__closure__)


def suspended_with(value):
    def generate(held):
        yield held

    plain = types.FunctionType(generate.__code__, {"__builtins__": {}})
    generator = plain(value)
    next(generator)
    return generator


def add(holder, value, chance):
    """Let one object refer to another, if it can."""
    kind = type(holder)
    if kind is dict:
        holder[chance.choice(["name", 7, (1, 2), f"key-{chance.randrange(99)}", float(chance.randrange(99))])] = value
    elif kind in (list, Bag):
        holder.extend([value] * chance.choice([1, 1, 2]))
    elif kind is Node:
        setattr(holder, chance.choice(["one", "two", "three"]), value)
    elif kind is Slotted:
        setattr(holder, chance.choice(["first", "second"]), value)
    elif kind is types.CellType:
        holder.cell_contents = value
    elif kind is types.SimpleNamespace:
        holder.part = value
    elif kind is set:
        with contextlib.suppress(TypeError):
            holder.add(value)


def grow(chance, size):
    """Return the objects of a heap, and the namespace from which some of them can be reached."""
    objects = [[], {}, Node()]
    makers = [dict, list, Bag, set, Node, Slotted, types.CellType, types.SimpleNamespace]
    while len(objects) < size:
        some = chance.choice(objects)
        makes = chance.random()
        if makes < 0.6:
            made = chance.choice(makers)()
            objects.append(made)
            if chance.random() < 0.4:  # a child that knows its parent
                add(some, made, chance)
                add(made, some, chance)
        elif makes < 0.7:
            objects.append((some, chance.choice(objects)))
        elif makes < 0.76:
            objects.append(closure_of(some))
        elif makes < 0.8:
            objects.append(suspended_with(some))
        elif makes < 0.84:
            objects.append(types.MethodType(list, some))
        elif makes < 0.88:
            objects.append((chance.random(), f"atom {chance.random()}"))
        elif makes < 0.92:
            objects.append(bytearray(9))
        elif makes < 0.96:
            objects.append(chance.random())
        else:
            objects.append(frozenset([1.5, chance.random()]))
    for _ in range(size):
        add(chance.choice(objects), chance.choice(objects), chance)
    return objects, {f"name_{number}": chance.choice(objects) for number in range(size // 16)}


def search(start, subject, seen):
    """Walk breadth first from some objects, not through the subject; return its holders and how far it is."""
    level, distance, holders, nearest = list(start), 1, {}, None
    while level:
        following = []
        for obj in level:
            refs = gc.get_referents(obj)
            times = sum(ref is subject for ref in refs)
            if times:
                holders[id(obj)] = times
                nearest = nearest or distance
            for ref in refs:
                if id(ref) not in seen and ref is not subject:
                    seen[id(ref)] = ref
                    following.append(ref)
        level, distance = following, distance + 1
    return holders, nearest


def brute(namespace, subject):
    """Return the holders that the namespace reaches, the distance, and those reached through the subject only."""
    seen = {id(namespace): namespace}
    reached, distance = search([namespace], subject, seen)
    further, _ = search([subject], subject, seen)
    return reached, distance, further


def walked(namespace, subject):
    """Return the same as leakdiff sees it."""
    roots = Roots((Root("module", "heap", namespace),), ())
    holding = hold(subject, 0, roots, 60.0)
    found = {
        whose: {id(met.holder): met.references for met in holding.met if met.whose is whose}
        for whose in (Whose.PROGRAM, Whose.ITSELF)
    }
    ways = [len(met.way) for met in holding.met if met.whose is Whose.PROGRAM]
    linked = all(
        any(ref is below for ref in gc.get_referents(above))
        for met in holding.met
        for above, below in zip(met.way, [*met.way[1:], subject])
    )
    assert linked
    return found[Whose.PROGRAM], min(ways, default=None), found[Whose.ITSELF]
'''

_COMPARE = (
    _HEAP
    + """
wrong, asked, held, unheld, cyclic = [], 0, 0, 0, 0
for seed in range(HEAPS):
    chance = random.Random(seed)
    objects, namespace = grow(chance, 400)
    gc.collect()
    if seed % 3 == 0:
        gc.freeze()  # hides all of it from gc.get_referrers
    for subject in chance.sample(objects, 50):
        expected = brute(namespace, subject)
        if walked(namespace, subject) != expected:
            wrong.append([seed, type(subject).__name__])
        asked += 1
        held, unheld, cyclic = held + bool(expected[0]), unheld + (not expected[0]), cyclic + bool(expected[2])
    del objects, namespace, subject
    gc.unfreeze()
print(json.dumps({"wrong": wrong, "asked": asked, "held": held, "unheld": unheld, "cyclic": cyclic}))
"""
)


def test_holders_and_shortest_paths_are_those_of_a_brute_force_walk() -> None:
    """On 1,000 random objects: the same holders, as often, as near to the root, and the same cycles."""
    seen = run_fresh(_COMPARE.replace("HEAPS", "20"))

    assert seen["wrong"] == []
    assert seen["asked"] == 1_000
    assert min(seen["held"], seen["unheld"]) > 100
    assert seen["cyclic"] > 20


_WHOLE = (
    _HEAP
    + """
import leakdiff

chance = random.Random(7)
objects, names = grow(chance, 300)
globals().update(names)
chosen = chance.sample(range(len(objects)), 12)
wrong = []
for at in chosen:
    subject = objects[at]
    alive = leakdiff.why_alive(subject)
    counted = sum(one.references for one in alive.holders)
    if alive.unexplained or alive.references != alive.seen or counted != alive.seen:
        wrong.append([type(subject).__name__, alive.references, alive.seen, counted])
print(json.dumps(wrong))
"""
)


@pytest.mark.parametrize("hides", ["", "gc.freeze()"])
def test_every_reference_to_an_object_of_a_random_heap_is_explained(hides: str) -> None:
    """From the roots of the whole process: the interpreter's own count is what the holders add up to."""
    wrong = run_fresh(_WHOLE.replace("wrong = []", f"wrong = []\n{hides}"))

    assert wrong == []
