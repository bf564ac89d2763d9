"""What the code around an expression does to the owner it stands for: puts entries in, or takes them out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

import attrs

from leakdiff.source.aliases import assigned_pairs
from leakdiff.source.names import Reference
from leakdiff.source.rebinding import Doing, Rebinding
from leakdiff.source.trees import Tree, identifier
from leakdiff.source.words import (
    CONTAINERS,
    FUNCTIONS_GONE,
    FUNCTIONS_PUT,
    GONES,
    OF_BUFFERS,
    OF_QUEUES,
    PUTS,
    REGISTERS,
    UNREGISTERS,
)

_WORD = re.compile(r"[A-Z]?[a-z]+")
_OPERATORS = {
    "[key] =": "__setitem__",
    "[key] +=": "__setitem__",
    "del": "__delitem__",
    "+=": "__iadd__",
    "|=": "__ior__",
}
_ON_CREATES = ("defaultdict", "Counter")
_NO_GROWTH_BY_ITEM = ("list", "deque", "tuple", "bytearray", "array")


@attrs.frozen(eq=False)
class Operation:
    """One place where code changes the owner.

    Attributes:
        doing: What it does.
        how: The operation's name.
        node: The expression that does it; its line is the operation's.
        ref: What stands for the owner there.
        is_weak: Whether it counts only where nothing better is found.
        when: For a callback, when it is called.
        function: The function it belongs to, where it stands in none.
        is_call: Whether it only calls a method that does it, and that was read.
    """

    doing: Doing
    how: str
    node: ast.AST
    ref: Reference
    is_weak: bool = False
    when: str = ""
    function: str = ""
    is_call: bool = False

    @property
    def line(self) -> int:
        """The line of the method's name, or of the expression."""
        if isinstance(self.node, ast.Attribute):
            return self.node.end_lineno or self.node.lineno
        return int(getattr(self.node, "lineno", 0))


