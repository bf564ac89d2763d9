"""Who keeps one object alive, or all instances of a class."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from leakdiff.errors import BadOption
from leakdiff.interpreter import require_supported_interpreter
from leakdiff.options import DEFAULTS

if TYPE_CHECKING:
    import networkx as nx

    from leakdiff.model.alive import Alive, InstanceOwners


def _count_of(subject: Any, /) -> int:
    return sys.getrefcount(subject)


_OURS = _count_of([])  # references to an argument that nobody else has: the function's own, and getrefcount's


def why_alive(subject: Any, /, *, itself: bool = False, budget: float = DEFAULTS.max_seconds) -> Alive:
    """Return who keeps an object alive, or who keeps the instances of a class alive.

    It walks the heap forward from named roots, a few milliseconds at a time, and finds every object that refers to
    this one, also what gc does not track or someone froze. What asks is told apart: the caller's locals, names typed
    at a prompt, ``_`` and ``Out[]``. It runs no code of the program and keeps no object.

    Args:
        subject: Any object. A class, or a class's name (``"app.matching.Result"``, or ``"Result"`` where one class
            only is called so) stands for all its instances, those of subclasses left out.
        itself: Whether a class or a text is the object that is asked about.
        budget: Seconds the walk may take; what was not reached then is said in ``notes``.

    Raises:
        OwnerNotFound: If no class has this name, or several have.
        BadOption: If an argument cannot work.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    require_supported_interpreter()
    if type(itself) is not bool:
        raise BadOption("itself", itself, "True or False")
    _check(budget)
    from leakdiff.capture.alive import read_object
    from leakdiff.capture.kinds import derives

    references = sys.getrefcount(subject) - _OURS  # after the imports: modules refer to what they import
    try:
        if not itself and (type(subject) is str or derives(type(subject), type)):
            return _instances(subject, budget)
        return read_object(subject, references, budget)
    except BaseException as stopped:
        del subject
        _let_go(stopped)
        raise


def owners(subject: type | str, /, *, budget: float = DEFAULTS.max_seconds) -> InstanceOwners:
    """Return who holds the instances of a class, by path, those of most instances first.

    Args:
        subject: The class, or its name, as ``why_alive`` takes it.
        budget: Seconds the walk may take.

    Raises:
        OwnerNotFound: If no class has this name, or several have.
        BadOption: If it is neither a class nor a name, or the budget cannot work.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    require_supported_interpreter()
    _check(budget)
    from leakdiff.capture.kinds import derives

    if type(subject) is not str and not derives(type(subject), type):
        raise BadOption("subject", subject, "a class or its name; why_alive() takes any object", shown="an instance")
    try:
        return _instances(subject, budget).owners
    except BaseException as stopped:
        del subject
        _let_go(stopped)
        raise


def _instances(subject: type | str, budget: float) -> Alive:
    from leakdiff.capture.alive_types import classes_named, read_instances

    classes: tuple[Any, ...] = classes_named(subject) if type(subject) is str else (subject,)
    return read_instances(classes, budget)


def _let_go(stopped: BaseException) -> None:
    """Let go of what the walk held: Ctrl-C and errors keep their frames, and so all objects of half a heap with them.

    Frames of leakdiff only: somebody may look at those of the program, such as a handler of a signal.
    """
    from leakdiff.source_files import is_own_file

    at = stopped.__traceback__
    while at is not None:
        if is_own_file(at.tb_frame.f_code.co_filename):
            with suppress(RuntimeError):  # it runs: the one that calls this
                at.tb_frame.clear()
        at = at.tb_next


def _check(budget: object) -> None:
    if type(budget) not in (int, float) or not budget > 0:  # type: ignore[operator]
        raise BadOption("budget", budget, "a number of seconds above 0")


def graph_of(alive: Alive) -> nx.DiGraph[str]:
    """Return the paths of an answer as a graph of names."""
    from leakdiff.ownership.paths import graph_of_paths

    ends = [*alive.holders, *alive.owners]
    return graph_of_paths([end.steps for end in ends if end.steps], alive.type)
