"""Who ends what waits for ever: the line that made a task, timer or thread, and the lines that would end one."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import attrs

from leakdiff.model.code import CodeSite
from leakdiff.model.heap import Site
from leakdiff.source.conditions import Conditions
from leakdiff.source.mutations import Operation
from leakdiff.source.names import Reference
from leakdiff.source.rebinding import Doing
from leakdiff.source.trees import Tree, grow_tree, identifier
from leakdiff.source_files import SourceFiles, is_of_stdlib, is_users_file

_CANCEL = ("cancel",)
_ANSWER = ("cancel", "set_result", "set_exception")
_STOP = ("join", "stop", "set", "cancel", "shutdown", "terminate", "close")
_ENDS = {
    "create_task": _CANCEL,
    "ensure_future": _CANCEL,
    "run_coroutine_threadsafe": _CANCEL,
    "call_later": _CANCEL,
    "call_at": _CANCEL,
    "Timer": _CANCEL,
    "create_future": _ANSWER,
    "Future": _ANSWER,
    "Thread": _STOP,
}
_MOST_NAMED = 3


@attrs.frozen
class Pending:
    """What the source says of something that waits.

    Attributes:
        made: The line that made it; None where none of the lines does.
        ends: Lines that would end one.
        summary: Who does, in a sentence.
    """

    made: CodeSite | None = None
    ends: tuple[CodeSite, ...] = ()
    summary: str = ""


def who_ends(born: Sequence[Site]) -> Pending:
    """Say who cancels, answers or stops what one of some lines makes.

    Args:
        born: Lines that allocated what is pending; those the user can edit are asked first.
    """
    files = SourceFiles()
    for site in sorted(born, key=lambda site: not is_users_file(site.file)):
        root = files.tree(site.file) if not is_of_stdlib(site.file) else None
        if root is not None:
            tree = grow_tree("", site.file, root)
            for call in _made_at(tree, site.line):
                return _Reader(tree, call, site, files).read()
    return Pending()


def _made_at(tree: Tree, line: int) -> Iterator[ast.Call]:
    for node in tree.nodes:
        is_there = isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or line)
        if is_there and isinstance(node, ast.Call) and identifier(node.func) in _ENDS:
            yield node


@attrs.frozen(eq=False)
class _Reader:
    """Reads one file around the call that made something."""

    tree: Tree
    made: ast.Call
    site: Site
    files: SourceFiles

    def read(self) -> Pending:
        """Return the line that made it, the lines that would end it, and who does."""
        made = Operation(Doing.PUT, identifier(self.made.func), self.made, Reference(self.made, 0))
        ends = [Operation(Doing.GONE, node.attr, node, Reference(node, 0)) for node in self._endings()]
        conditions = Conditions(self.tree, {}, [made], ends)
        sites = [self._site(end, conditions.only(end)) for end in ends]
        sites.sort(key=lambda found: found.site.function != self._maker)
        return Pending(self._site(made, ""), tuple(sites), self._summary(sites))

    def _endings(self) -> Iterator[ast.Attribute]:
        """Yield the methods called, or handed over, that would end it; of threads only those of the same class."""
        kind = identifier(self.made.func)
        around = self.tree.class_of(self.made)
        for node in self.tree.nodes:
            if not isinstance(node, ast.Attribute) or node.attr not in _ENDS[kind]:
                continue
            is_method = isinstance(node.ctx, ast.Load) and not isinstance(self.tree.parent(node), ast.Attribute)
            if is_method and (kind != "Thread" or self.tree.class_of(node) is around):
                yield node

    def _site(self, operation: Operation, only: str) -> CodeSite:
        function = self.tree.function(operation.node)
        name = self.tree.qualname(function).replace("<locals>.", "") if function is not None else ""
        line = operation.line
        code = self.files.line(self.site.file, line)
        return CodeSite(Site(self.site.file, line, name, code), operation.how, only, is_sure=operation.how != "set")

    @property
    def _maker(self) -> str:
        function = self.tree.function(self.made)
        return self.tree.qualname(function).replace("<locals>.", "") if function is not None else ""

    def _summary(self, ends: Sequence[CodeSite]) -> str:
        kind, maker = identifier(self.made.func), self._maker or "the module"
        verb = "stops" if kind == "Thread" else "answers or cancels" if _ENDS[kind] is _ANSWER else "cancels"
        called = f"`{kept}`" if (kept := self._kept_as()) else "it"
        here = [end for end in ends if end.site.function == self._maker]
        if here:
            found = here[0]
            only = f" {found.only}" if found.only else ", but not on this path"
            return f"{maker} calls {found.how}() in line {found.site.line}{only}"
        if not ends:
            calls = " or ".join(f"{end}()" for end in _ENDS[kind])
            return f"nobody {verb} {called}: no line of this {self._searched} calls {calls}"
        where = ", ".join(sorted({end.site.function or "the module" for end in ends})[:_MOST_NAMED])
        hows = " or ".join(sorted({f"{end.how}()" for end in ends}))
        return f"nobody {verb} {called} in {maker}; {hows} is called in {where} only"

    @property
    def _searched(self) -> str:
        in_class = identifier(self.made.func) == "Thread" and self.tree.class_of(self.made) is not None
        return "class" if in_class else "file"

    def _kept_as(self) -> str:
        """Return the name that what is made is given, if it is given one."""
        match self.tree.parent(self.made):
            case ast.Assign(targets=[target, *_]) | ast.AnnAssign(target=target) | ast.NamedExpr(target=target):
                return ast.unparse(target)
        return ""
