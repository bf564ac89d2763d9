"""What an assignment to the owner's name does: a larger value, a smaller one, an empty one, or the first."""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterable, Iterator, Mapping

import attrs

from leakdiff.source.aliases import assigned_pairs
from leakdiff.source.names import ALIAS, STORED, Reference
from leakdiff.source.trees import Tree, identifier
from leakdiff.source.words import COPIES, EMPTY_CALLS, FILTERS, INITIALISERS, NO_PUT

_FILTERED = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


class Doing(enum.Enum):
    """What an operation does to the owner."""

    PUT = "put"
    GONE = "gone"
    EMPTIED = "emptied"  # a new empty container takes its place: a removal, or the first one ever
    MADE = "made"  # it gets its first value


@attrs.frozen(eq=False)
class Rebinding:
    """Reads assignments to the expressions of one file that mean the owner."""

    tree: Tree
    refs: Mapping[ast.AST, Reference]

    def doings(self, ref: Reference) -> Iterator[Doing]:
        """Yield what an assignment to an expression does to the owner it stands for."""
        statement = self.tree.statement(ref.node)
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            pairs: Iterable[tuple[ast.expr, ast.expr]] = [(statement.target, statement.value)]
        else:
            pairs = assigned_pairs(statement.targets, statement.value) if isinstance(statement, ast.Assign) else ()
        for target, value in pairs:
            if target is ref.node:
                yield from self._new_value(ref, value)

    def _new_value(self, ref: Reference, value: ast.expr) -> Iterator[Doing]:
        is_other = isinstance(value, ast.Name) or value in self.refs
        doings = [] if is_other else list(dict.fromkeys(self._doing_by(value, ref.depth)))
        if ref.via == ALIAS:
            return  # another name comes to mean something else
        if doings not in ([], [Doing.EMPTIED]):
            yield from doings
        elif ref.via == STORED or isinstance(ref.node, ast.Subscript):
            return
        elif not self._is_first(ref.node):
            yield from doings
        elif not isinstance(value, ast.Constant) or value.value is not None:
            yield Doing.MADE

    def _is_first(self, node: ast.AST) -> bool:
        """Tell whether what is assigned here is the first there is."""
        function = self.tree.function(node)
        if function is None or function.name in INITIALISERS:
            return True
        for inner, around in self.tree.above(node):
            if isinstance(around.parent, ast.If) and around.field == "body" and self._asks_for(around.parent.test):
                return True
            if inner is function:
                return False
        return False

    def _asks_for(self, test: ast.expr) -> bool:
        """Tell whether a test is true where the owner is not there yet: ``o is None``, ``not o``, ``not hasattr()``."""
        match test:
            case ast.Compare(left=left, ops=[ast.Is() | ast.Eq()]):
                return left in self.refs
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return operand in self.refs or identifier(operand) == "hasattr"
        return False

    def _doing_by(self, value: ast.expr, depth: int) -> Iterator[Doing]:
        """Say what the new value is to the old one."""
        if is_empty(value):
            yield Doing.EMPTIED
        elif value not in self.refs and self._mentions(value, depth):
            match value:
                case ast.BinOp(op=op):
                    yield from _doing_by_operator(op)
                case ast.Call():
                    yield from self._doing_by_call(value, depth)
                case ast.Subscript(slice=ast.Slice(), value=inner):
                    yield from self._doing_by(inner, depth)
                    yield Doing.GONE
                case ast.IfExp(body=one, orelse=other):
                    yield from self._doing_by(one, depth)
                    yield from self._doing_by(other, depth)
                case ast.NamedExpr(value=inner) | ast.Await(value=inner):
                    yield from self._doing_by(inner, depth)
                case _:
                    yield from _doing_by_display(value)

    def _doing_by_call(self, call: ast.Call, depth: int) -> Iterator[Doing]:
        name = identifier(call.func)
        if name in FILTERS:
            yield Doing.GONE
        elif name in COPIES and len(call.args) == 1:
            yield from self._doing_by(call.args[0], depth)
        elif name in NO_PUT:
            return
        elif name == "union" or any(self._mentions(arg, depth) for arg in (*call.args, *call.keywords)):
            yield Doing.PUT

    def _mentions(self, value: ast.AST, depth: int) -> bool:
        return any((ref := self.refs.get(node)) is not None and ref.depth == depth for node in ast.walk(value))


def _doing_by_operator(op: ast.operator) -> Iterator[Doing]:
    if isinstance(op, (ast.Add, ast.BitOr)):
        yield Doing.PUT
    elif isinstance(op, (ast.Sub, ast.BitAnd)):
        yield Doing.GONE


def _doing_by_display(value: ast.expr) -> Iterator[Doing]:
    """Say what an expression that mentions the old value makes of it."""
    if isinstance(value, _FILTERED):
        yield from (Doing.GONE for part in value.generators if part.ifs)
    elif isinstance(value, (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.JoinedStr)):
        yield Doing.PUT
    elif isinstance(value, (ast.Subscript, ast.Attribute)):  # the next of a linked list
        yield Doing.GONE


def is_empty(value: ast.expr) -> bool:
    """Tell whether an expression makes a new, empty container, or nothing."""
    match value:
        case ast.Constant(value=None | "" | b""):
            return True
        case ast.List(elts=[]) | ast.Tuple(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.Call(func=ast.Call(func=ast.Name(id="type")), args=[]):
            return True
        case ast.Call(func=func, args=args):
            name = identifier(func)
            return name in EMPTY_CALLS and (not args or name in {"defaultdict", "array"} or is_empty(args[0]))
    return False
