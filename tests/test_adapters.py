"""Adapters: looking into types that hide what they hold from gc, leakdiff's own and those users register."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from fresh import check_fresh, run_fresh
from leakdiff.capture import adapters
from leakdiff.capture.adapters import register_adapter, unregister_adapter
from leakdiff.errors import BadOption

NUMPY = pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="numpy is not installed here")
CTYPES_BOX = """
import ctypes
import itertools
from leakdiff.capture.adapters import register_adapter

_numbers = itertools.count(1000)


class Box(ctypes.Structure):
    \"\"\"Holds references that gc does not see: the addresses of objects whose count it raised.\"\"\"

    _fields_ = [("used", ctypes.c_size_t), ("places", ctypes.c_size_t * 20_000)]

    def put(self, obj):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(obj))
        self.places[self.used] = id(obj)
        self.used += 1


def look(box):
    return [ctypes.cast(box.places[at], ctypes.py_object).value for at in range(box.used)]


class Result:
    def __init__(self, number, box=None):
        self.number = number
        self.box = box
"""


def test_what_a_registered_type_holds_is_found_with_its_owner() -> None:
    """The owner is the object of the type, by its name, with its entries."""
    source = f"""{CTYPES_BOX}
register_adapter("app.Box", members=look, length=lambda box: box.used)
_box = Box()


def step():
    _box.put(Result(next(_numbers)))
"""
    answer = check_fresh(source)
    found = answer.report["findings"][0]

    assert answer.blamed == ("LEAK", "app._box")
    assert found["owner_type"] == "app.Box"
    assert found["types"][0]["name"] == "app.Result"
    assert found["entries_per_unit"] == pytest.approx(1.0)


def test_without_an_adapter_the_same_is_held_by_c_code() -> None:
    """No owner is invented for what nothing visible refers to."""
    source = f"""{CTYPES_BOX}
_box = Box()


def step():
    _box.put(Result(next(_numbers)))
"""
    assert check_fresh(source).blamed == ("NATIVE", None)


def test_a_limit_that_an_adapter_reads_excuses_what_is_filling() -> None:
    """It grows towards a known bound, which is named."""
    source = f"""{CTYPES_BOX}
register_adapter("app.Box", members=look, length=lambda box: box.used, limit=lambda box: 20_000)
_box = Box()


def step():
    _box.put(Result(next(_numbers)))
"""
    answer = check_fresh(source)

    assert answer.blamed == ("FILLING", "app._box")
    assert "20,000" in answer.because


def test_a_cycle_through_a_registered_type_names_it() -> None:
    """Gc cannot free it, for it does not see the way back: the path does."""
    source = f"""{CTYPES_BOX}
class Little(ctypes.Structure):
    _fields_ = [("used", ctypes.c_size_t), ("places", ctypes.c_size_t * 1)]
    put = Box.put


register_adapter("app.Little", members=look)


def step():
    box = Little()
    box.put(Result(next(_numbers), box))
"""
    answer = check_fresh(source)

    assert answer.blamed == ("NATIVE", None)
    assert "a cycle through something that hides its references" in answer.because
    assert "app.Little" in answer.because


def test_an_adapter_that_raises_is_noted_once_and_breaks_nothing() -> None:
    """The walk goes on; the report says whose contents were not looked at."""
    source = f"""{CTYPES_BOX}
def broken(box):
    raise ValueError("no")


register_adapter("app.Box", members=broken, length=broken, limit=broken)
_boxes = [Box(), Box(), Box()]
_kept = []


def step():
    _kept.append(Result(next(_numbers)))
"""
    answer = check_fresh(source)

    assert answer.blamed == ("LEAK", "app._kept")
    assert answer.notes.count("the adapter for app.Box raised ValueError: its contents were not looked at") == 1


def test_copies_that_an_adapter_returns_are_left_out() -> None:
    """What was only made to be returned is gone in a moment, and another object may stand at its address."""
    script = """
import json
from leakdiff.capture.adapters import Adapter, contents

kept = [object(), object()]
both = Adapter("app.Box", members=lambda obj: [*obj, object(), [1]])
pairs = Adapter("app.Map", items=lambda obj: ((f"k{at}", one) for at, one in enumerate(obj)))
print(json.dumps([[one in kept for one in contents(both, kept)], [one in kept for one in contents(pairs, kept)]]))
"""
    assert run_fresh(script) == [[True, True], [True, True]]


def test_subclasses_of_a_registered_type_are_meant_and_namesakes_of_a_built_in_one_are_not() -> None:
    """Types are found by name along the method resolution order; a class in Python named lru.LRU hides nothing."""
    script = """
