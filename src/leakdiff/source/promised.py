"""Removals that are handed over to be called back: who was to call them, and where that does not happen."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from leakdiff.source.calls import Calling, Calls, Place
from leakdiff.source.conditions import Conditions
from leakdiff.source.counterparts import End
from leakdiff.source.mutations import Operation
from leakdiff.source.names import Reference
from leakdiff.source.rebinding import Doing
from leakdiff.source.trees import FunctionDef, Tree, arguments_of, identifier

_DEEPEST = 2  # callers of callers
_INSTEAD, _ONLY_SOMETIMES = 1.2, 1.8


def promised(calls: Calls, function: FunctionDef | None, tree: Tree, depth: int = 0) -> list[Calling]:
    """Return the calls that are handed a function that removes; none where it is called by its name alone.

    Args:
        calls: Looks calls up.
        function: The function.
        tree: Its file.
        depth: How many functions up it is from the removal.
    """
    found = calls.of(Place(tree, function)) if function is not None and depth <= _DEEPEST else []
    handed = [one for one in found if one.handed]
    for one in found:
        if not one.handed:
            above = promised(calls, one.place.function, one.place.tree, depth + 1)
            if not above:
                return []
            handed.extend(above)
    return handed


def not_kept(calls: Calls, handed: Calling) -> Iterator[End]:
    """Yield where a function that was handed over is called only sometimes, and what runs instead of that."""
    for callee in calls.run_by(handed.place.tree, handed.call):
        name = _parameter(callee, handed.handed - 1)
        for place, call in _called_back(callee, name) if name else ():
            gone = Operation(Doing.GONE, "call", call, Reference(call, 0))
            only = Conditions(place.tree, {}, [], [gone]).only(gone)
            if only:
                yield End(place, call, f"calls `{name}` {only}", _ONLY_SOMETIMES, "callback")
                yield from _instead(calls, place, call, name)


def _instead(calls: Calls, place: Place, call: ast.Call, name: str) -> Iterator[End]:
    """Yield the functions that run in the ways out before a call: ``return self.fail()``."""
    for node in ast.walk(place.function):
        if not isinstance(node, ast.Return) or node.lineno >= call.lineno or node.value is None:
            continue
        for other in ast.walk(node.value):
            if isinstance(other, ast.Call):
                for found in calls.run_by(place.tree, other):
                    yield End(found, found.function, f"runs instead of `{name}`", _INSTEAD, "callback")


def _parameter(callee: Place, at: int) -> str:
    names = arguments_of(callee.function)[1 if callee.first else 0 :]
    return names[at] if at < len(names) else ""


def _called_back(callee: Place, name: str) -> Iterator[tuple[Place, ast.Call]]:
    """Yield the calls of a parameter: in the function itself, or by the methods of the object that keeps it."""
    tree = callee.tree
    kept = {
        target.attr
        for node in ast.walk(callee.function)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == name
        for target in node.targets
        if isinstance(target, ast.Attribute) and identifier(target.value) == callee.first
    }
    for node in tree.nodes:
        function = tree.function(node) if isinstance(node, ast.Call) else None
        if not isinstance(node, ast.Call) or function is None or isinstance(node.func, ast.Call):
            continue
        if _is_kept(tree, node.func, callee, kept) or (function is callee.function and _is_name(node.func, name)):
            yield Place(tree, function), node


def _is_kept(tree: Tree, func: ast.expr, callee: Place, kept: set[str]) -> bool:
    return isinstance(func, ast.Attribute) and func.attr in kept and tree.class_of(func) is _class_of(callee)


def _class_of(callee: Place) -> ast.AST | None:
    return callee.tree.parent(callee.function)


def _is_name(func: ast.expr, name: str) -> bool:
    return isinstance(func, ast.Name) and func.id == name
