"""Who cancels what waits for ever: the line that made a task, and the lines that cancel one."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from leakdiff.model.heap import Site
from leakdiff.source_files import SourceFiles

_MAKES = ("create_task", "ensure_future", "run_coroutine_threadsafe", "create_future", "call_later", "call_at", "Timer")
_ENDS = ("cancel",)
_ENDS_OF_FUTURES = ("cancel", "set_result", "set_exception")
_MOST_NAMED = 3


def who_cancels(born: Sequence[Site]) -> str:
    """Say in a sentence who cancels a task, future or timer that one of some lines makes; empty if none makes one.

    Args:
        born: Lines that allocated what is pending.
    """
    files = SourceFiles()
    for site in born:
        tree = files.tree(site.file)
        made = None if tree is None else next(_made_at(tree, site.line), None)
        if tree is not None and made is not None:
            return _sentence(tree, made, site, files)
    return ""


def _made_at(tree: ast.Module, line: int) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or line) and _name(node) in _MAKES:
            yield node


def _sentence(tree: ast.Module, made: ast.Call, site: Site, files: SourceFiles) -> str:
    maker = files.function_at(site.file, site.line)
    ending = _ENDS_OF_FUTURES if _name(made) == "create_future" else _ENDS
    ends = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ending]
    where = sorted({files.function_at(site.file, node.lineno) or "the module" for node in ends})
    here = [node.lineno for node in ends if files.function_at(site.file, node.lineno) == maker]
    if here:
        return f"{maker or 'the module'} calls {_called(ends, here[0])} in line {here[0]}, but not on this path"
    called = f" `{kept}`" if (kept := _kept_as(tree, made)) else " it"
    if not where:
        return f"nobody cancels{called}: no line of this file calls {' or '.join(f'{end}()' for end in ending)}"
    shown, verbs = ", ".join(where[:_MOST_NAMED]), " or ".join(sorted({f"{node.attr}()" for node in ends}))
    return f"nobody cancels{called} in {maker or 'the module'}; {verbs} is called in {shown} only"


def _called(ends: Sequence[ast.Attribute], line: int) -> str:
    return next(f"{node.attr}()" for node in ends if node.lineno == line)


def _kept_as(tree: ast.Module, made: ast.Call) -> str:
    """Return the name that what is made is given, if it is given one."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and node.value is made:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            return ast.unparse(target)
    return ""


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
