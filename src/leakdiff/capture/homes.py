"""Where code that names an owner is to be looked for: from the live objects on its path to names of files."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from leakdiff.capture.containers import is_lru_cache
from leakdiff.capture.kinds import (
    derives,
    dict_of_module,
    dict_of_type,
    is_exactly,
    module_of,
    mro_of,
    qualname_of,
    type_name,
)
from leakdiff.capture.naming import class_home, suspended_code
from leakdiff.capture.prompt import KIND as PROMPT
from leakdiff.capture.roots import Root
from leakdiff.model.code import Home, NameKind, Scope
from leakdiff.source_files import is_users_file

Link = tuple[str, int, int]  # a label, and where in the chain it leads from and to

_ATTRIBUTE = re.compile(r"\.([A-Za-z_]\w*)")
_LOCAL = re.compile(r" (local|closure|global|greenlet local|variable) (\w+)")
_DEFAULT = re.compile(r"\.__(?:kw)?defaults__\['(\w+)'\]")
_PARTS = (" entries", " cache")  # labels of what an object keeps its entries in
_MOST_FILES = 600
_code_of: Any = types.FunctionType.__dict__["__code__"].__get__
_globals_of: Any = types.FunctionType.__dict__["__globals__"].__get__


def home_of(chain: Sequence[Any], links: Sequence[Link], root: Root) -> Home:
    """Return where code that names the last object of a chain is to be looked for.

    Args:
        chain: Live objects from the root's target, or from a class on the way, to the owner.
        links: The chain's links by name.
        root: Where it starts.
    """
    named = _last_named(chain, links, len(links), root)
    if named is None:
        return _home(_unnamed(root), 0, type_name(type(chain[-1])))
    at, found = named
    home = _home(found, *_rest(chain, links[at + 1 :], links[at]))
    if is_users_file(home.file):
        return home
    around = next(iter(_users_names(chain, links[:at], root)), None)
    if around is None:
        return home
    return attrs.evolve(home, outer=_home(around[1], *_rest(chain, links[around[0] + 1 : at], links[around[0]])))


def _users_names(chain: Sequence[Any], links: Sequence[Link], root: Root) -> Iterator[tuple[int, _Found]]:
    """Yield the names on the way that are the program's own, the last first."""
    end = len(links)
    while (named := _last_named(chain, links, end, root)) is not None:
        end, found = named
        if is_users_file(found[3]):
            yield named


def _last_named(chain: Sequence[Any], links: Sequence[Link], end: int, root: Root) -> tuple[int, _Found] | None:
    """Return the last link before some end that code can name, and what it names."""
    for at in range(end - 1, -1, -1):
        label, source, target = links[at]
        found = _named(label, chain[source], root if source == 0 else None)
        if found is not None:
            if not found[3] and root.kind == "module":  # an attribute of an object of C code
                found = (*found[:2], root.name, _file_in(root.target), found[4])
            return at, (NameKind.CACHE, *found[1:]) if is_lru_cache(chain[target]) else found
    return None


def _rest(chain: Sequence[Any], links: Sequence[Link], named: Link) -> tuple[int, str]:
    """Return how many entries lie between what a link names and the owner, and the owner's type.

    What is part of a cache or queue itself is no entry of it.
    """
    between = [link for link in links if link[0] not in _PARTS]
    parts = [link for link in links if link[0] in _PARTS]
    owner = chain[parts[0][1]] if parts else chain[(links[-1] if links else named)[2]]
    return (0 if is_lru_cache(chain[named[2]]) else len(between)), type_name(type(owner))


def _unnamed(root: Root) -> _Found:
    """Return where to look for what no code names on the way."""
    if root.name == "sys.modules":
        return (NameKind.GLOBAL, "modules", "sys", "", ())
    return (NameKind.ATTRIBUTE, "", "", "", ())


_Found = tuple[NameKind, str, str, str, tuple[Scope, ...]]  # kind, name, module, file, scopes


def _home(found: _Found, below: int, owner_type: str) -> Home:
    kind, name, module, file, scopes = found
    files = tuple(_files_beside(module, file, scopes))
    return Home(
        kind=kind, name=name, module=module, file=file, scopes=scopes, below=below, owner_type=owner_type, files=files
    )


def _named(label: str, holder: Any, root: Root | None) -> _Found | None:
    """Return what a link's label names, if code can name it; None for entries, and what C code or a prompt holds."""
    if root is not None and root.kind == PROMPT:
        return None
    if (named := _DEFAULT.fullmatch(label)) is not None and type(holder) is types.FunctionType:
        return _in_function(NameKind.DEFAULT, named[1], _code_of(holder), _globals_of(holder))
    if (named := _LOCAL.fullmatch(label)) is not None:
        return _named_local(named[1], named[2], holder, root)
    if (named := _ATTRIBUTE.fullmatch(label)) is None or named[1].startswith("__"):
        return None
    return _named_attribute(named[1], holder, root)


