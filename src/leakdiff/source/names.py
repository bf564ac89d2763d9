"""Which expressions of a file name the owner, before anything is followed to other names."""

from __future__ import annotations

import ast
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import attrs

from leakdiff.model.code import Home, NameKind, Scope
from leakdiff.source.trees import LOCAL, FunctionDef, Tree, dotted, first_argument, identifier
from leakdiff.source.words import CONTAINERS

_MANGLED = re.compile(r"_[A-Za-z0-9]\w*?(__\w+)")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
ALIAS, STORED = "alias", "stored"
_BY_NAME = ("getattr", "setattr", "delattr")


@attrs.frozen(eq=False)
class Reference:
    """An expression that stands for what the name names, or for an entry of it.

    Attributes:
        node: The expression.
        depth: How many entries further down than the name.
        is_sure: Whether it surely means this owner.
        via: How it comes to mean it: by its name, by an ``ALIAS`` that is given it, or because it is ``STORED`` there.
    """

    node: ast.expr
    depth: int
    is_sure: bool = True
    via: str = ""


@attrs.frozen
class Known:
    """What must be known of all files to know a name in one of them.

    Attributes:
        home: Where code names the owner.
        attribute: For an attribute, its name as the class itself writes it.
        classes: Qualified names of the classes that have the attribute, with those derived from them.
        instances: Identifiers that are given instances of these classes.
        names: For a global, by module, what it is called there.
        receivers: For an attribute that no such class mentions, the one thing it is always an attribute of.
        is_unique: Whether no other class that was read has an attribute of this name, and the name is no plain word.
    """

    home: Home
    attribute: str = ""
    classes: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    names: Mapping[str, frozenset[str]] = attrs.field(factory=dict)
    receivers: frozenset[str] = frozenset()
    is_unique: bool = False


def find_names(tree: Tree, known: Known) -> Iterator[Reference]:
    """Yield the expressions that name the owner in one file."""
    match known.home.kind:
        case NameKind.GLOBAL | NameKind.CACHE if not known.home.scopes:
            yield from _globals_in(tree, known)
        case NameKind.ATTRIBUTE | NameKind.CACHE:
            yield from _attributes_in(tree, known)
        case _:
            yield from _locals_in(tree, known.home)
    yield from _selves_in(tree, known.home)


# -- globals ---------------------------------------------------------------------------------------


def names_by_module(trees: Iterable[Tree], home: Home) -> dict[str, frozenset[str]]:
    """Return what a global is called, by module: its own name at home, and what others import it as."""
    trees = list(trees)
    named = {tree.module: {home.name} for tree in trees if is_same_file(tree.file, home.file)}
    named.setdefault(home.module, {home.name})
    for _ in range(3):  # imported from one who imported it
        for tree in trees:
            for module, alias in _imported_from(tree):
                if alias.name in named.get(module, ()):
                    named.setdefault(tree.module, set()).add(alias.asname or alias.name)
    return {module: frozenset(names) for module, names in named.items()}


def _globals_in(tree: Tree, known: Known) -> Iterator[Reference]:
    names = known.names.get(tree.module, frozenset())
    modules = dict(_modules_named(tree, known.names))
    for node in tree.nodes:
        if isinstance(node, ast.Name) and node.id in names:
            if tree.scope_of(node, node.id) is tree.root:
                yield Reference(node, 0)
        elif (isinstance(node, ast.Attribute) and node.attr in modules.get(dotted(node.value), ())) or (
            isinstance(node, ast.Subscript) and _is_in_globals(node, names)
        ):
            yield Reference(node, 0)
    yield from _context_variables(tree, known.home.name)


def _is_in_globals(node: ast.Subscript, names: frozenset[str]) -> bool:
    key = node.slice
    return isinstance(key, ast.Constant) and key.value in names and _is_call_of(node.value, "globals")


