"""From expressions that name the owner to all others that mean it: aliases, entries, arguments, getters."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import attrs

from leakdiff.source.names import ALIAS, STORED, Reference
from leakdiff.source.trees import FunctionDef, Tree, arguments_of, dotted, first_argument, identifier

_MOST = 20_000
_INTO_ENTRY = ("get", "setdefault", "__getitem__")
_SAME_ENTRIES = ("list", "tuple", "sorted", "reversed", "iter", "set", "frozenset")
_PROPERTIES = ("property", "cached_property")


def follow(tree: Tree, seeds: Iterable[Reference], deepest: int) -> dict[ast.AST, Reference]:
    """Return every expression of a file that means the owner, or an entry above or below it.

    Args:
        tree: The file.
        seeds: The expressions that name it.
        deepest: How many entries below the name to go.
    """
    follower = _Follower(tree, deepest)
    found: dict[ast.AST, Reference] = {}
    todo = deque(seeds)
    while todo and len(found) < _MOST:
        ref = todo.popleft()
        if ref.node not in found and ref.depth <= deepest:
            found[ref.node] = ref
            todo.extend(follower.further(ref))
    return found


@attrs.define(eq=False)
class _Follower:
    tree: Tree
    deepest: int
    _names: dict[str, list[ast.Name]] = attrs.field(factory=dict)
    _attributes: dict[str, list[ast.Attribute]] = attrs.field(factory=dict)
    _functions: dict[str, list[FunctionDef]] = attrs.field(factory=dict)
    _classes: dict[str, ast.ClassDef] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for node in self.tree.nodes:
            if isinstance(node, ast.Name):
                self._names.setdefault(node.id, []).append(node)
            elif isinstance(node, ast.Attribute):
                self._attributes.setdefault(node.attr, []).append(node)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._functions.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.ClassDef):
                self._classes[node.name] = node

    def further(self, ref: Reference) -> Iterator[Reference]:
        """Yield what one expression makes others mean."""
        around = self.tree.around.get(ref.node)
        if around is None:
            return
        match around.parent:
            case ast.Subscript() as parent if around.field == "value":
                if not isinstance(parent.slice, ast.Slice):
                    yield attrs.evolve(ref, node=parent, depth=ref.depth + 1)
            case ast.Attribute() as parent:
                yield from self._through_method(ref, parent)
            case ast.BoolOp() | ast.IfExp() | ast.Await() as parent if around.field != "test":
                yield attrs.evolve(ref, node=parent)
            case ast.NamedExpr(target=target) as parent if around.field == "value":
                yield attrs.evolve(ref, node=parent)
                yield from self._to(target, attrs.evolve(ref, via=ALIAS))
            case ast.Return():
                yield from self._from_getter(ref)
            case ast.Call() | ast.keyword() | ast.Tuple() | ast.List() as parent:
                yield from self._through_argument(ref, parent)
        yield from self._through_assignment(ref)
        yield from self._through_loop(ref.node, attrs.evolve(ref, depth=ref.depth + 1))

    # -- entries -----------------------------------------------------------------------------------

    def _through_method(self, ref: Reference, attribute: ast.Attribute) -> Iterator[Reference]:
        call = self.tree.parent(attribute)
        if not isinstance(call, ast.Call) or call.func is not attribute:
            return
        entry = attrs.evolve(ref, node=call, depth=ref.depth + 1)
        if attribute.attr in _INTO_ENTRY:
            yield entry
        elif attribute.attr == "values":
            yield from self._through_loop(call, entry)
        elif attribute.attr == "items":
            yield from self._through_loop(call, entry, second=True)

    def _through_loop(self, node: ast.AST, entry: Reference, *, second: bool = False) -> Iterator[Reference]:
        """Yield what a loop over an expression calls the entries."""
        if entry.depth > self.deepest:
            return
        entry = attrs.evolve(entry, via=ALIAS)
        parent = self.tree.parent(node)
        while isinstance(parent, ast.Call) and identifier(parent.func) in _SAME_ENTRIES and parent.args[:1] == [node]:
            node, parent = parent, self.tree.parent(parent)
        if isinstance(parent, (ast.For, ast.AsyncFor, ast.comprehension)) and parent.iter is node:
            target: ast.expr | None = parent.target
            if second:
                target = target.elts[1] if isinstance(target, ast.Tuple) and len(target.elts) == 2 else None
            yield from self._to(target, entry)

    # -- other names -------------------------------------------------------------------------------

    def _through_assignment(self, ref: Reference) -> Iterator[Reference]:
        """Yield the targets that get the owner, and the name that was assigned to where the owner is kept."""
        statement = self.tree.statement(ref.node)
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
            return
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target, value in assigned_pairs(targets, statement.value):
            if value is ref.node:
                yield from self._to(target, attrs.evolve(ref, via=ref.via or ALIAS))
            elif target is ref.node:
                yield from self._back_to(value, targets, attrs.evolve(ref, via=STORED))

    def _back_to(self, value: ast.expr, targets: Sequence[ast.expr], ref: Reference) -> Iterator[Reference]:
        for other in (value, *targets):
            if not isinstance(other, ast.Name) or other is ref.node:
                continue
            if isinstance(self.tree.scope_of(other, other.id), FunctionDef):
                yield from self._to(other, ref)

    def _to(self, target: ast.expr | None, ref: Reference) -> Iterator[Reference]:
        """Yield all places where a target of an assignment is named."""
        if isinstance(target, ast.Name):
            yield from self._named(self.tree.scope_of(target, target.id), target.id, ref)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            cls = self.tree.class_of(target)
            method = self.tree.method(target)
            if cls is not None and target.value.id == first_argument(method):
                yield from self._attributes_of(cls, target.attr, ref)

    def _named(self, scope: ast.AST, name: str, ref: Reference) -> Iterator[Reference]:
        for node in self._names.get(name, ()):
            if self.tree.scope_of(node, name) is scope:
                yield attrs.evolve(ref, node=node)

    def _attributes_of(self, cls: ast.ClassDef, name: str, ref: Reference) -> Iterator[Reference]:
        for node in self._attributes.get(name, ()):
            is_self = isinstance(node.value, ast.Name) and node.value.id == first_argument(self.tree.method(node))
            if is_self and self.tree.class_of(node) is cls:
                yield attrs.evolve(ref, node=node)

    # -- functions ---------------------------------------------------------------------------------

    def _from_getter(self, ref: Reference) -> Iterator[Reference]:
        """Yield the uses of a property or function that returns the owner."""
        function = self.tree.function(ref.node)
        if function is None:
            return
        cls = self.tree.class_of(function)
        if any(identifier(made) in _PROPERTIES for made in function.decorator_list):
            for node in self._attributes.get(function.name, ()):
                is_own = cls is not None and self.tree.class_of(node) is cls
                yield attrs.evolve(ref, node=node, is_sure=ref.is_sure and is_own)
        elif cls is None:
            for name in self._names.get(function.name, ()):
                yield from self._called(name, ref)
                yield from self._called_later(name, ref)
        else:
            for node in self._attributes.get(function.name, ()):
                if self.tree.class_of(node) is cls:
                    yield from self._called(node, ref)

    def _called_later(self, name: ast.Name, ref: Reference) -> Iterator[Reference]:
        """Yield the calls of a getter under the name that the function which makes it was called for."""
        maker = self.tree.function(name)
        if maker is None or not isinstance(self.tree.parent(name), ast.Return):
            return
        for made in self._names.get(maker.name, ()):
            call = self.tree.parent(made)
            kept = self.tree.parent(call) if isinstance(call, ast.Call) and call.func is made else None
            for target in kept.targets if isinstance(kept, ast.Assign) else ():
                if isinstance(target, ast.Name):
                    for other in self._names.get(target.id, ()):
                        yield from self._called(other, ref)

    def _called(self, node: ast.expr, ref: Reference) -> Iterator[Reference]:
        call = self.tree.parent(node)
        if isinstance(call, ast.Call) and call.func is node:
            yield attrs.evolve(ref, node=call)

    def _through_argument(self, ref: Reference, parent: ast.AST) -> Iterator[Reference]:
        """Yield the argument by which a function of this file gets the owner."""
        for function, name in self._arguments(ref.node, parent):
            yield from self._named(function, name, attrs.evolve(ref, via=ALIAS))

    def _arguments(self, node: ast.expr, parent: ast.AST) -> Iterator[tuple[FunctionDef, str]]:
        match parent:
            case ast.keyword(arg=str(name)):
                call = self.tree.parent(parent)
                if isinstance(call, ast.Call):
                    yield from ((function, name) for function, _ in self._function_of(call.func))
            case ast.Call(args=args) if node in args:
                yield from self._by_position(parent.func, args.index(node))
                for at, other in enumerate(args[: args.index(node)]):  # call_soon(function, owner), partial(...)
                    yield from self._by_position(other, args.index(node) - at - 1)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                yield from self._of_thread(parent, items.index(node))

    def _of_thread(self, items: ast.AST, at: int) -> Iterator[tuple[FunctionDef, str]]:
        """Yield what ``Thread(target=function, args=(..., owner))`` passes."""
        around = self.tree.parent(items)
        call = self.tree.parent(around) if isinstance(around, ast.keyword) and around.arg == "args" else None
        if isinstance(call, ast.Call):
            for keyword in call.keywords:
                if keyword.arg == "target":
                    yield from self._by_position(keyword.value, at)

    def _by_position(self, func: ast.expr, at: int) -> Iterator[tuple[FunctionDef, str]]:
        for function, skipped in self._function_of(func):
            names = arguments_of(function)
            if at + skipped < len(names):
                yield function, names[at + skipped]

    def _function_of(self, func: ast.expr) -> Iterator[tuple[FunctionDef, int]]:
        """Yield the function of this file that an expression names, with how many arguments it gets by itself."""
        if isinstance(func, ast.Name):
            yield from ((found, 0) for found in self._functions.get(func.id, ()) if self.tree.class_of(found) is None)
            yield from self._methods(self._classes.get(func.id), "__init__")
        elif isinstance(func, ast.Attribute) and dotted(func.value) == first_argument(self.tree.method(func)):
            yield from self._methods(self.tree.class_of(func), func.attr)

    def _methods(self, cls: ast.ClassDef | None, name: str) -> Iterator[tuple[FunctionDef, int]]:
        for found in cls.body if cls is not None else ():
            if isinstance(found, FunctionDef) and found.name == name:
                yield found, int(not any(identifier(made) == "staticmethod" for made in found.decorator_list))


def assigned_pairs(targets: Sequence[ast.expr], value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield each target of an assignment with the expression it gets: ``a, b = x, y`` is two."""
    for target in targets:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            yield from zip(target.elts, value.elts, strict=True)
        else:
            yield target, value