import ctypes, json, sys, types
from leakdiff.capture.adapters import register_adapter, unregister_adapter
from leakdiff.capture.kinds import adapter_of

class Box(ctypes.Structure):
    pass

class Larger(Box):
    pass

namesake = type("LRU", (), {"__module__": "lru", "get_size": lambda self: 1 / 0})
register_adapter("__main__.Box", members=list)
seen = [adapter_of(cls) is not None for cls in (Box, Larger, ctypes.Structure, namesake)]
unregister_adapter("__main__.Box")
print(json.dumps([seen, adapter_of(Larger) is None]))
"""
    assert run_fresh(script) == [[True, True, False, False], True]


@pytest.mark.parametrize(
    ("name", "knobs", "says"),
    [
        ("LRU", {"members": list}, "name='LRU' cannot work: name must be the name of a type of an extension module"),
        ("builtins.dict", {"members": list}, "name='builtins.dict' cannot work"),
        ("lru LRU", {"members": list}, "name='lru LRU' cannot work: name must be the name of a type with its module"),
        (dict, {"members": list}, "name=a type cannot work"),
        ("lru.LRU", {}, "members=None cannot work: members must be a function, unless items is one"),
        ("lru.LRU", {"members": list, "items": list}, "give one of the two"),
        ("lru.LRU", {"members": [1]}, "members=a list cannot work: members must be a function that takes the object"),
        ("lru.LRU", {"items": list, "limit": 5}, "limit=5 cannot work: limit must be a function that takes the object"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_right(name: Any, knobs: dict[str, Any], says: str) -> None:
    """The sentence says which argument, what it was and what it must be; nothing is registered."""
    with pytest.raises(BadOption, match=says.replace("(", r"\(")):
        register_adapter(name, **knobs)


def test_forgetting_an_adapter_that_is_not_there_is_no_error() -> None:
    """Tests may clean up whatever happened before; what others registered stays."""
    register_adapter("some.Table", members=list)
    unregister_adapter("no.Such")

    assert "some.Table" in adapters._registered  # noqa: SLF001 - nothing public tells
    unregister_adapter("some.Table")
    assert "some.Table" not in adapters._registered  # noqa: SLF001


@NUMPY
def test_objects_in_a_structured_array_are_found() -> None:
    """Fields of objects are looked into like arrays of objects; places as numpy leaves them hold nothing."""
    source = """
    import itertools
    import numpy

    _table = numpy.zeros(40_000, dtype=[("result", object), ("number", int)])
    _numbers = itertools.count()


    class Result:
        pass


    def step():
        _table["result"][next(_numbers)] = Result()
    """
    assert check_fresh(source).blamed == ("LEAK", "app._table")


HOLDERS = {
    "lru": ("lru.LRU(10**6)", "_kept[next(_numbers)] = Result(Result())", "FILLING"),
    "ahocorasick": ("ahocorasick.Automaton()", "_kept.add_word(f'w{next(_numbers)}', Result())", "LEAK"),
    "rpds": ("rpds.HashTrieMap()", "_kept = _kept.insert(next(_numbers), Result())", "LEAK"),
}


@pytest.mark.parametrize("module", HOLDERS)
def test_holders_in_extensions_are_owners(module: str) -> None:
    """Types without traversal that leakdiff knows are owners like a dict."""
    pytest.importorskip(module)
    made, use, verdict = HOLDERS[module]
    source = f"""
import itertools
import {module}

_numbers = itertools.count(1000)
_kept = {made}


class Result:
    def __init__(self, inner=None):
        self.inner = inner


def step():
    global _kept
    {use}
"""
    assert check_fresh(source).blamed == (verdict, "app._kept")


def test_keys_of_a_persistent_map_are_not_compared() -> None:
    """Its iterators compare keys, which would run a user's ``__eq__``: it is read as it would be pickled."""
    pytest.importorskip("rpds")
    script = """
import json, rpds
from leakdiff.capture.kinds import make_kinds
from leakdiff.capture.references import references

calls = []

class Key:
    def __eq__(self, other): calls.append("eq"); return self is other
    def __hash__(self): calls.append("hash"); return 7

keys = [Key() for _ in range(5)]
held = [rpds.HashTrieMap({key: key for key in keys}), rpds.HashTrieSet(keys), rpds.List(keys), rpds.Queue(keys)]
calls.clear()
print(json.dumps([[len(references(one, make_kinds())) for one in held], calls]))
"""
    assert run_fresh(script) == [[10, 5, 5, 5], []]
