"""When an operation runs: the conditions around it, the ways out before it, and what may raise in between."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Mapping, Sequence

import attrs

from leakdiff.source.mutations import Operation
from leakdiff.source.names import Reference
from leakdiff.source.rebinding import Doing
from leakdiff.source.trees import Around, Tree, identifier

_MOST_PARTS = 2
_WIDTH = 60
_JUMPS = {ast.Return: "returns", ast.Raise: "raises", ast.Continue: "continues", ast.Break: "breaks"}
_OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
}
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z_ -]{0,23}|")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_TRIES = (ast.Try, ast.TryStar)
_SAFE_CALLS = frozenset({"len", "isinstance", "id", "type", "range", "print", "str", "int", "list", "tuple", "time"})


@attrs.frozen(eq=False)
class Conditions:
    """Says of operations of one file when they run.

    Attributes:
        tree: The file.
        refs: Its expressions that mean the owner: whether there is something to remove is no condition.
        puts: Its operations that put entries in: what their removals share with them is no condition either.
        gones: Its removals.
    """

    tree: Tree
    refs: Mapping[ast.AST, Reference]
    puts: Sequence[Operation]
    gones: Sequence[Operation] = ()

    def only(self, operation: Operation, unreached: str = "") -> str:
        """Return when an operation runs, such as ``only if driver.accepted (line 56)``; empty where it always does.

        Args:
            operation: The operation.
            unreached: That nobody calls the function it is in, if so: ``in close(), which nothing in app calls``.
        """
        parts = [unreached] if unreached else []
        if operation.when:
            parts.append(f"{clip(operation.when)} (line {operation.line})")
        parts += self._around(operation)
        if parts:
            return "only " + " and ".join(parts[:_MOST_PARTS])
        return self._first_way_out(operation) or self._what_may_raise(operation)

    # -- what it stands in -------------------------------------------------------------------------

    def _around(self, operation: Operation) -> Iterator[str]:
        """Yield the conditions around an operation, innermost first."""
        for inner, around in self.tree.above(operation.node):
            if isinstance(around.parent, _FUNCTIONS) and around.field == "body":
                return
            is_gone = operation.doing is not Doing.PUT
            if not (is_gone and (self._holds_put(around, operation) or self._asks_whether_there(around))):
                yield from condition(inner, around, is_gone=is_gone)

    def _asks_whether_there(self, around: Around) -> bool:
        """Tell whether a condition is only that there is something to remove, or that all is gone through."""
        match around.parent:
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                return self._is_presence(test if around.field == "body" else opposite(test))
            case ast.For(iter=items) | ast.AsyncFor(iter=items):
                return any(node in self.refs for node in ast.walk(items))
        return False

    def _is_presence(self, test: ast.expr) -> bool:
        match test:
            case ast.Compare(ops=[ast.In()], comparators=[place]):
                return place in self.refs
            case ast.Compare(
                left=left, ops=[ast.IsNot() | ast.Gt() | ast.NotEq()], comparators=[ast.Constant(value=value)]
            ):
                return value in (None, 0) and self._is_presence(left)
            case ast.Call(func=ast.Name(id="len" | "bool"), args=[owner]):
                return owner in self.refs
        return test in self.refs

    def _holds_put(self, around: Around, operation: Operation) -> bool:
        """Tell whether a put stands under the same condition, before the removal: then it is a condition of both."""
        if not isinstance(around.parent, ast.stmt):
            return False
        return any(
            put.line < operation.line and any(_is_same_place(around, other) for _, other in self.tree.above(put.node))
            for put in self.puts
        )

    # -- ways out before it ------------------------------------------------------------------------

    def _first_way_out(self, operation: Operation) -> str:
        """Say which earlier ``return``, ``raise``, ``continue`` or ``break`` is nearest to an operation."""
        since = self._put_before(operation)
        for statement in self._earlier(operation):
            for jump in reversed(list(jumps_in(statement))):
                if jump.lineno > since and (test := self._why(jump, statement, operation)):
                    return f"not if line {jump.lineno} {_JUMPS[type(jump)]} first: {test}"
        return ""

    def _put_before(self, operation: Operation) -> int:
        """Return the line of the first put before a removal in the same function; 0 where there is none."""
        if operation.doing is Doing.PUT:
            return 0
        function = self.tree.function(operation.node)
        lines = [put.line for put in self.puts if self.tree.function(put.node) is function]
        return min((line for line in lines if line < operation.line), default=0)

    def _earlier(self, operation: Operation) -> Iterator[ast.stmt]:
        """Yield the statements that run before an operation's own in the blocks it stands in, the nearest first."""
        for inner, around in self.tree.above(operation.node):
            block = getattr(around.parent, around.field, None)
            if isinstance(inner, ast.stmt) and isinstance(block, list):
                yield from reversed(block[: block.index(inner)])
            if isinstance(around.parent, _FUNCTIONS) and around.field == "body":
                return

    def _why(self, jump: ast.stmt, within: ast.stmt, operation: Operation) -> str:
        """Say under which condition a jump is taken; empty where under none that can be named."""
        for _, around in self.tree.above(jump):
            match around.parent:
                case ast.If(test=test):
                    jumps_if = test if around.field == "body" else opposite(test)
                    is_about_nothing = operation.doing is not Doing.PUT and self._is_presence(opposite(jumps_if))
                    return "" if is_about_nothing else clip(text_of(jumps_if))
                case ast.ExceptHandler(type=caught):
                    return f"{text_of(caught) if caught else 'an exception'} is caught"
                case ast.match_case(pattern=pattern):
                    return f"the pattern {clip(text_of(pattern))} matches"
            if around.parent is within:
                return ""
        return ""

    # -- what may raise ----------------------------------------------------------------------------

    def _what_may_raise(self, operation: Operation) -> str:
        """Say what stands between the put and its removal, where no ``finally`` holds the removal."""
        since = self._put_before(operation)
        if not since or "," in operation.how or self._is_in_finally(operation):  # "pop, as a callback"
            return ""
        known = {one.line for one in (*self.puts, *self.gones)}
        function = self.tree.function(operation.node)
        between = [
            node
            for node in self.tree.nodes
            if since < getattr(node, "lineno", 0) < operation.line and self.tree.function(node) is function
        ]
        waits = [node for node in between if isinstance(node, (ast.Await, ast.Yield, ast.AsyncWith, ast.AsyncFor))]
        calls = [node for node in between if isinstance(node, ast.Call) and identifier(node) not in _SAFE_CALLS]
        lines = {int(getattr(node, "lineno", 0)) for node in waits or calls if not self._is_caught(node)} - known
        return f"not if line {min(lines)} raises: not in a finally" if lines else ""

    def _is_in_finally(self, operation: Operation) -> bool:
        return any(around.field in {"finalbody", "handlers"} for _, around in self.tree.above(operation.node))

    def _is_caught(self, node: ast.AST) -> bool:
        """Tell whether all that a node raises is caught around it."""
        return any(
            isinstance(around.parent, _TRIES)
            and around.field == "body"
            and any(_catches_all(handler) for handler in around.parent.handlers)
            for _, around in self.tree.above(node)
        )


