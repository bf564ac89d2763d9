"""Whether anybody calls the functions in which entries are taken out."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import attrs

from leakdiff.model.code import Moves
from leakdiff.source.mutations import Operation
from leakdiff.source.shelf import Shelf
from leakdiff.source.trees import FunctionDef, Tree, identifier

_PLAIN_DECORATORS = frozenset({"staticmethod", "classmethod", "override", "final"})
_PLAIN_BASES = frozenset({"object", "Generic", "Protocol", "ABC"})


@attrs.frozen(eq=False)
class Reach:
    """Knows which functions nothing mentions.

    Attributes:
        shelf: What was read.
        package: The name to call all of it by.
        moves: Lines that were seen to run.
    """

    shelf: Shelf
    package: str
    moves: Sequence[Moves]
    _counted: dict[str, int] = attrs.field(factory=dict, init=False)

    def unreached(self, tree: Tree, operation: Operation, puts: Sequence[Operation]) -> str:
        """Return that nothing calls the function an operation is in; empty where something does, or may.

        Who is called from elsewhere, such as a request handler, is mentioned nowhere either. So it is said only where
        what puts is mentioned, or was seen to run.

        Args:
            tree: The file.
            operation: The operation.
            puts: What puts entries in, in the same file.
        """
        function = tree.function(operation.node)
        if function is None or self.shelf.unread or self._may_be_reached(tree, function):
            return ""
        places = [tree.function(put.node) for put in puts]
        if not any(self._may_be_reached(tree, place) for place in places if place is not None):
            return ""
        if self._leads_to(tree, function, {place.name for place in places if place is not None}):
            return ""
        return f"in {function.name}(), which nothing in {self.package} calls"

    def _leads_to(self, tree: Tree, function: FunctionDef, names: AbstractSet[str]) -> bool:
        """Tell whether a function is, or mentions, one that puts: then it is where the work starts."""
        defined = {node.name: node for node in tree.nodes if isinstance(node, FunctionDef)}
        todo, done = [function], set()
        while todo:
            one = todo.pop()
            if one.name in names:
                return True
            done.add(one)
            named = {identifier(node) for node in ast.walk(one) if isinstance(node, (ast.Name, ast.Attribute))}
            todo.extend(defined[name] for name in named & defined.keys() if defined[name] not in done)
        return False

    def _may_be_reached(self, tree: Tree, function: FunctionDef) -> bool:
        if function.name.startswith("__") or any(
            identifier(made) not in _PLAIN_DECORATORS for made in function.decorator_list
        ):
            return True
        if not isinstance(tree.parent(function), (ast.Module, ast.ClassDef)):
            return True
        return self._was_seen(tree, function) or self._overrides(tree, function) or self._mentions(function.name) > 0

    def _was_seen(self, tree: Tree, function: FunctionDef) -> bool:
        last = function.end_lineno or function.lineno
        return any(move.file == tree.file and function.lineno <= move.line <= last for move in self.moves)

    def _overrides(self, tree: Tree, function: FunctionDef) -> bool:
        """Tell whether a function may be called by a base class that was not read."""
        cls = tree.parent(function)
        if not isinstance(cls, ast.ClassDef):
            return False
        defined = {node.name for other in self.shelf.trees for node in other.nodes if isinstance(node, ast.ClassDef)}
        return any(identifier(base) not in _PLAIN_BASES | defined for base in cls.bases)

    def _mentions(self, name: str) -> int:
        if name not in self._counted:
            self._counted[name] = self.shelf.mentions(name)
        return self._counted[name]
