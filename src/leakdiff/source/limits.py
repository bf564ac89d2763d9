"""The limit that code keeps an owner at: an eviction when it is too long, a refusal to put, or a trim."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

import attrs

from leakdiff.model.heap import Bound
from leakdiff.source.conditions import clip, text_of
from leakdiff.source.constants import whole_number
from leakdiff.source.mutations import Operation
from leakdiff.source.names import Reference
from leakdiff.source.rebinding import Doing
from leakdiff.source.trees import FunctionDef, Tree, identifier

_ABOVE = (ast.Gt, ast.GtE, ast.Eq)
_BELOW = (ast.Lt, ast.LtE)
_TURNED = {ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Lt: ast.Gt, ast.LtE: ast.GtE}
_MOST = 1_000_000  # a limit further off stops nothing
_JUMPS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_MAY_FAIL = ("pop", "discard")  # take nothing out where the entry is not there


@attrs.frozen(eq=False)
class _Limit:
    """One place that keeps the owner at a limit."""

    operation: Operation
    test: ast.AST
    limit: int


@attrs.frozen(eq=False)
class Limits:
    """Finds the limit that one file keeps the owner at.

    Attributes:
        tree: The file.
        refs: Its expressions that mean the owner.
        below: How many entries below the name the owner lies.
        puts: Its puts that run more than once.
        gones: Its removals.
    """

    tree: Tree
    refs: Mapping[ast.AST, Reference]
    below: int
    puts: Sequence[Operation]
    gones: Sequence[Operation]

    def bound(self) -> Bound | None:
        """Return the limit, if every put is refused at one or comes with an eviction at one."""
        evictions = [limit for gone in self.gones for limit in self._evicts(gone)]
        found = [self._limit_of(put, evictions) for put in self.puts]
        limits = [limit for limit in found if limit is not None]
        if not limits or len(limits) < len(found):
            return None
        most = max(limits, key=lambda limit: limit.limit)
        return Bound(kind=f"{clip(text_of(most.test))} at line {_line(most)}", limit=most.limit, filled=0)

    def _limit_of(self, put: Operation, evictions: Sequence[_Limit]) -> _Limit | None:
        here = self.tree.function(put.node)
        for limit in (*self._refuses(put), *evictions):
            there = self.tree.function(limit.operation.node)
            if there is here or (here is not None and there is not None and self._calls(here, there)):
                return limit
        return None

    def _calls(self, caller: FunctionDef, called: FunctionDef) -> bool:
        """Tell whether a function calls another whatever happens: in a statement of its own, under no condition."""
        return any(
            isinstance(statement, ast.Expr | ast.Assign | ast.Return)
            and any(isinstance(node, ast.Call) and identifier(node) == called.name for node in ast.walk(statement))
            for statement in _unconditional(caller.body)
        )

    # -- evictions ---------------------------------------------------------------------------------

    def _evicts(self, gone: Operation) -> Iterator[_Limit]:
        """Yield the limit at which a removal surely runs, if it does."""
        for inner, around in self.tree.above(gone.node):
            match around.parent, around.field:
                case (ast.While() | ast.If()) as parent, field if not isinstance(parent.test, ast.Constant):
                    limits = list(self._under(gone, parent, field))
                    yield from limits
                    if limits or not self._has_put(parent):
                        return
                case ((ast.IfExp() | ast.Lambda()), _):
                    return
                case ((ast.ExceptHandler() | ast.match_case()) as parent, _) if not self._has_put(parent):
                    return
                case (ast.FunctionDef() | ast.AsyncFunctionDef()) as function, "body":
                    yield from self._after_guard(gone, function, inner)
                    yield from self._by_trim(gone)
                    yield from self._by_calls(gone, function)
                    return

    def _by_calls(self, gone: Operation, function: FunctionDef) -> Iterator[_Limit]:
        """Yield the limit at which a function that empties the owner is called."""
        if not _empties(gone, self.tree):
            return
        for call in self.tree.nodes:
            if isinstance(call, ast.Call) and identifier(call.func) == function.name:
                called = attrs.evolve(gone, node=call)
                parent = next((node for node, _ in self.tree.above(call) if isinstance(node, ast.If)), None)
                if parent is not None and any(statement is self.tree.statement(call) for statement in parent.body):
                    yield from self._under(called, parent, "body")

    def _under(self, gone: Operation, parent: ast.While | ast.If, field: str) -> Iterator[_Limit]:
        """Yield the limit of a removal under ``if len(o) > limit`` or ``while len(o) > limit``."""
        is_sure = isinstance(parent, ast.While) or self._surely_removes(gone)
        if field == "body" and is_sure and self._is_reached(parent):
            yield from self._at(gone, parent.test, _ABOVE)

    def _by_trim(self, gone: Operation) -> Iterator[_Limit]:
        kept = self._trims_to(gone)
        if kept is not None:
            yield _Limit(gone, self.tree.statement(gone.node), kept)

    def _after_guard(self, gone: Operation, function: ast.AST, inner: ast.AST) -> Iterator[_Limit]:
        """Yield the limit of a removal after ``if len(o) < limit: return``."""
        if self._surely_removes(gone):
            for test in _guards(getattr(function, "body", []), inner):
                yield from self._at(gone, test, _BELOW)

    def _is_reached(self, statement: ast.stmt) -> bool:
        """Tell whether a statement runs whenever its function puts something."""
        for _, around in self.tree.above(statement):
            if isinstance(around.parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return True
            if isinstance(around.parent, (ast.If, ast.ExceptHandler, ast.match_case)) and not self._has_put(
                around.parent
            ):
                return False
        return True

    def _has_put(self, parent: ast.AST) -> bool:
        return any(node is parent for put in self.puts for node, _ in self.tree.above(put.node))

    def _surely_removes(self, gone: Operation) -> bool:
        """Tell whether a removal takes something out whatever its key is."""
        call = self.tree.parent(gone.node)
        if not gone.how.startswith(_MAY_FAIL) or gone.how == "popitem" or not isinstance(call, ast.Call):
            return "callback" not in gone.how
        if gone.how == "pop" and len(call.args) < 2:
            return True
        return any(node in self.refs for arg in call.args for node in ast.walk(arg))

    def _trims_to(self, gone: Operation) -> int | None:
        """Return how many entries ``del o[:-n]`` or ``o[:] = o[-n:]`` keeps."""
        statement = self.tree.statement(gone.node)
        for node in ast.walk(statement):
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and node.value in self.refs:
                edge = node.slice.upper if isinstance(node.ctx, ast.Del) else node.slice.lower
                if isinstance(edge, ast.UnaryOp) and isinstance(edge.op, ast.USub):
                    return whole_number(self.tree, edge.operand)
        return None

    # -- refusals ----------------------------------------------------------------------------------

    def _refuses(self, put: Operation) -> Iterator[_Limit]:
        """Yield the limit above which a put does not run."""
        for inner, around in self.tree.above(put.node):
            block = getattr(around.parent, around.field, None)
            if isinstance(around.parent, ast.If) and around.field == "body":
                yield from self._at(put, around.parent.test, _BELOW)
            if isinstance(inner, ast.stmt) and isinstance(block, list):
                for test in _guards(block, inner):
                    yield from self._at(put, test, _ABOVE)
            if isinstance(around.parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return

    # -- lengths -----------------------------------------------------------------------------------

    def _at(self, operation: Operation, test: ast.expr, wanted: tuple[type[ast.cmpop], ...]) -> Iterator[_Limit]:
        """Yield the limit that a test compares the owner's length with, in a wanted direction."""
        match test:
            case ast.BoolOp(op=ast.Or(), values=values) if wanted is _ABOVE:
                for value in values:
                    yield from self._at(operation, value, wanted)
            case ast.BoolOp(op=ast.And(), values=values) if wanted is _BELOW:
                for value in values:
                    yield from self._at(operation, value, wanted)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                if self._is_length(right, operation):
                    left, right, way = right, left, _TURNED.get(type(op), type(op))
                else:
                    way = type(op)
                if issubclass(way, wanted) and self._is_length(left, operation):
                    limit = whole_number(self.tree, right)
                    if limit is not None and 0 < limit <= _MOST:
                        yield _Limit(operation, test, limit)

    def _is_length(self, node: ast.expr, operation: Operation) -> bool:
        match node:
            case (
                ast.Call(func=ast.Name(id="len"), args=[owner])
                | ast.Call(func=ast.Attribute(value=owner, attr="qsize"))
            ):
                return (ref := self.refs.get(owner)) is not None and ref.depth == self.below
            case ast.Call(func=ast.Attribute(value=owner, attr="__len__")):
                return owner in self.refs
            case ast.Name() | ast.Attribute():  # a counter says how many there are only where all go at once
                is_whole = operation.doing is Doing.PUT or _empties(operation, self.tree)
                return is_whole and self._is_counter(text_of(node), operation)
        return False

    def _is_counter(self, name: str, operation: Operation) -> bool:
        """Tell whether a variable is counted up where something is put."""
        places = {self.tree.function(put.node) for put in (*self.puts, operation)}
        return any(
            isinstance(node, ast.AugAssign)
            and isinstance(node.op, ast.Add)
            and text_of(node.target) == name
            and node.target not in self.refs
            and self.tree.function(node) in places
            for node in self.tree.nodes
        )


def _empties(gone: Operation, tree: Tree) -> bool:
    """Tell whether a removal takes all entries out."""
    is_slice = isinstance(gone.node, ast.Subscript) and isinstance(gone.node.slice, ast.Slice)
    is_loop = isinstance(tree.statement(gone.node), ast.While)
    return gone.how == "clear" or gone.doing is Doing.EMPTIED or is_slice or is_loop


def _guards(block: Sequence[ast.stmt], inner: ast.AST) -> Iterator[ast.expr]:
    """Yield the tests of ``if test: return`` before a statement of a block."""
    for statement in block:
        if statement is inner:
            return
        if isinstance(statement, ast.If) and isinstance(statement.body[-1], _JUMPS):
            yield statement.test


def _unconditional(block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in block:
        yield statement
        if isinstance(statement, (ast.With, ast.AsyncWith, ast.Try)):
            yield from _unconditional([*statement.body, *getattr(statement, "finalbody", [])])


def _line(limit: _Limit) -> int:
    return int(getattr(limit.test, "lineno", 0))
