"""What number an expression of the source is, where that can be read off it."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator

from leakdiff.source.trees import FunctionDef, Tree, arguments_of, first_argument, identifier

_DEEPEST = 6
_MOST = 1 << 40
_MOST_BITS = 40
_MOST_BASE = 1_024
_FIELDS = ("field", "ib", "attrib", "Field")
_CALCULATE: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.Pow: operator.pow,
}


def whole_number(tree: Tree, node: ast.expr | None, depth: int = 0) -> int | None:
    """Return the whole number an expression is: a literal, a constant, or an attribute that is set to one only.

    Args:
        tree: The file.
        node: The expression.
        depth: How many names led here.
    """
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if node is None or depth > _DEEPEST:
        return None
    if isinstance(node, ast.BinOp):
        sides = [whole_number(tree, side, depth + 1) for side in (node.left, node.right)]
        return _calculated(node.op, *sides)
    meant = {whole_number(tree, value, depth + 1) for value in _stands_for(tree, node)}
    return meant.pop() if len(meant) == 1 else None


def _calculated(op: ast.operator, left: int | None, right: int | None) -> int | None:
    calculate = _CALCULATE.get(type(op))
    if calculate is None or left is None or right is None or not (0 <= left <= _MOST and 0 < right <= _MOST):
        return None
    if isinstance(op, (ast.LShift, ast.Pow)) and (right > _MOST_BITS or left > _MOST_BASE):
        return None
    return calculate(left, right)


def _stands_for(tree: Tree, node: ast.expr) -> Iterator[ast.expr]:
    """Yield the expressions that give another its value."""
    match node:
        case ast.Name() | ast.Attribute():
            yield from _values(tree, node)
        case ast.Call(keywords=keywords) if identifier(node) in _FIELDS:
            yield from (keyword.value for keyword in keywords if keyword.arg == "default")
        case ast.BoolOp(op=ast.Or(), values=values):
            yield values[-1]
        case ast.IfExp(test=ast.Compare(ops=[ast.Is()]), body=value) | ast.IfExp(orelse=value):
            yield value


def _values(tree: Tree, node: ast.Name | ast.Attribute) -> Iterator[ast.expr]:
    """Yield what a name or attribute is ever set to."""
    if isinstance(node, ast.Name):
        scope = tree.scope_of(node, node.id)
        if isinstance(scope, FunctionDef):
            yield from _given(tree, scope, node.id)
        for target, value in _assignments(tree):
            if isinstance(target, ast.Name) and target.id == node.id and tree.scope_of(target, node.id) is scope:
                yield value
    else:
        cls = _class_meant(tree, node)
        for target, value in _assignments(tree):
            if cls is not None and tree.class_of(target) is cls and _sets(tree, target, node.attr):
                yield value


def _class_meant(tree: Tree, node: ast.Attribute) -> ast.ClassDef | None:
    """Return the class that ``self``, ``cls`` or a class's own name stands for."""
    if identifier(node.value) in {first_argument(tree.method(node)), "type", "__class__"}:
        return tree.class_of(node)
    named = [found for found in tree.nodes if isinstance(found, ast.ClassDef) and found.name == identifier(node.value)]
    return named[0] if len(named) == 1 else None


def _sets(tree: Tree, target: ast.expr, name: str) -> bool:
    """Tell whether a target inside a class is its attribute: in its body, or of ``self`` where it is made."""
    function = tree.function(target)
    if isinstance(target, ast.Name):
        return target.id == name and function is None
    if not isinstance(target, ast.Attribute) or target.attr != name:
        return False
    return function is not None and identifier(target.value) == first_argument(tree.method(target))


def _given(tree: Tree, function: FunctionDef, name: str) -> Iterator[ast.expr]:
    """Yield what an argument is given: by the calls that make an object, else its default."""
    cls = tree.class_of(function)
    calls = [
        node
        for node in tree.nodes
        if isinstance(node, ast.Call) and cls is not None and identifier(node.func) == cls.name
    ]
    if function.name != "__init__" or not calls:
        yield from _default(function, name)
        return
    at = arguments_of(function).index(name) - 1
    for call in calls:
        by_name = [keyword.value for keyword in call.keywords if keyword.arg == name]
        yield from by_name or (call.args[at : at + 1] if at >= 0 else []) or _default(function, name)


def _default(function: FunctionDef, name: str) -> Iterator[ast.expr]:
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    pairs = [
        *zip(reversed(positional), reversed(args.defaults), strict=False),
        *zip(args.kwonlyargs, args.kw_defaults, strict=True),
    ]
    yield from (value for arg, value in pairs if arg.arg == name and value is not None)


def _assignments(tree: Tree) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in tree.nodes:
        if isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield node.target, node.value
        elif isinstance(node, ast.AugAssign):  # what is counted is no constant
            yield node.target, ast.Constant(None)
