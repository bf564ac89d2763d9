"""Operations as lines a person can go to, each with when it runs."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence

import attrs

from leakdiff.model.code import CodeSite, Home, Moves
from leakdiff.model.heap import Site
from leakdiff.source.callers import Callers, Calling
from leakdiff.source.conditions import Conditions
from leakdiff.source.mutations import Operation
from leakdiff.source.names import Reference, plain_attribute
from leakdiff.source.pages import Page
from leakdiff.source.reached import Reach
from leakdiff.source.rebinding import Doing
from leakdiff.source.seen import CALL, UNREACHED, Found
from leakdiff.source.shelf import Shelf
from leakdiff.source.trees import Tree, identifier


@attrs.frozen(eq=False)
class Where:
    """Turns operations into lines with what is known of all the files."""

    home: Home
    shelf: Shelf
    moves: Sequence[Moves]
    callers: Callers
    reach: Reach = attrs.field(init=False)

    @reach.default
    def _reach(self) -> Reach:
        return Reach(self.shelf, self.package, self.moves)

    @property
    def package(self) -> str:
        """The package the home lies in; of a program that was run, the name of its file."""
        module = self.home.module.partition(".")[0]
        return module if module not in {"", "__main__"} else os.path.basename(self.home.file).removesuffix(".py")  # noqa: PTH119

    @property
    def text(self) -> str:
        """Where was looked."""
        return f"in the package {self.package}" if len(self.shelf.paths) > 1 else f"in {self.package}"

    @property
    def cut(self) -> str:
        """What was left out."""
        return f" ({self.shelf.unread:,} more files were not read)" if self.shelf.unread else ""

    @property
    def missing(self) -> str:
        """Why there is nothing to read, if so."""
        name, files = self.home.name, self.shelf.files
        if not name:
            return "no name in the source leads to it"
        own = {self.home.file, *(scope.file for scope in self.home.scopes)}
        if not any(files.text(path) for path in self.shelf.paths if path in own):
            return f"the source of {self.package or name} is not there to be read, or has changed since it was loaded"
        if not self.shelf.trees:
            is_named = any(plain_attribute(name) in files.text(path) for path in self.shelf.paths)
            why = "cannot be parsed by this Python" if is_named else f"does not mention {name}"
            return f"the source of {self.package} {why}"
        return ""

    def puts(self, page: Page) -> Iterator[Found]:
        """Yield the lines of a file that put."""
        conditions = Conditions(page.tree, page.refs, page.puts, page.gones)
        for put in page.puts:
            found = self._found(page.tree, put, conditions.only(put))
            yield attrs.evolve(found, role=CALL) if put.is_call else found

    def gones(self, page: Page) -> Iterator[Found]:
        """Yield the lines of a file that take out, and the calls of the functions they are in."""
        conditions = Conditions(page.tree, page.refs, page.puts, page.gones)
        calls: dict[ast.AST, Calling] = {}
        for gone in page.gones:
            function = page.tree.function(gone.node)
            calling = self.callers.of(function)
            calls |= {one.call: one for one in calling}
            unreached = self.unreached(page, gone)
            only = conditions.only(gone, unreached) or self.callers.only(calling, function, page.tree.file)
            found = self._found(page.tree, gone, only)
            role = UNREACHED if unreached else CALL if gone.is_call else ""
            yield attrs.evolve(found, role=role)
        for one in calls.values():
            yield self._call(one)

    def unreached(self, page: Page, gone: Operation) -> str:
        """Return that nobody calls the function that a removal is in; empty where somebody does."""
        return self.reach.unreached(page.tree, gone, page.puts)

    def _call(self, calling: Calling) -> Found:
        how = f"{identifier(calling.call)}()"
        named = Operation(Doing.GONE, how, calling.call, Reference(calling.call, 0, calling.is_sure))
        return attrs.evolve(self._found(calling.tree, named, calling.only), role=CALL)

    def _found(self, tree: Tree, operation: Operation, only: str) -> Found:
        line = operation.line
        function = tree.function(operation.node)
        named = tree.qualname(function).replace("<locals>.", "") if function is not None else operation.function
        site = Site(tree.file, line, named, self.shelf.files.line(tree.file, line))
        first, last = tree.lines_of(operation.node)
        return Found(CodeSite(site, operation.how, only, is_sure=operation.ref.is_sure), first, last)
