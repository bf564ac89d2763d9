"""What each file does to the owner: its operations, with the doubtful only where nothing better is found."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import attrs

from leakdiff.model.code import Home, NameKind
from leakdiff.source.aliases import follow
from leakdiff.source.cached import calls_and_clears
from leakdiff.source.mutations import Operation, Reader
from leakdiff.source.names import (
    Known,
    Reference,
    classes_of,
    find_names,
    instances_of,
    is_unique,
    names_by_module,
    own_methods,
    receivers_of,
)
from leakdiff.source.rebinding import Doing
from leakdiff.source.shelf import Shelf
from leakdiff.source.trees import Tree


@attrs.frozen(eq=False)
class Page:
    """What one file does to the owner."""

    tree: Tree
    refs: dict[ast.AST, Reference]
    puts: list[Operation]
    gones: list[Operation]

    @property
    def sure_puts(self) -> list[Operation]:
        """The puts that are surely into this owner."""
        return [put for put in self.puts if put.ref.is_sure and not put.is_call]


def read_pages(shelf: Shelf, known: Known) -> Iterator[Page]:
    """Yield what each file does to the owner."""
    home = known.home
    methods = own_methods(shelf.trees, home)
    found = [_page(tree, known, methods) for tree in shelf.trees]
    operations = [operation for operations, *_ in found for operation in operations]
    first = _first_value(operations)
    best = {doing: _is_weak(operations, doing) for doing in (Doing.PUT, Doing.GONE)}
    for inside, tree, refs in found:
        puts = [one for one in inside if one.doing is Doing.PUT and one.is_weak is best[Doing.PUT]]
        gones = [one for one in inside if one.doing is Doing.GONE and one.is_weak is best[Doing.GONE]]
        gones += [one for one in inside if one.doing is Doing.EMPTIED and one is not first]
        gones.sort(key=lambda one: one.line)
        yield Page(tree, refs, _not_while_imported(puts, operations, tree), gones)


def gather(shelf: Shelf, home: Home, name: str) -> Known:
    """Gather from all files what one of them does not say: other names, derived classes, instances."""
    if home.kind in {NameKind.GLOBAL, NameKind.CACHE} and not home.scopes:
        return Known(home, name, names=names_by_module(shelf.trees, home))
    classes = classes_of(shelf.trees, home.scopes)
    texts = (shelf.files.text(path) for path in shelf.paths)
    known = Known(home, name, classes, instances_of(texts, classes))
    known = attrs.evolve(known, receivers=receivers_of(shelf.trees, known))
    return attrs.evolve(known, is_unique=is_unique(shelf.trees, known))


def _page(tree: Tree, known: Known, methods: frozenset[str]) -> tuple[list[Operation], Tree, dict[ast.AST, Reference]]:
    home = known.home
    refs = follow(tree, find_names(tree, known), home.below + 1)
    if home.kind is NameKind.CACHE:
        return list(calls_and_clears(tree, known, refs)), tree, refs
    reader = Reader(tree, refs, home.below, home.owner_type, methods)
    found = {(one.line, one.how, one.doing): one for one in reader.operations()}
    return sorted(found.values(), key=lambda one: one.line), tree, refs


def _is_weak(operations: Sequence[Operation], doing: Doing) -> bool:
    return all(one.is_weak for one in operations if one.doing is doing)


def _first_value(operations: Sequence[Operation]) -> Operation | None:
    """Return the new empty container that is the owner's first, where nothing makes one earlier: no removal."""
    if any(one.doing is Doing.MADE for one in operations):
        return None
    return next((one for one in operations if one.doing is Doing.EMPTIED), None)


def _not_while_imported(puts: list[Operation], operations: Sequence[Operation], tree: Tree) -> list[Operation]:
    """Leave out what runs once, when a module is imported, where there are puts that run more often."""
    later = [put for put in puts if tree.function(put.node) is not None]
    return later or (puts if not any(one.doing is Doing.PUT and one not in puts for one in operations) else [])
