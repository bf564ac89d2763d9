"""Functions that a cache wraps: each new call puts, and ``cache_clear()`` takes all out."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from leakdiff.source.mutations import Operation
from leakdiff.source.names import Known, Reference
from leakdiff.source.rebinding import Doing
from leakdiff.source.trees import FunctionDef, Tree, identifier

_HOW = "calls are cached"


def calls_and_clears(tree: Tree, known: Known, refs: Mapping[ast.AST, Reference]) -> Iterator[Operation]:
    """Yield where a function is wrapped by its cache, and where the cache is cleared."""
    for node in tree.nodes:
        if isinstance(node, FunctionDef) and node.name == known.attribute and _is_meant(tree, node, known):
            yield _wrapped(tree, node)
    for ref in refs.values():
        parent = tree.parent(ref.node)
        if isinstance(parent, ast.Attribute) and parent.attr == "cache_clear":
            yield Operation(Doing.GONE, "cache_clear", parent, ref)
        elif isinstance(parent, ast.Assign) and ref.node in parent.targets and isinstance(parent.value, ast.Call):
            yield Operation(Doing.PUT, _HOW, ref.node, ref, function=known.attribute)


def _is_meant(tree: Tree, function: FunctionDef, known: Known) -> bool:
    if not known.home.scopes:
        names = known.names.get(tree.module, frozenset())
        return tree.parent(function) is tree.root and function.name in names and bool(function.decorator_list)
    cls = tree.class_of(function)
    return cls is not None and tree.qualname(cls) in known.classes and bool(function.decorator_list)


def _wrapped(tree: Tree, function: FunctionDef) -> Operation:
    caches = [made for made in function.decorator_list if "cache" in identifier(made).lower()]
    made = (caches or function.decorator_list)[0]
    return Operation(Doing.PUT, _HOW, made, Reference(made, 0), function=tree.qualname(function))