@attrs.frozen(eq=False)
class Reader:
    """Reads operations off the expressions of one file that mean the owner.

    Attributes:
        tree: The file.
        refs: Those expressions.
        below: How many entries below the name the owner lies.
        owner_type: Its type name.
        own_methods: What its class defines itself, where that was read: the lines inside count, not the calls.
    """

    tree: Tree
    refs: Mapping[ast.AST, Reference]
    below: int
    owner_type: str
    own_methods: frozenset[str] = frozenset()

    def operations(self) -> Iterator[Operation]:
        """Yield what the file does to the owner."""
        for ref in self.refs.values():
            for found in self._around(ref):
                yield from self._at_its_depth(attrs.evolve(found, is_call=self._is_call(found)))

    def _is_call(self, found: Operation) -> bool:
        """Tell whether an operation only calls a method that the owner's class defines itself."""
        if isinstance(found.ref.node, ast.Call):  # super().append() is the real thing
            return False
        if isinstance(found.node, ast.Attribute) and found.node is not found.ref.node:
            return found.node.attr in self.own_methods
        return _OPERATORS.get(found.how, "") in self.own_methods

    def _at_its_depth(self, found: Operation) -> Iterator[Operation]:
        """Yield an operation as what it is for the owner: its entries go with what they lie under."""
        depth = found.ref.depth
        if depth == self.below or (depth < self.below and found.doing is Doing.GONE):
            yield found
        elif depth < self.below and found.doing is Doing.PUT:
            yield attrs.evolve(found, is_weak=True)
        elif depth == self.below + 1 and found.doing is Doing.PUT and self._creates(found.ref.node):
            yield attrs.evolve(found, how="[key] of a " + self._type)

    @property
    def _type(self) -> str:
        return self.owner_type.rpartition(".")[2]

    def _creates(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Subscript) and self._creates_on_read()

    def _creates_on_read(self) -> bool:
        return self._type in _ON_CREATES

    def _around(self, ref: Reference) -> Iterator[Operation]:
        around = self.tree.around.get(ref.node)
        if around is None:
            return
        match around.parent:
            case ast.Subscript() as parent if around.field == "value":
                yield from self._by_item(ref, parent)
            case ast.Attribute() as parent:
                yield from self._by_method(ref, parent)
            case ast.Call() as parent if around.field == "args":
                yield from self._by_function(ref, parent)
            case ast.AugAssign() as parent if around.field == "target":
                yield from self._augmented(ref, parent, "")
            case ast.Delete():
                yield Operation(Doing.GONE, "del", ref.node, ref)
        if isinstance(getattr(ref.node, "ctx", None), ast.Store):
            for doing in Rebinding(self.tree, self.refs).doings(ref):
                yield Operation(doing, "rebinding", ref.node, ref)

    # -- o[k] --------------------------------------------------------------------------------------

    def _by_item(self, ref: Reference, item: ast.Subscript) -> Iterator[Operation]:
        parent = self.tree.parent(item)
        if isinstance(item.ctx, ast.Del):
            yield Operation(Doing.GONE, "del", item, ref)
        elif isinstance(parent, ast.AugAssign) and parent.target is item:
            if isinstance(item.slice, ast.Slice):
                yield from self._augmented(ref, parent, "[:] ")
            elif self._creates_on_read() or self._type not in {*_NO_GROWTH_BY_ITEM, "dict", "OrderedDict"}:
                yield Operation(Doing.PUT, "[key] +=", item, ref)
        elif isinstance(item.ctx, ast.Store):
            yield from self._stored(ref, item)
        elif isinstance(parent, (ast.Assign, ast.NamedExpr)) and self._creates_on_read():
            yield Operation(Doing.PUT, f"[key] of a {self._type}", item, ref, is_weak=True)

    def _stored(self, ref: Reference, item: ast.Subscript) -> Iterator[Operation]:
        if isinstance(item.slice, ast.Slice):
            yield self._by_slice(ref, item, item.slice)
        elif self._type not in _NO_GROWTH_BY_ITEM or ref.depth < self.below:
            yield Operation(Doing.PUT, "[key] =", item, ref)

    def _by_slice(self, ref: Reference, item: ast.Subscript, part: ast.Slice) -> Operation:
        """Read ``o[len(o):] = x`` and ``o[:0] = x`` as puts, every other slice as a removal."""
        is_end = part.upper is None and isinstance(part.lower, ast.Call)
        is_start = isinstance(part.upper, ast.Constant) and part.upper.value == 0
        doing = Doing.PUT if is_end or is_start else Doing.GONE
        return Operation(doing, "[:] =", item, ref)

    def _augmented(self, ref: Reference, statement: ast.AugAssign, prefix: str) -> Iterator[Operation]:
        match statement.op:
            case ast.Add():
                yield Operation(Doing.PUT, f"{prefix}+=", ref.node, ref)
            case ast.BitOr():
                yield Operation(Doing.PUT, f"{prefix}|=", ref.node, ref)
            case ast.Sub():
                yield Operation(Doing.GONE, f"{prefix}-=", ref.node, ref)
            case ast.BitAnd():
                yield Operation(Doing.GONE, f"{prefix}&=", ref.node, ref)

    # -- o.method(...) -----------------------------------------------------------------------------

    def _by_method(self, ref: Reference, attribute: ast.Attribute) -> Iterator[Operation]:
        doing = self._doing_of(attribute.attr)
        call = self.tree.parent(attribute)
        if isinstance(call, ast.Call) and call.func is attribute:
            if doing is not None:
                how = attribute.attr if not self.tree.lambda_around(call) else f"{attribute.attr}, in a lambda"
                yield Operation(doing, how, attribute, ref)
            elif (doing := _by_its_word(attribute.attr)) is not None and (call.args or call.keywords):
                yield Operation(doing, attribute.attr, attribute, ref, is_weak=True)
        elif doing is not None and isinstance(attribute.ctx, ast.Load):
            yield from self._handed_over(doing, ref, attribute)

    def _doing_of(self, method: str) -> Doing | None:
        if method in PUTS or (method in OF_BUFFERS and self._type in {"StringIO", "BytesIO"}):
            return Doing.PUT
        if method in GONES or (method in OF_QUEUES and "ueue" in self._type):
            return Doing.GONE
        return None

    def _handed_over(self, doing: Doing, ref: Reference, method: ast.Attribute) -> Iterator[Operation]:
        """Read a bound method that is passed on to be called later, or kept under a shorter name."""
        for target, value in self._assigned(method):
            if value is method and isinstance(target, ast.Name):
                yield from self._called_as(target, doing, ref, method.attr)
                return
        call = next((node for node, _ in self.tree.above(method) if isinstance(node, ast.Call)), None)
        if call is not None:
            how = f"{method.attr}, as a callback"
            yield Operation(doing, how, method, ref, when=_when_called(call))

    def _assigned(self, node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
        statement = self.tree.statement(node)
        if isinstance(statement, ast.Assign):
            yield from assigned_pairs(statement.targets, statement.value)

    def _called_as(self, name: ast.Name, doing: Doing, ref: Reference, how: str) -> Iterator[Operation]:
        scope = self.tree.scope_of(name, name.id)
        for node in self.tree.nodes:
            match node:
                case ast.Call(func=ast.Name() as func) if (
                    func.id == name.id and self.tree.scope_of(func, name.id) is scope
                ):
                    yield Operation(doing, how, func, ref)

    # -- function(o, ...) --------------------------------------------------------------------------

    def _by_function(self, ref: Reference, call: ast.Call) -> Iterator[Operation]:
        if not call.args or call.args[0] is not ref.node:
            return
        name = identifier(call.func)
        if name in FUNCTIONS_PUT:
            yield Operation(Doing.PUT, FUNCTIONS_PUT[name], ref.node, ref)
        elif name in FUNCTIONS_GONE:
            yield Operation(Doing.GONE, FUNCTIONS_GONE[name], ref.node, ref)
        elif isinstance(call.func, ast.Attribute) and identifier(call.func.value) in CONTAINERS:
            doing = self._doing_of(name)
            if doing is not None:
                yield Operation(doing, name, ref.node, ref)


def _by_its_word(method: str) -> Doing | None:
    """Say what a method of an unknown type does, as its name has it."""
    words = [method, *(word.lower() for word in _WORD.findall(method))]
    if any(word in UNREGISTERS for word in words):
        return Doing.GONE
    return Doing.PUT if any(word in REGISTERS for word in words) else None


def _when_called(call: ast.Call) -> str:
    """Say when what a call was given will be called."""
    name = identifier(call.func)
    receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
    if name == "add_done_callback" and receiver is not None:
        return f"when {ast.unparse(receiver)} is done"
    if name in {"finalize", "ref", "WeakMethod"} and call.args:
        return f"when {ast.unparse(call.args[0])} is freed"
    return "at exit" if name == "register" and receiver is not None and identifier(receiver) == "atexit" else ""
