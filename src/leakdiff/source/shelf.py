"""The files in which code may name an owner: which of them are read, and which of those are parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from leakdiff.model.code import Home
from leakdiff.source.trees import Tree, grow_tree
from leakdiff.source_files import SourceFiles, is_own_file

_MOST_FILES = 400
_MOST_CALLERS = 4  # files, from which on who calls a function is not looked at
_MOST_TEXT = 20 << 20  # characters read
_MOST_PARSED = 3 << 20  # characters parsed, which cost a second and a hundred times their size per million


@attrs.frozen(eq=False)
class Shelf:
    """What was read for one owner.

    Attributes:
        trees: The files that mention its name, parsed; those of its home first.
        paths: All files that were read.
        files: Their texts.
        unread: How many were not, because there were too many.
    """

    trees: tuple[Tree, ...] = ()
    paths: tuple[str, ...] = ()
    files: SourceFiles = attrs.field(factory=SourceFiles)
    unread: int = 0
    _calling: dict[str, tuple[Tree, ...]] = attrs.field(factory=dict)

    def mentions(self, name: str) -> int:
        """Count how often a name stands in what was read, other than where it is defined."""
        word = re.compile(rf"\b{re.escape(name)}\b")
        defined = re.compile(rf"\bdef[ \t]+{re.escape(name)}\b")
        texts = [self.files.text(path) for path in self.paths]
        return sum(len(word.findall(text)) - len(defined.findall(text)) for text in texts if name in text)

    def calling(self, name: str) -> tuple[Tree, ...]:
        """Return the files that mention a function, parsed; none where they are many."""
        if name not in self._calling:
            paths = [path for path in self.paths if _mentions(self.files.text(path), name)]
            known = {tree.file: tree for tree in self.trees}
            parsed = (known.get(path) or self._parsed(path) for path in paths[:_MOST_CALLERS])
            trees = tuple(tree for tree in parsed if tree is not None)
            self._calling[name] = trees if len(paths) <= _MOST_CALLERS else ()
        return self._calling[name]

    def _parsed(self, path: str) -> Tree | None:
        root = self.files.tree(path)
        return grow_tree("", path, root) if root is not None else None


def fill_shelf(home: Home, name: str) -> Shelf:
    """Read the files of a home, and parse those that mention a name."""
    files = SourceFiles()
    paths: list[str] = []
    trees: list[Tree] = []
    read = parsed = unread = 0
    for module, path in _places(home):
        if len(paths) >= _MOST_FILES or read >= _MOST_TEXT:
            unread += 1
            continue
        text = files.text(path)
        paths.append(path)
        read += len(text)
        if not _mentions(text, name):
            continue
        if parsed + len(text) > _MOST_PARSED:
            unread += 1
        elif (root := files.tree(path)) is not None:
            parsed += len(text)
            trees.append(grow_tree(module, path, root))
    return Shelf(tuple(trees), tuple(paths), files, unread)


def _mentions(text: str, name: str) -> bool:
    return name in text and re.search(rf"\b{re.escape(name)}\b", text) is not None


def _places(home: Home) -> Iterator[tuple[str, str]]:
    """Yield modules and their files, each file once: the home, its scopes, and the others in their order."""
    modules = {path: module for module, path in reversed(home.files)}
    own = [home.file, *(scope.file for scope in home.scopes)]
    places = {path: home.module if path == home.file else modules.get(path, home.module) for path in own}
    places |= {path: module for module, path in home.files if path not in places}
    yield from ((module, path) for path, module in places.items() if path and not is_own_file(path))