def _is_call_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _modules_named(tree: Tree, names: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what this file calls modules that hold the owner, each with the names it has there."""
    for node in tree.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in names:
                    yield alias.asname or alias.name, names[alias.name]
                for module in names:  # `import a` is enough for `a.b` where somebody imports that
                    if not alias.asname and module.startswith(alias.name.partition(".")[0] + "."):
                        yield module, names[module]
    for module, alias in _imported_from(tree):
        whole = f"{module}.{alias.name}"
        if whole in names:
            yield alias.asname or alias.name, names[whole]


def _imported_from(tree: Tree) -> Iterator[tuple[str, ast.alias]]:
    """Yield ``from`` imports: the module, absolute, and what is imported of it."""
    for node in tree.nodes:
        if isinstance(node, ast.ImportFrom):
            module = _absolute(tree, node)
            yield from ((module, alias) for alias in node.names)


def _absolute(tree: Tree, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = tree.module.split(".")
    is_package = os.path.basename(tree.file) == "__init__.py"  # noqa: PTH119  # a name, which need not exist
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, *filter(None, [node.module])])


def _context_variables(tree: Tree, name: str) -> Iterator[Reference]:
    """Yield ``variable.get()`` of the context variables that are made with a name."""
    made = {
        identifier(target)
        for node in tree.nodes
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and _makes_variable(node.value, name)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    for node in tree.nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=variable, attr="get")) if identifier(variable) in made:
                yield Reference(node, 0)


def _makes_variable(value: ast.expr | None, name: str) -> bool:
    if not isinstance(value, ast.Call) or identifier(value.func) != "ContextVar" or not value.args:
        return False
    return isinstance(value.args[0], ast.Constant) and value.args[0].value == name


# -- attributes ------------------------------------------------------------------------------------


def plain_attribute(name: str) -> str:
    """Return a private attribute as its class writes it: ``__x`` for ``_Cls__x``."""
    mangled = _MANGLED.fullmatch(name)
    return mangled[1] if mangled is not None else name


def classes_of(trees: Iterable[Tree], scopes: Iterable[Scope]) -> frozenset[str]:
    """Return the qualified names of some classes and of those derived from them."""
    found = {scope.qualname for scope in scopes}
    definitions = [(tree, node) for tree in trees for node in tree.nodes if isinstance(node, ast.ClassDef)]
    for _ in range(3):  # derived from one that is derived
        last = {name.rpartition(".")[2] for name in found}
        for tree, node in definitions:
            if any(identifier(base) in last for base in node.bases):
                found.add(tree.qualname(node))
    return frozenset(found)


def instances_of(texts: Iterable[str], classes: Iterable[str]) -> frozenset[str]:
    """Return identifiers that sources give instances of some classes, by assignment or annotation."""
    names = "|".join(re.escape(name.rpartition(".")[2]) for name in sorted(classes))
    if not names:
        return frozenset()
    made = re.compile(
        rf"\b(\w+)[ \t]*(?::[^=\n(]*)?=[ \t]*(?:await[ \t]+)?(?:\w+\.)*(?:{names})\("
        rf"""|\b(\w+)[ \t]*:[ \t]*(?:Optional\[)?["']?(?:\w+\.)*(?:{names})\b"""
        rf"|\bwith[^\n]*?\b(?:{names})\([^\n]*\) as (\w+)"
    )
    return frozenset(name for text in texts for found in made.finditer(text) for name in found.groups() if name)


def receivers_of(trees: Iterable[Tree], known: Known) -> frozenset[str]:
    """Return what an attribute always is an attribute of, where that is one thing and no class of it is there."""
    seen: Counter[str] = Counter()
    for tree in trees:
        for node in tree.nodes:
            if isinstance(node, ast.Attribute) and node.attr == known.attribute:
                if _is_self(tree, node) and _is_in_classes(tree, node, known):
                    return frozenset()
                seen[identifier(node.value)] += 1
    return frozenset(seen) if len(seen) == 1 and "" not in seen else frozenset()


def is_unique(trees: Iterable[Tree], known: Known) -> bool:
    """Tell whether only the classes of the owner have an attribute of its name: ``x._inflight`` is surely theirs."""
    if "_" not in known.attribute:
        return False
    definers = [
        (tree, scope)
        for tree in trees
        for node in tree.nodes
        if _sets_attribute(tree, node, known.attribute) and (scope := tree.class_of(node)) is not None
    ]
    return bool(definers) and all(_is_class(tree, scope, known) for tree, scope in definers)


def _sets_attribute(tree: Tree, node: ast.AST, name: str) -> bool:
    match node:
        case ast.Name(id=str(found), ctx=ast.Store()) if found == name:
            return isinstance(tree.scope_of(node, name), ast.ClassDef)
        case ast.Attribute(attr=str(found), ctx=ast.Store()) if found == name:
            return _is_self(tree, node)
    return False


def _attributes_in(tree: Tree, known: Known) -> Iterator[Reference]:
    for node in tree.nodes:
        if isinstance(node, ast.Attribute) and node.attr in {known.attribute, known.home.name}:
            sure = _is_sure(tree, node, known)
            if sure is not None:
                yield Reference(node, 0, sure)
        elif isinstance(node, ast.Name) and node.id == known.attribute:
            if isinstance(scope := tree.scope_of(node, node.id), ast.ClassDef) and _is_class(tree, scope, known):
                yield Reference(node, 0)
        elif isinstance(node, (ast.Call, ast.Subscript)) and _named_by_text(node) == known.attribute:
            yield Reference(node, 0, _is_in_classes(tree, node, known))


def _named_by_text(node: ast.Call | ast.Subscript) -> str:
    """Return the attribute that ``getattr(x, "name")``, ``x.__dict__["name"]`` or ``vars(x)["name"]`` stands for."""
    if isinstance(node, ast.Call):
        is_by_name = identifier(node.func) in _BY_NAME and len(node.args) > 1
        key: ast.expr | None = node.args[1] if is_by_name else None
    else:
        key = node.slice if identifier(node.value) in {"__dict__", "vars"} else None
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""


def _is_sure(tree: Tree, node: ast.Attribute, known: Known) -> bool | None:
    """Tell whether ``x.name`` surely is the owner; None where it surely is not."""
    value = node.value
    if _is_self(tree, node):
        if _is_in_classes(tree, node, known):
            return True
        return None if known.home.scopes else False
    if known.is_unique or identifier(value) in known.receivers:
        return True
    last = {name.rpartition(".")[2] for name in known.classes}
    if isinstance(value, ast.Name | ast.Attribute):
        return identifier(value) in last or identifier(value) in known.instances
    return isinstance(value, ast.Call) and (identifier(value) in last or _is_own_type(tree, value, known))


def _is_self(tree: Tree, node: ast.Attribute) -> bool:
    """Tell whether an attribute is one of the first argument of the method it stands in."""
    method = tree.method(node)
    first = first_argument(method)
    if not first or method is None or any(identifier(made) == "staticmethod" for made in method.decorator_list):
        return False
    value = node.value
    if isinstance(value, ast.Attribute) and value.attr == "__class__":
        value = value.value
    if isinstance(value, ast.Call) and identifier(value) in {"type", "super", "cast"} and not value.keywords:
        value = value.args[-1] if value.args else ast.Name(first)
    return isinstance(value, ast.Name) and value.id == first


def _is_own_type(tree: Tree, value: ast.Call, known: Known) -> bool:
    return identifier(value) in {"type", "super"} and _is_in_classes(tree, value, known)


def _is_in_classes(tree: Tree, node: ast.AST, known: Known) -> bool:
    scope = tree.class_of(node)
    return scope is not None and _is_class(tree, scope, known)


def _is_class(tree: Tree, definition: ast.ClassDef, known: Known) -> bool:
    qualname = tree.qualname(definition)
    if qualname not in known.classes:
        return False
    scopes = [scope for scope in known.home.scopes if scope.qualname == qualname]
    return not scopes or any(is_same_file(scope.file, tree.file) for scope in scopes)


# -- locals and defaults ---------------------------------------------------------------------------


def _locals_in(tree: Tree, home: Home) -> Iterator[Reference]:
    scopes = {_binder(tree, function, home.name) for function in _functions_named(tree, home)}
    for node in tree.nodes:
        if isinstance(node, ast.Name) and node.id == home.name and tree.scope_of(node, node.id) in scopes:
            yield Reference(node, 0)


def _functions_named(tree: Tree, home: Home) -> Iterator[ast.AST]:
    """Yield the functions of the scopes: by name, else by the line they begin at."""
    for scope in home.scopes:
        if not is_same_file(scope.file, tree.file):
            continue
        functions = [node for node in tree.nodes if isinstance(node, _DEFINITIONS)]
        named = [node for node in functions if tree.qualname(node) == scope.qualname]
        at_line = [node for node in named or functions if _first_line(node) == scope.line]
        yield from (at_line or named)[:1]
        if not named and not at_line and scope.qualname.endswith("<module>"):
            yield tree.root


def _first_line(node: ast.AST) -> int:
    decorators = getattr(node, "decorator_list", [])
    return int(min([getattr(node, "lineno", 0), *(made.lineno for made in decorators)]))


def _binder(tree: Tree, function: ast.AST, name: str) -> ast.AST:
    """Return the scope that binds a name as seen from inside a function."""
    if tree.bindings.get(function, {}).get(name) == LOCAL:
        return function
    return tree.scope_of(function, name)


# -- methods of the owner's own class --------------------------------------------------------------


def _selves_in(tree: Tree, home: Home) -> Iterator[Reference]:
    """Yield ``self`` in the methods of the owner's class, where that is a container of the program's own."""
    for node in tree.nodes:
        if isinstance(node, ast.ClassDef) and _is_own_container(node, home):
            yield from _selves_of(tree, node, home.below)


def own_methods(trees: Iterable[Tree], home: Home) -> frozenset[str]:
    """Return the methods that the owner's class defines itself, where that is a container of the program's own."""
    definitions = [node for tree in trees for node in tree.nodes if _is_own_container(node, home)]
    return frozenset(
        node.name
        for definition in definitions
        for node in ast.iter_child_nodes(definition)
        if isinstance(node, FunctionDef)
    )


def _is_own_container(node: ast.AST, home: Home) -> bool:
    last = home.owner_type.rpartition(".")[2]
    return (
        isinstance(node, ast.ClassDef)
        and node.name == last
        and any(identifier(base) in CONTAINERS for base in node.bases)
    )


def _selves_of(tree: Tree, definition: ast.ClassDef, depth: int) -> Iterator[Reference]:
    methods = {node: first_argument(node) for node in definition.body if isinstance(node, FunctionDef)}
    for node in tree.nodes:
        if isinstance(node, ast.Name) and (scope := tree.scope_of(node, node.id)) in methods:
            if methods[scope] == node.id:
                yield Reference(node, depth)
        elif isinstance(node, ast.Call) and identifier(node) == "super" and tree.class_of(node) is definition:
            yield Reference(node, depth)


def is_same_file(one: str, other: str) -> bool:
    """Tell whether two paths are the same file, as their names have it."""
    return bool(one) and os.path.normcase(os.path.normpath(one)) == os.path.normcase(os.path.normpath(other))
