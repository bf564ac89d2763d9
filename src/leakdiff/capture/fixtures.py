"""Where a path through pytest's own objects starts for who reads it: at a fixture, by its name, or at the test."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from typing import Any

from leakdiff.capture.attributes import read_in_place
from leakdiff.capture.kinds import derives, dict_of_module

Start = tuple[str, str, str, list[Any]]  # kind and name, how to name the first edge, and the chain from there


def start_at_test(chain: Sequence[Any], at: int) -> Start | None:
    """Start a path at what a test's item or a fixture's definition holds; None where neither is there.

    Args:
        chain: Live objects, each referring to the next.
        at: The position of the one that may be such an item or definition.
    """
    if _is_a("_pytest.fixtures", "FixtureDef", chain[at]):
        return _fixture_by_definition(chain, at)
    if not _is_a("_pytest.nodes", "Item", chain[at]):
        return None
    if held := _position(chain, at, read_in_place(chain[at], "funcargs")):
        return "pytest", "fixture", "variable", list(chain[held:])
    if held := _position(chain, at, read_in_place(chain[at], "_instance")):  # of the class that the test is written in
        return "pytest", "test", "variable", [{"self": chain[held]}, *chain[held:]]
    return "pytest", "test", "edge", list(chain[at:])


def _is_a(module: str, name: str, obj: object) -> bool:
    """Tell whether an object is of a class that a module has, if that was imported."""
    found = sys.modules.get(module)
    cls: Any = dict_of_module(found).get(name) if type(found) is types.ModuleType else None
    return derives(type(cls), type) and derives(type(obj), cls)


def _fixture_by_definition(chain: Sequence[Any], at: int) -> Start | None:
    """Start at the value of a fixture that only its definition holds: no argument of the test has its name."""
    name = read_in_place(chain[at], "argname")
    held = _position(chain, at, read_in_place(chain[at], "cached_result"))  # a tuple that begins with the value
    if not held or type(name) is not str or chain[held + 1] is not chain[held][0]:
        return None
    return "pytest", "fixture", "variable", [{name: chain[held + 1]}, *chain[held + 1 :]]


def _position(chain: Sequence[Any], at: int, held: object) -> int:
    """Return where a chain goes on to what an object holds, maybe by its ``__dict__``; 0 if it does not, or ends so."""
    return next((below for below in (at + 1, at + 2) if below + 1 < len(chain) and chain[below] is held), 0)
