"""The lines that make an owner: where it would be given a bound, or made weak, or made anew for each user."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import attrs

from leakdiff.model.code import CodeSite, Home, NameKind
from leakdiff.model.heap import Site
from leakdiff.source.aliases import assigned_pairs
from leakdiff.source.names import ALIAS, STORED, Reference, is_same_file, plain_attribute
from leakdiff.source.pages import Page
from leakdiff.source.rebinding import is_empty
from leakdiff.source.shelf import Shelf
from leakdiff.source.trees import FunctionDef, Tree, identifier
from leakdiff.source.words import INITIALISERS

_MOST = 3
_BOUNDS = {"deque": "maxlen"} | dict.fromkeys(
    ("Queue", "LifoQueue", "PriorityQueue", "lru_cache", "TTLCache", "LRUCache"), "maxsize"
)
_AT = {"deque": 1, "Queue": 0, "LifoQueue": 0, "PriorityQueue": 0, "lru_cache": 0, "LRUCache": 0, "TTLCache": 0}
_DISPLAYS: dict[type[ast.expr], str] = {ast.Dict: "dict()", ast.List: "list()", ast.Set: "set()", ast.Tuple: "tuple()"}
_PROPERTIES = ("property", "cached_property")
_FIELDS = ("field", "attrib", "ib", "Field")
_FACTORIES = ("default_factory", "factory", "default")


@attrs.frozen(eq=False)
class _Made:
    """A line that makes the owner."""

    tree: Tree
    node: ast.AST
    how: str
    rank: int
    is_sure: bool = True
    function: str = ""


def find_made(pages: Sequence[Page], home: Home, shelf: Shelf) -> list[CodeSite]:
    """Return the lines that make an owner, those where it is first made before those that make another.

    Args:
        pages: What the files do to it.
        home: Where code names it.
        shelf: What was read.
    """
    every = [made for page in pages for made in _made_in(page, home)]
    sure = [made for made in every if made.is_sure] or every
    by_line: dict[tuple[str, int], _Made] = {}
    for made in sorted(sure, key=lambda made: made.rank):
        by_line.setdefault((made.tree.file, int(getattr(made.node, "lineno", 0))), made)
    best = list(by_line.values())
    return [_site(made, shelf) for made in best[:_MOST]]


def _made_in(page: Page, home: Home) -> Iterator[_Made]:
    tree = page.tree
    if home.kind is NameKind.CACHE:
        yield from _by_decorator(tree, page)
        return
    if home.kind is NameKind.DEFAULT:
        yield from _by_default(tree, home)
    for ref in page.refs.values():
        yield from _by_reference(tree, ref, home.below)
    name = plain_attribute(home.name)
    yield from _by_name(tree, home, name, is_named=bool(page.refs))


# -- where the name is given its value -------------------------------------------------------------


def _by_reference(tree: Tree, ref: Reference, below: int) -> Iterator[_Made]:
    node = ref.node
    if ref.depth <= below and isinstance(getattr(node, "ctx", None), ast.Store) and ref.via not in {ALIAS, STORED}:
        for value in _values_of(tree, node):
            for found, how in _container(value, below - ref.depth):
                yield _Made(tree, node, how, _rank(tree, node) + (found is not value), ref.is_sure)
    elif below == ref.depth + 1:
        yield from _by_setdefault(tree, ref)


def _values_of(tree: Tree, target: ast.expr) -> Iterator[ast.expr]:
    """Yield what a target is assigned."""
    statement = tree.statement(target)
    if isinstance(statement, ast.Assign):
        yield from (value for one, value in assigned_pairs(statement.targets, statement.value) if one is target)
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None and statement.target is target:
        yield statement.value


def _by_setdefault(tree: Tree, ref: Reference) -> Iterator[_Made]:
    """Yield ``name.setdefault(key, [])``, which makes an entry that is the owner."""
    match tree.parent(ref.node):
        case ast.Attribute(attr="setdefault") as method:
            call = tree.parent(method)
            if isinstance(call, ast.Call) and len(call.args) == 2:
                yield from (_Made(tree, method, how, 3, ref.is_sure) for _, how in _container(call.args[1], 0))


def _rank(tree: Tree, node: ast.AST) -> int:
    """Say how likely it is that a line makes the first: in a class, a module or an initialiser it is."""
    function = tree.function(node)
    return 0 if function is None or function.name in INITIALISERS else 2


# -- what makes a container ------------------------------------------------------------------------


def _container(value: ast.expr, below: int) -> Iterator[tuple[ast.expr, str]]:
    """Yield the expression that makes the owner, so many entries below a value, with what it is."""
    if below > 0:
        yield from _entry(value, below)
        return
    match value:
        case ast.BoolOp(values=[*_, last]):
            yield from _container(last, below)
        case ast.IfExp(body=one, orelse=other):
            yield from (*_container(one, below), *_container(other, below))
        case ast.NamedExpr(value=inner) | ast.Await(value=inner):
            yield from _container(inner, below)
        case ast.Call(func=func) if identifier(func) in _FIELDS:
            yield from _factory(value, below)
        case ast.Call():
            yield value, _how(value)
        case ast.Dict() | ast.List() | ast.Set() | ast.DictComp() | ast.ListComp() | ast.SetComp():
            yield value, _DISPLAYS.get(type(value), "a comprehension")


def _entry(value: ast.expr, below: int) -> Iterator[tuple[ast.expr, str]]:
    match value:
        case ast.Dict(values=values) | ast.List(elts=values) | ast.Tuple(elts=values) if values:
            for inner in values:
                yield from _container(inner, below - 1)
        case ast.DictComp(value=inner) | ast.ListComp(elt=inner):
            yield from _container(inner, below - 1)
        case ast.Call(func=func, args=[factory, *_]) if identifier(func) == "defaultdict":
            yield value, f"{_factory_name(factory)} of a defaultdict"
        case ast.Call(func=func) if identifier(func) in _FIELDS:
            yield from _factory(value, below)
        case ast.Call() if not is_empty(value):  # an object of a class that makes it
            yield value, _how(value)


def _factory(call: ast.expr, below: int) -> Iterator[tuple[ast.expr, str]]:
    """Yield what ``field(default_factory=dict)`` makes for each instance."""
    for keyword in call.keywords if isinstance(call, ast.Call) else ():
        if keyword.arg in _FACTORIES:
            inner = keyword.value.body if isinstance(keyword.value, ast.Lambda) else keyword.value
            if isinstance(inner, (ast.Name, ast.Attribute)):
                yield keyword.value, f"{_factory_name(inner)} for each instance"
            else:
                yield from _container(inner, below)


def _factory_name(factory: ast.expr) -> str:
    if isinstance(factory, ast.Lambda):
        return next((how for _, how in _container(factory.body, 0)), "a lambda")
    name = identifier(factory)
    return f"{name}() without {_BOUNDS[name]}" if name in _BOUNDS else f"{name}()"


def _how(call: ast.Call) -> str:
    """Name what a call makes, and the bound it does not give it."""
    name = identifier(call.func)
    bound = _BOUNDS.get(name)
    if bound is None or len(call.args) > _AT[name] or any(keyword.arg in {bound, None} for keyword in call.keywords):
        return f"{name}()" if name else "a call"
    return f"{name}() without {bound}"


# -- other places that give it ---------------------------------------------------------------------


def _by_decorator(tree: Tree, page: Page) -> Iterator[_Made]:
    """Yield where a function is wrapped by its cache."""
    for put in page.puts:
        made = put.node if isinstance(put.node, ast.expr) else None
        statement = tree.parent(made) if made is not None else None
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            made = statement.value.func
        if made is not None:
            yield _Made(tree, put.node, _cache(made), 0, put.ref.is_sure, put.function)


def _cache(made: ast.expr) -> str:
    name = identifier(made)
    if isinstance(made, ast.Call):
        given = [*made.args[:1], *(keyword.value for keyword in made.keywords if keyword.arg == "maxsize")]
        if any(isinstance(value, ast.Constant) and value.value is None for value in given):
            return "cache without maxsize"
    return "cache without maxsize" if name in {"cache", "cached_property"} else f"{name}()"


def _by_default(tree: Tree, home: Home) -> Iterator[_Made]:
    """Yield the default of an argument, made once when the function is defined."""
    names = {scope.qualname for scope in home.scopes if is_same_file(scope.file, tree.file)}
    for node in tree.nodes:
        if isinstance(node, FunctionDef) and tree.qualname(node) in names:
            for name, default in _defaults(node.args):
                if name == home.name:
                    how = next((how for _, how in _container(default, home.below)), "a default")
                    yield _Made(tree, default, f"{how} as a default argument", 0)


def _defaults(args: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    positional = [*args.posonlyargs, *args.args]
    yield from ((arg.arg, default) for arg, default in zip(positional[::-1], args.defaults[::-1], strict=False))
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        if default is not None:
            yield arg.arg, default


def _by_name(tree: Tree, home: Home, name: str, *, is_named: bool) -> Iterator[_Made]:
    """Yield what gives an attribute without assigning it: a property, a keyword, ``setattr`` or an attribute set."""
    for node in tree.nodes if home.kind is NameKind.ATTRIBUTE and is_named else ():
        match node:
            case ast.FunctionDef(name=str(found)) if found == name and _is_property(node):
                yield from _by_return(tree, node, home.below)
            case ast.keyword(arg=str(found), value=value) if found == name:
                yield from (_Made(tree, value, how, 1, is_sure=False) for _, how in _container(value, home.below))
            case ast.Attribute(attr=str(found), ctx=ast.Store()) if found == name:
                for value in _values_of(tree, node):
                    yield from (_Made(tree, node, how, 1, is_sure=False) for _, how in _container(value, home.below))
            case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value=found), value]) if found == name:
                yield from (_Made(tree, node, how, 1, is_sure=False) for _, how in _container(value, home.below))


def _is_property(function: ast.FunctionDef) -> bool:
    return any(identifier(made) in _PROPERTIES for made in function.decorator_list)


def _by_return(tree: Tree, function: ast.FunctionDef, below: int) -> Iterator[_Made]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from (_Made(tree, node, how, 0) for _, how in _container(node.value, below))


def _site(made: _Made, shelf: Shelf) -> CodeSite:
    tree, line = made.tree, int(getattr(made.node, "end_lineno", 0) or 0)
    if not isinstance(made.node, ast.Attribute):
        line = int(getattr(made.node, "lineno", line))
    function = tree.function(made.node)
    named = tree.qualname(function).replace("<locals>.", "") if function is not None else made.function
    return CodeSite(Site(tree.file, line, named, shelf.files.line(tree.file, line)), made.how, is_sure=made.is_sure)
