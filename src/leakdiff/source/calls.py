"""Which function a call runs, and who calls a function, as far as names tell."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

import attrs

from leakdiff.source.names import instances_of
from leakdiff.source.shelf import Shelf
from leakdiff.source.trees import FunctionDef, Tree, first_argument, grow_tree, identifier
from leakdiff.source.words import GONES, OF_BUFFERS, OF_QUEUES, PUTS
from leakdiff.source_files import is_users_file

_MOST_FILES = 4  # that mention a name
_MOST_CALLS = 6  # of one function, from which on they say nothing
_MOST_NAMESAKES = 12  # methods of one name, from which on its class is not looked for
_MAKERS = ("__init__", "__new__", "__post_init__", "__attrs_post_init__")
_COMMON = (
    PUTS
    | GONES
    | OF_QUEUES
    | OF_BUFFERS
    | frozenset(["close", "open", "read", "start", "stop", "run", "send", "set", "join", "flush"])
)


@attrs.frozen
class Place:
    """A function of one file."""

    tree: Tree = attrs.field(eq=id)
    function: FunctionDef = attrs.field(eq=id)

    @property
    def first(self) -> str:
        """What the function calls the object it is a method of; empty for a plain function."""
        is_method = isinstance(self.tree.parent(self.function), ast.ClassDef) and not self._is_static
        return first_argument(self.function) if is_method else ""

    @property
    def called(self) -> str:
        """The name it is called by: that of its class, where it makes the object."""
        cls = self.tree.parent(self.function)
        return cls.name if isinstance(cls, ast.ClassDef) and self.is_maker else self.function.name

    @property
    def is_maker(self) -> bool:
        """Whether it makes an object of its class."""
        return self.function.name in _MAKERS

    @property
    def _is_static(self) -> bool:
        return any(identifier(made) == "staticmethod" for made in self.function.decorator_list)


@attrs.frozen
class Calling:
    """A call of a function, and the function it stands in."""

    place: Place
    call: ast.Call = attrs.field(eq=id)
    handed: int = 0  # how many arguments come first, where the call is only given the function


@attrs.frozen(eq=False)
class Calls:
    """Looks functions and their calls up in what was read; the user's own files first."""

    shelf: Shelf
    _trees: dict[str, Tree | None] = attrs.field(factory=dict, init=False)
    _instances: dict[str, frozenset[str]] = attrs.field(factory=dict, init=False)
    _places: dict[str, list[Place]] = attrs.field(factory=dict, init=False)
    _callings: dict[Place, list[Calling]] = attrs.field(factory=dict, init=False)

    def run_by(self, tree: Tree, call: ast.Call) -> list[Place]:
        """Return the functions a call runs; none where that cannot be told."""
        return self._named(tree, call.func)

    def handed_to(self, tree: Tree, call: ast.Call) -> Iterator[tuple[Place, int]]:
        """Yield functions that a call is given to run with the arguments behind them, such as ``call_soon(f, x)``."""
        for at, arg in enumerate(call.args[:2]):
            if isinstance(arg, (ast.Name, ast.Attribute)):
                yield from ((place, at + 1) for place in self._named(tree, arg))

    def of(self, place: Place) -> list[Calling]:
        """Return the calls of a function; none where they are many, or nothing but its common name tells."""
        if place not in self._callings:
            self._callings[place] = [] if place.called.startswith("__") else self._calling(place)
        return self._callings[place]

    def _calling(self, place: Place) -> list[Calling]:
        name = place.called
        found = [one for tree in self._mentioning(rf"\b{re.escape(name)}\b", name) for one in _calls_in(tree, name)]
        found = [one for one in found if one.place.function is not place.function and self._may_be(place, one)]
        own = [one for one in found if is_users_file(one.place.tree.file)]
        found = own or found
        return found if len(found) <= _MOST_CALLS else []

    def _may_be(self, place: Place, calling: Calling) -> bool:
        func = calling.call.func if not calling.handed else calling.call.args[calling.handed - 1]
        return any(found.function is place.function for found in self._named(calling.place.tree, func))

    def _named(self, tree: Tree, func: ast.expr) -> list[Place]:
        match func:
            case ast.Name(id=name):
                if isinstance(tree.scope_of(func, name), FunctionDef) and not _defines(tree, name):
                    return []
                return list(self._functions(tree, name))
            case ast.Attribute(value=value, attr=name):
                return self._methods(tree, value, name)
        return []

    def _functions(self, tree: Tree, name: str) -> Iterator[Place]:
        trees = [tree] if _defines(tree, name) else self._mentioning(rf"\b(?:def|class)[ \t]+{re.escape(name)}\b", name)
        for found in trees:
            for node in found.nodes:
                if isinstance(node, FunctionDef) and node.name == name and not _is_method(found, node):
                    yield Place(found, node)
                elif isinstance(node, ast.ClassDef) and node.name == name:
                    yield from _makers(found, node)

    def _methods(self, tree: Tree, value: ast.expr, name: str) -> list[Place]:
        every = self._defining(name)
        own = tree.class_of(value)
        is_self = isinstance(value, ast.Name) and value.id == first_argument(tree.method(value))
        if is_self and own is not None:
            mine = [place for place in every if tree.class_of(place.function) is own]
            return mine or [place for place in every if _is_class(place, {identifier(base) for base in own.bases})]
        if len(_without_bases(every)) == 1 and name not in _COMMON and not name.startswith("__"):
            return every
        if len(every) > _MOST_NAMESAKES:
            return []
        return [place for place in every if self._is_instance(value, place)]

    def _defining(self, name: str) -> list[Place]:
        if name not in self._places:
            trees = self._mentioning(rf"\b(?:def|class)[ \t]+{re.escape(name)}\b", name)
            self._places[name] = [place for found in trees for place in _defined(found, name)]
        return self._places[name]

    def _is_instance(self, value: ast.expr, place: Place) -> bool:
        cls = place.tree.parent(place.function)
        if not isinstance(cls, ast.ClassDef):
            return False
        if cls.name not in self._instances:
            texts = map(self.shelf.files.text, self.shelf.paths)
            # Searching costs 20 ms per MB, so only texts that have the name are.
            self._instances[cls.name] = instances_of((text for text in texts if cls.name in text), [cls.name])
        return identifier(value) in self._instances[cls.name] | {cls.name}

    def _mentioning(self, pattern: str, name: str) -> list[Tree]:
        """Return the first files that match, parsed; none of the library's where there are enough of the user's."""
        sought = re.compile(pattern)
        texts = ((path, self.shelf.files.text(path)) for path in self.shelf.paths)
        paths = [path for path, text in texts if name in text and sought.search(text)]
        paths.sort(key=lambda path: not is_users_file(path))
        return [tree for path in paths[:_MOST_FILES] if (tree := self._tree(path)) is not None]

    def _tree(self, path: str) -> Tree | None:
        if path not in self._trees:
            known = next((tree for tree in self.shelf.trees if tree.file == path), None)
            root = self.shelf.files.tree(path) if known is None else None
            self._trees[path] = known if root is None else grow_tree("", path, root)
        return self._trees[path]