def _catches_all(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or identifier(handler.type) in {"Exception", "BaseException"}


def _is_same_place(one: Around, other: Around) -> bool:
    return one.parent is other.parent and one.field == other.field


def condition(inner: ast.AST, around: Around, *, is_gone: bool) -> Iterator[str]:
    """Yield what must be so for a node to run.

    Args:
        inner: The node.
        around: Where it stands.
        is_gone: Whether loops around it count as conditions too.
    """
    match around.parent, around.field:
        case ast.If(test=test) | ast.IfExp(test=test) as parent, "body":
            yield _if(test, parent)
        case ast.If(test=test) | ast.IfExp(test=test) as parent, "orelse":
            if not _is_elif(inner, parent):
                yield _if(opposite(test), parent)
        case ast.While(test=test) as parent, "body" if is_gone and not isinstance(test, ast.Constant):
            yield f"while {clip(text_of(test))} (line {parent.lineno})"
        case ast.For(target=target, iter=items) | ast.AsyncFor(target=target, iter=items) as parent, "body":
            if is_gone and not _is_range(items):  # so many times, whatever they are
                yield f"for {clip(f'{text_of(target)} in {text_of(items)}')} (line {parent.lineno})"
        case ast.For() | ast.AsyncFor() | ast.While() as parent, "orelse":
            yield f"if the loop of line {parent.lineno} is not left by break"
        case ast.Try() | ast.TryStar() as parent, "orelse":
            yield f"if nothing is raised in the try of line {parent.lineno}"
        case _:
            yield from _rarer_condition(inner, around)


def _is_range(items: ast.expr) -> bool:
    return isinstance(items, ast.Call) and isinstance(items.func, ast.Name) and items.func.id == "range"


def _rarer_condition(inner: ast.AST, around: Around) -> Iterator[str]:
    match inner, around.parent:
        case ast.ExceptHandler(type=caught) as handler, _:
            yield f"if {clip(text_of(caught)) if caught else 'an exception'} is caught (line {handler.lineno})"
        case ast.match_case(pattern=pattern, guard=guard), ast.Match(subject=subject):
            also = f" and {text_of(guard)}" if guard is not None else ""
            yield f"if {clip(f'{text_of(subject)} matches {text_of(pattern)}{also}')} (line {pattern.lineno})"
        case ast.expr(), ast.BoolOp(op=op, values=values) if inner is not values[0]:
            before = values[0] if isinstance(op, ast.And) else opposite(values[0])
            yield _if(before, values[0])
        case ast.expr(), ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp() as made:
            if around.field != "generators":
                yield from (_if(test, test) for part in made.generators for test in part.ifs)


def _if(test: ast.expr, at: ast.AST) -> str:
    return f"if {clip(text_of(test))} (line {getattr(at, 'lineno', 0)})"


def _is_elif(inner: ast.AST, parent: ast.AST) -> bool:
    return isinstance(inner, ast.If) and getattr(parent, "orelse", None) == [inner]


def jumps_in(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Yield, in order, what leaves the block a statement stands in: not what stays inside of it."""
    todo: list[tuple[ast.AST, bool]] = [(statement, False)]
    while todo:
        node, is_in_loop = todo.pop()
        if isinstance(node, ast.stmt) and type(node) in _JUMPS:
            if not (is_in_loop and isinstance(node, (ast.Continue, ast.Break))):
                yield node
        elif not isinstance(node, _FUNCTIONS):
            inside = is_in_loop or isinstance(node, _LOOPS)
            blocks = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]
            todo.extend((child, inside) for child in reversed(blocks))


def opposite(test: ast.expr) -> ast.expr:
    """Return the expression that is true where another is false."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return operand
        case ast.Compare(left=left, ops=[op], comparators=comparators) if type(op) in _OPPOSITES:
            return ast.Compare(left=left, ops=[_OPPOSITES[type(op)]()], comparators=comparators)
    return ast.UnaryOp(op=ast.Not(), operand=test)


def text_of(node: ast.AST) -> str:
    """Return the source of an expression, on one line; of its literals only plain words, for some are secrets."""
    try:
        return " ".join(ast.unparse(_Masked().visit(copy.deepcopy(node))).split())
    except (RecursionError, ValueError):
        return "..."


class _Masked(ast.NodeTransformer):
    """Replaces texts that are no plain words."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Keep numbers and words such as ``'accepted'``."""
        is_text = isinstance(node.value, str | bytes)
        is_word = isinstance(node.value, str) and _PLAIN_WORD.fullmatch(node.value) is not None
        return ast.Constant("...") if is_text and not is_word else node


def clip(text: str) -> str:
    """Shorten a text to what fits into a line."""
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3].rstrip()}..."
