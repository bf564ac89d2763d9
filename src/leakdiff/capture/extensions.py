"""From the name of a module to the file of the extension and the installed distribution it comes from."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import types
from collections.abc import Iterable, Iterator

import attrs

from leakdiff.capture.kinds import derives, dict_of_module


@attrs.frozen
class Extension:
    """Where C code comes from.

    Attributes:
        file: The file of the module; empty for one that is built into the interpreter, or where none is known.
        distribution: The installed distribution and its version, such as ``ujson 5.12.0``; empty for the standard
            library and for a module that no distribution claims.
    """

    file: str = ""
    distribution: str = ""


def find_extensions(modules: Iterable[str]) -> dict[str, Extension]:
    """Say of each module where it comes from; imports nothing and keeps nothing.

    Reads the list of files of installed distributions, which takes some ms for each: only for the end of a check.

    Args:
        modules: Names of modules that are loaded; a name that is not, such as one that a type claims, goes by its
            package.
    """
    files = {module: _file_of(module) for module in modules}
    outside = {name: path for name, path in files.items() if not _is_standard(name)}
    claims = _claims({name.partition(".")[0] for name in outside}, set(outside.values()))
    return {
        name: Extension(path, claims.get(path) or claims.get(name.partition(".")[0], "") if name in outside else "")
        for name, path in files.items()
    }


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names or module in ("", "?", "__main__")


def _file_of(module: str) -> str:
    """Return the file of a loaded module, or of the nearest loaded package it lies in."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        found = sys.modules.get(".".join(parts[:end]))
        if derives(type(found), types.ModuleType):
            path = dict_of_module(found).get("__file__")
            return path if type(path) is str else ""
    return ""


def _claims(packages: set[str], files: set[str]) -> dict[str, str]:
    """Return distributions by the files and top-level names that they installed, of those that are asked for."""
    if not packages:
        return {}
    claims: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name, version = distribution.metadata["Name"], distribution.version
        for top, path in _installed(distribution):
            for claimed in {top} & packages | {path} & files:
                claims.setdefault(claimed, f"{name} {version}")
    return claims


def _installed(distribution: importlib.metadata.Distribution) -> Iterator[tuple[str, str]]:
    """Yield the top-level name and the whole path of the files of a distribution that can be imported."""
    base = os.fspath(distribution.locate_file(""))  # type: ignore[call-overload]
    for file in distribution.files or ():
        if file.suffix in (".py", ".so", ".pyd") and file.parts[0] != "..":
            yield file.parts[0].partition(".")[0], os.path.join(base, *file.parts)
