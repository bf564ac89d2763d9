"""One parsed file: what lies around each node, and which scope each name belongs to."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import attrs

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

LOCAL, GLOBAL, NONLOCAL = "local", "global", "nonlocal"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)


@attrs.frozen(eq=False)
class Around:
    """Where a node stands: in which field of which parent, and in which scope."""

    parent: ast.AST
    field: str
    scope: ast.AST


@attrs.frozen(eq=False)
class Tree:
    """A parsed file.

    Attributes:
        module: Its name.
        file: Its path.
        root: The tree.
        nodes: All nodes, parents before children.
        around: Where each of them but the root stands.
        bindings: What each scope says of the names it binds or declares.
    """

    module: str
    file: str
    root: ast.Module
    nodes: tuple[ast.AST, ...]
    around: Mapping[ast.AST, Around]
    bindings: Mapping[ast.AST, Mapping[str, str]]

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return the node around a node."""
        around = self.around.get(node)
        return None if around is None else around.parent

    def above(self, node: ast.AST) -> Iterator[tuple[ast.AST, Around]]:
        """Yield a node and those around it, innermost first, each with where it stands."""
        while (around := self.around.get(node)) is not None:
            yield node, around
            node = around.parent

    def statement(self, node: ast.AST) -> ast.AST:
        """Return the innermost statement around a node."""
        while not isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)) and node in self.around:
            node = self.around[node].parent
        return node

    def lines_of(self, node: ast.AST) -> tuple[int, int]:
        """Return the first and last line of a node's statement; of one with a block, those of the node alone."""
        statement = self.statement(node)
        if hasattr(statement, "body") or not hasattr(statement, "lineno"):
            statement = node
        first = int(getattr(statement, "lineno", 0))
        return first, int(getattr(statement, "end_lineno", None) or first)

    def function(self, node: ast.AST) -> FunctionDef | None:
        """Return the innermost ``def`` whose body a node is in; lambdas belong to the function around."""
        for scope in self._scopes(node):
            if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return scope
        return None

    def lambda_around(self, node: ast.AST) -> bool:
        """Tell whether a node runs only when a lambda is called."""
        return any(
            isinstance(around.parent, ast.Lambda) and around.field == "body"
            for inner, around in self.above(node)
            if not isinstance(inner, ast.stmt)
        )

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the class in whose method, or body, a node is."""
        return next((scope for scope in self._scopes(node) if isinstance(scope, ast.ClassDef)), None)

    def method(self, node: ast.AST) -> FunctionDef | None:
        """Return the method a node is in: the outermost function below the innermost class around."""
        found: FunctionDef | None = None
        for scope in self._scopes(node):
            if isinstance(scope, ast.ClassDef):
                return found
            if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found = scope
        return None

    def qualname(self, definition: ast.AST) -> str:
        """Return the qualified name of a function or class, as Python has it."""
        parts: list[str] = []
        inner: ast.AST | None = None
        for scope in (definition, *self._scopes(definition)):
            name = getattr(scope, "name", "<lambda>")
            if isinstance(scope, _SCOPES):
                joint = [] if inner is None else ["<locals>"] * (not isinstance(scope, ast.ClassDef))
                parts[:0] = [name, *joint]
                inner = scope
        return ".".join(parts)

    def scope_of(self, node: ast.AST, name: str) -> ast.AST:
        """Return the scope that binds a name used at a node: a function, class, comprehension or the module."""
        for at, scope in enumerate(self._scopes(node)):
            if isinstance(scope, ast.ClassDef) and at > 0:
                continue  # names of a class body are not seen from its methods
            said = self.bindings.get(scope, {}).get(name)
            if said == GLOBAL:
                return self.root
            if said == LOCAL:
                return scope
        return self.root

    def _scopes(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the scopes a node is in, innermost first, without the module."""
        around = self.around.get(node)
        while around is not None and around.scope is not self.root:
            yield around.scope
            around = self.around.get(around.scope)


def grow_tree(module: str, file: str, root: ast.Module) -> Tree:
    """Prepare a parsed file for questions."""
    around: dict[ast.AST, Around] = {}
    nodes: list[ast.AST] = [root]
    for node in nodes:  # it grows meanwhile
        scope = around[node].scope if node in around else root
        for field, child in _children(node):
            around[child] = Around(node, field, _inner_scope(node, field, child, scope))
            nodes.append(child)
    return Tree(module, file, root, tuple(nodes), around, _bindings(root, nodes, around))


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else (value,):
            if isinstance(child, ast.AST) and not isinstance(child, (ast.expr_context, ast.operator)):
                yield field, child


def _inner_scope(node: ast.AST, field: str, child: ast.AST, outer: ast.AST) -> ast.AST:
    if isinstance(node, _SCOPES):
        return node if field == "body" else outer
    if isinstance(node, _COMPREHENSIONS):
        return node
    return outer if not isinstance(child, ast.comprehension) else node


def _bindings(
    root: ast.Module, nodes: list[ast.AST], around: Mapping[ast.AST, Around]
) -> Mapping[ast.AST, Mapping[str, str]]:
    found: dict[ast.AST, dict[str, str]] = {root: {}}
    for node in nodes:
        scope = around[node].scope if node in around else root
        if isinstance(node, _FUNCTIONS):
            for name in arguments_of(node):
                found.setdefault(node, {})[name] = LOCAL
        for name, said in _binds(node):
            inside = _beyond_comprehensions(scope, around) if isinstance(around[node].parent, ast.NamedExpr) else scope
            names = found.setdefault(inside, {})
            names[name] = said if said != LOCAL else names.get(name, LOCAL)
    return found


def _beyond_comprehensions(scope: ast.AST, around: Mapping[ast.AST, Around]) -> ast.AST:
    while isinstance(scope, _COMPREHENSIONS):
        scope = around[scope].scope
    return scope


def _binds(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield names that a node binds or declares."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name, LOCAL
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, LOCAL
        case ast.alias(name=name, asname=alias):
            yield alias or name.partition(".")[0], LOCAL
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, LOCAL
        case ast.MatchMapping(rest=str(name)):
            yield name, LOCAL
        case ast.Global(names=names):
            yield from ((name, GLOBAL) for name in names)
        case ast.Nonlocal(names=names):
            yield from ((name, NONLOCAL) for name in names)


def arguments_of(function: FunctionDef | ast.Lambda) -> list[str]:
    """Return the names of a function's arguments, those by position first."""
    args = function.args
    named = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
    return [arg.arg for arg in named]


def first_argument(function: FunctionDef | None) -> str:
    """Return what a method calls its first argument; empty where it has none."""
    names = arguments_of(function) if function is not None else []
    return names[0] if names else ""


def identifier(node: ast.AST | None) -> str:
    """Return the last identifier of a dotted name, or of what is called: ``c`` of ``a.b.c`` and ``a.b.c(1)``."""
    while isinstance(node, (ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Constant(value=str(name)):  # an annotation in quotes
            return name.rpartition(".")[2]
    return ""


def dotted(node: ast.AST) -> str:
    """Return a dotted name such as ``a.b.c``; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""