def _named_attribute(name: str, holder: Any, root: Root | None) -> _Found:
    if root is not None and root.kind == "module" and holder is root.target:
        return (NameKind.GLOBAL, name, root.name, _file_in(root.target), ())
    if derives(type(holder), types.ModuleType):
        return _global(name, dict_of_module(holder))
    if type(holder) is types.FunctionType:
        return _in_function(NameKind.ATTRIBUTE, name, _code_of(holder), _globals_of(holder))
    cls = holder if derives(type(holder), type) else type(holder)
    scopes = tuple(_class_scopes(cls))
    module = next((module for module, _ in _python_classes(cls)), module_of(cls))
    return (NameKind.ATTRIBUTE, name, module, scopes[0].file if scopes else "", scopes)


def _named_local(kind: str, name: str, holder: Any, root: Root | None) -> _Found | None:
    if kind == "global" and type(holder) is types.FunctionType:
        return _global(name, _globals_of(holder))
    if kind == "variable":
        return (NameKind.GLOBAL, name, "", "", ())
    code = _code_behind(holder, root)
    if code is None:
        return None
    found = _in_function(NameKind.LOCAL, name, code, None)
    if kind == "closure":  # the variable belongs to the function around
        around = code.co_qualname.rpartition(".<locals>")[0]
        return (*found[:4], (Scope(around or code.co_qualname, code.co_filename),))
    return found


def _code_behind(holder: Any, root: Root | None) -> types.CodeType | None:
    """Return the code of which a local was read: of a function, a frame, or what is suspended in one."""
    if root is not None and root.code is not None:
        return root.code
    if type(holder) is types.FunctionType:
        code: types.CodeType = _code_of(holder)
        return code
    if type(holder) is types.FrameType:
        return holder.f_code
    return suspended_code(holder)


def _in_function(kind: NameKind, name: str, code: types.CodeType, namespace: Any) -> _Found:
    module = dict.get(namespace, "__name__") if type(namespace) is dict else _module_at(code.co_filename)
    scope = Scope(code.co_qualname, code.co_filename, code.co_firstlineno)
    return (kind, name, module if type(module) is str else "", code.co_filename, (scope,))


def _global(name: str, namespace: dict[str, Any]) -> _Found:
    module = dict.get(namespace, "__name__")
    return (NameKind.GLOBAL, name, module if type(module) is str else "", _file_in(namespace), ())


def _file_in(namespace: dict[str, Any]) -> str:
    """Return the file that a namespace was made by: ``python -i`` takes the script's name out when it has ended."""
    file = dict.get(namespace, "__file__")
    return file if type(file) is str else next(_written_in(namespace), "")


def _written_in(namespace: dict[str, Any]) -> Iterator[str]:
    """Yield the files of functions that have these globals."""
    for found in dict.copy(namespace).values():
        if type(found) is types.FunctionType and _globals_of(found) is namespace:
            file: str = _code_of(found).co_filename
            if file.endswith(".py"):
                yield file


def _module_at(path: str) -> str:
    return next((name for name, file in _loaded_files() if file == path), "")


def _class_scopes(cls: type) -> Iterator[Scope]:
    for _, base in _python_classes(cls):
        file = _file_of_class(base)
        if file:
            yield Scope(qualname_of(base), file)


def _python_classes(cls: type) -> Iterator[tuple[str, type]]:
    """Yield the classes an object gets its code from, those written in Python, with their modules."""
    for base in mro_of(cls):
        if base is not object and module_of(base) != "builtins" and _file_of_class(base):
            yield module_of(base), base


def _file_of_class(cls: type) -> str:
    """Return where a class was written: its module where it is found there, else where its functions are from."""
    module = sys.modules.get(module_of(cls))
    file = _file_in(dict_of_module(module)) if type(module) is types.ModuleType else ""
    if file.endswith(".py") and class_home(cls) is not None:
        return file
    for member in dict_of_type(cls).values():
        if type(member) is types.FunctionType and not (written := _code_of(member).co_filename).startswith("<"):
            return str(written)
    return file if file.endswith(".py") else ""


def _files_beside(module: str, file: str, scopes: Sequence[Scope]) -> Iterator[tuple[str, str]]:
    """Yield loaded modules that may name the owner as well: those of the same package, and all of the program's own."""
    package = module.partition(".")[0]
    own = {file, *(scope.file for scope in scopes)}
    beside = [
        (name, path)
        for name, path in _loaded_files()
        if path not in own and (name.partition(".")[0] == package or is_users_file(path))
    ]
    yield from beside[:_MOST_FILES]


def _loaded_files() -> Iterator[tuple[str, str]]:
    for name, module in dict.copy(sys.modules).items():
        if type(name) is str and is_exactly(type(module), types.ModuleType):
            file = _file_in(dict_of_module(module))
            if file.endswith(".py"):
                yield name, file