def _calls_in(tree: Tree, name: str) -> Iterator[Calling]:
    for node in tree.nodes:
        function = tree.function(node) if isinstance(node, ast.Call) else None
        if not isinstance(node, ast.Call) or function is None:
            continue
        if not isinstance(node.func, ast.Call) and identifier(node.func) == name:
            yield Calling(Place(tree, function), node)
        for at, arg in enumerate(node.args[:2]):
            if isinstance(arg, (ast.Name, ast.Attribute)) and identifier(arg) == name:
                yield Calling(Place(tree, function), node, at + 1)


def _defined(tree: Tree, name: str) -> Iterator[Place]:
    for node in tree.nodes:
        if isinstance(node, FunctionDef) and node.name == name and not isinstance(tree.parent(node), FunctionDef):
            yield Place(tree, node)
        elif isinstance(node, ast.ClassDef) and node.name == name:
            yield from _makers(tree, node)


def _makers(tree: Tree, cls: ast.ClassDef) -> Iterator[Place]:
    yield from (Place(tree, node) for node in cls.body if isinstance(node, FunctionDef) and node.name in _MAKERS)


def _defines(tree: Tree, name: str) -> bool:
    return any(isinstance(node, (*_DEFINITIONS,)) and node.name == name for node in tree.nodes)


def _is_method(tree: Tree, node: ast.AST) -> bool:
    return isinstance(tree.parent(node), ast.ClassDef)


def _without_bases(places: Sequence[Place]) -> list[Place]:
    """Leave out methods of classes that others of them derive from."""
    classes = [cls for place in places if isinstance(cls := place.tree.parent(place.function), ast.ClassDef)]
    bases = {identifier(base) for cls in classes for base in cls.bases}
    return [place for place in places if not _is_class(place, bases)]


def _is_class(place: Place, names: set[str]) -> bool:
    cls = place.tree.parent(place.function)
    return isinstance(cls, ast.ClassDef) and cls.name in names


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
