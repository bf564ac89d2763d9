"""When a removal runs that stands in a function of its own: when that is called."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence

import attrs

from leakdiff.source.conditions import Conditions
from leakdiff.source.mutations import Operation
from leakdiff.source.names import Reference
from leakdiff.source.rebinding import Doing
from leakdiff.source.shelf import Shelf
from leakdiff.source.trees import FunctionDef, Tree, identifier
from leakdiff.source.words import GONES, OF_QUEUES, PUTS

_MOST_CALLS = 6


@attrs.frozen(eq=False)
class Calling:
    """A call of a function that removes.

    Attributes:
        tree: The file of the call.
        call: The call.
        only: When it runs.
        is_sure: Whether it is of this function, and not of another of the same name.
    """

    tree: Tree
    call: ast.Call
    only: str
    is_sure: bool


@attrs.frozen(eq=False)
class Callers:
    """Looks at the calls of the functions that remove.

    Attributes:
        shelf: What was read.
        putting: The names of the functions that put.
        receivers: Identifiers of the classes that have the owner, and of their instances.
    """

    shelf: Shelf
    putting: frozenset[str]
    receivers: frozenset[str]

    def of(self, function: FunctionDef | None) -> list[Calling]:
        """Return the calls of a function that removes; none where they are many or cannot be told by its name."""
        if function is None or function.name.startswith("__") or function.name in self.putting:
            return []
        calls = [
            (tree, call)
            for tree in self.shelf.calling(function.name)
            for call in _calls(tree, {function.name})
            if tree.function(call) is not function
        ]
        is_only_one = function.name not in PUTS | GONES | OF_QUEUES
        is_all = is_only_one and len(calls) == self.shelf.mentions(function.name)
        found = [self._calling(tree, call, is_sure=is_all or self._is_of_instance(call)) for tree, call in calls]
        found = [one for one in found if one.is_sure or is_only_one]
        return found if len(found) <= _MOST_CALLS else []

    def only(self, calls: Sequence[Calling], function: FunctionDef | None, file: str) -> str:
        """Return when a function is called, if it surely always is so under a condition.

        Args:
            calls: Its calls.
            function: The function.
            file: Its file.
        """
        if function is None or not calls or not all(one.only and one.is_sure for one in calls):
            return ""
        where = "" if calls[0].tree.file == file else f" in {os.path.basename(calls[0].tree.file)}"  # noqa: PTH119
        return f"{calls[0].only}, where {function.name}() is called{where}"

    def _is_of_instance(self, call: ast.Call) -> bool:
        return isinstance(call.func, ast.Attribute) and identifier(call.func.value) in self.receivers

    def _calling(self, tree: Tree, call: ast.Call, *, is_sure: bool) -> Calling:
        puts = [_operation(Doing.PUT, put) for put in _calls(tree, self.putting)]
        gone = _operation(Doing.GONE, call)
        return Calling(tree, call, Conditions(tree, {}, puts, [gone]).only(gone), is_sure)


def _calls(tree: Tree, names: set[str] | frozenset[str]) -> list[ast.Call]:
    return [node for node in tree.nodes if isinstance(node, ast.Call) and identifier(node.func) in names]


def _operation(doing: Doing, call: ast.Call) -> Operation:
    return Operation(doing, "call", call, Reference(call, 0))
