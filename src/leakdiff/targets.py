"""Find what a command line names: FILE.py[:CALLABLE] or package.module:callable."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import attrs

from leakdiff.console import show_traceback
from leakdiff.errors import BadCallable, LeakdiffError, TargetFailed, TargetImportFailed, TargetNotFound

MISSING: Any = object()
"""What a name stands for that is not there."""

_DEFAULT = "step"

_T = TypeVar("_T")


@attrs.frozen
class Target:
    """The callables of a workload."""

    step: Callable[..., Any]
    setup: Callable[..., Any] | None
    teardown: Callable[..., Any] | None


def find_target(text: str, setup: str | None = None, teardown: str | None = None) -> Target:
    """Import what ``text`` names and return its step, setup and teardown.

    Args:
        text: ``FILE.py``, ``FILE.py:CALLABLE`` or ``package.module:callable``.
        setup: Name of the setup callable; ``setup`` where that exists, if None.
        teardown: Name of the teardown callable; ``teardown`` where that exists, if None.

    Raises:
        TargetNotFound: If the file, module or callable does not exist.
        TargetImportFailed: If importing it raises; the traceback goes to standard error.
        TargetFailed: If looking a name up raises; the traceback goes to standard error.
        BadCallable: If the name is not callable.
    """
    place, name = _split(text)
    module = load_place(place)
    return Target(
        step=_callable(module, name or _DEFAULT, "step", place),
        setup=_optional(module, setup, "setup", place),
        teardown=_optional(module, teardown, "teardown", place),
    )


def load_place(place: str) -> ModuleType:
    """Import ``FILE.py`` or ``package.module``.

    Raises:
        TargetNotFound: If there is none.
        TargetImportFailed: If importing it raises; the traceback goes to standard error.
    """
    return _load_file(Path(place)) if place.endswith(".py") else _load_module(place)


def attribute(owner: object, name: str, place: str) -> Any:
    """Return what a name of a module or of another object stands for; ``MISSING`` if it has none.

    Args:
        owner: What has the name.
        name: The name.
        place: Where it is from, for the error.

    Raises:
        TargetFailed: If looking it up raises, such as in a ``__getattr__``; the traceback goes to standard error.
    """
    return asked(lambda: getattr(owner, name, MISSING), name, place)


def asked(ask: Callable[[], _T], name: str, place: str) -> _T:
    """Run a bit of the user's code outside a measurement, and return its answer.

    Args:
        ask: Runs it.
        name: What it is asked for, for the error.
        place: Where it is from, for the error.

    Raises:
        TargetFailed: If it raises or exits; the traceback goes to standard error.
        LeakdiffError: If that is what it raises.
    """
    try:
        return ask()
    except (KeyboardInterrupt, LeakdiffError):
        raise
    except BaseException as error:
        show_traceback(error)
        raise TargetFailed(place, name, error) from error


def _split(text: str) -> tuple[str, str]:
    place, colon, name = text.rpartition(":")
    if not colon or name.endswith(".py") or "/" in name or "\\" in name:
        return text, ""
    return place, name


def _load_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise TargetNotFound(f"The file {path}", "there is no such file", "Give the path of a Python file.")
    sys.path.insert(0, str(path.resolve().parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    _execute(functools.partial(spec.loader.exec_module, module), str(path))
    return module


def _load_module(name: str) -> ModuleType:
    sys.path.insert(0, "")
    if _execute(functools.partial(_spec_of, name), name) is None:  # which imports the packages above it
        raise TargetNotFound(
            f"The module {name!r}", "it cannot be imported from here", "Give FILE.py or package.module:callable."
        )
    return _execute(functools.partial(importlib.import_module, name), name)


def _spec_of(name: str) -> object:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None


def _execute(load: Callable[[], _T], name: str) -> _T:
    try:
        return load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, whose status would be taken for ours
        show_traceback(error)
        raise TargetImportFailed(name, error) from error


def _optional(module: ModuleType, name: str | None, role: str, place: str) -> Callable[..., Any] | None:
    if name is None and attribute(module, role, place) is MISSING:
        return None
    return _callable(module, name or role, role, place)


def _callable(module: ModuleType, name: str, role: str, place: str) -> Callable[..., Any]:
    found: Any = module
    for part in name.split("."):
        found = attribute(found, part, place)
        if found is MISSING:
            raise TargetNotFound(
                f"The {role} {name!r}", f"{place} has no such name", f"Define it, or name another: {place}:CALLABLE."
            )
    if not callable(found):
        raise BadCallable(role, f"a {type(found).__name__}", "give the name of a function")
    return found  # type: ignore[no-any-return]
