"""Where paths start: modules, the workload, frames of all threads, contexts, the interpreter."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal.getsignal would call repr() on handlers
import contextvars
import functools
import gc
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs

from leakdiff.capture.attributes import read_in_place
from leakdiff.capture.fixtures import start_at_test
from leakdiff.capture.frames import locals_of
from leakdiff.capture.kinds import derives, dict_of_module, dict_of_type, is_own_module, type_name
from leakdiff.capture.naming import class_home
from leakdiff.capture.prompt import KIND, NOTHING, Apart, set_apart
from leakdiff.model.owner import LIBRARIES

_ASKED = "pympler.asizeof"
_FIRST = {
    "module": "attribute",
    KIND: "attribute",
    "frame": "local",
    "context": "variable",
    "workload": "edge",
    "object": "edge",
}


@attrs.frozen(eq=False)
class Root:
    """A live object a path may start at, and the words for it.

    Attributes:
        kind: ``module``, ``interpreter``, ``workload``, ``frame``, ``context``, ``exception`` or ``prompt``.
        name: The name a person would look for.
        target: The object itself.
        read_again: For copies of locals or variables, what makes a new copy.
        code: For copies of locals, the code they are of.
        is_here: Whether it is a copy of the locals of a function that runs in this thread.
    """

    kind: str
    name: str
    target: Any
    read_again: Callable[[], dict[str, Any]] | None = None
    code: types.CodeType | None = None
    is_here: bool = False

    @property
    def is_copy(self) -> bool:
        """Whether the target was made for the walk."""
        return self.kind in ("frame", "context", "exception")


# Records that threads keep of themselves; a frame's local is a better name for what is in them.
_THREAD_RECORDS = ("threading", "_thread")


@attrs.frozen(eq=False)
class Roots:
    """All roots: those with names a person can edit, and those that only name what the former do not reach.

    Attributes:
        first: The former.
        then: The latter.
        apart: What a prompt keeps, for walks that look at it after all else: give it to them.
    """

    first: tuple[Root, ...]
    then: tuple[Root, ...]
    apart: Apart = NOTHING

    def __len__(self) -> int:
        return len(self.first) + len(self.then)

    def __getitem__(self, index: int) -> Root:
        if index < len(self):
            return (*self.first, *self.then)[index]
        return Root(KIND, *self.apart.spaces[index - len(self)])

    def targets(self) -> tuple[list[Any], list[Any]]:
        """Return the live objects of both."""
        return [root.target for root in self.first], [root.target for root in self.then]


def find_roots(workload: Sequence[tuple[str, Any]] = ()) -> Roots:
    """Return every root; of equally short paths that of the first root wins, so the user's modules lead."""
    modules = sorted(_modules(), key=_familiarity)
    return Roots(
        first=(
            *(root for root in modules if root.name not in _THREAD_RECORDS),
            Root("interpreter", "sys.modules", sys.modules),
            *_homeless_globals(workload),
            *(Root("workload", role, target) for role, target in workload if not _bound_to(target)),
        ),
        then=(
            *(Root("object", type_name(type(owner)), owner) for _, target in workload for owner in _bound_to(target)),
            *(Root("workload", role, target) for role, target in workload if _bound_to(target)),
            *_frames(),
            *_contexts(),
            *(root for root in modules if root.name in _THREAD_RECORDS),
            *_interpreter(),
        ),
        apart=set_apart(),
    )


def _familiarity(root: Root) -> int:
    """Put the program's modules first, then the standard library, then what may be there for our sake only."""
    package = root.name.partition(".")[0]
    return 2 if package in LIBRARIES else int(package in sys.stdlib_module_names)


def start_of(chain: list[Any], root: Root) -> tuple[str, str, str, list[Any]]:
    """Start a path at the last class on it that can be imported by name, or fixture or test; else at its root.

    Returns:
        The kind and name of the start, how to name its first edge, and the chain from there.
    """
    for at in range(len(chain) - 1, 0, -1):
        if (start := start_at_test(chain, at)) is not None:
            return start
        if derives(type(chain[at]), type) and (home := class_home(chain[at])) is not None:
            rest = chain[at:]
            if len(rest) == 2 and type(rest[1]) is dict and rest[1] is gc.get_referents(dict_of_type(rest[0]))[0]:
                rest = rest[:1]
            return "class", home, "edge", rest
    return root.kind, root.name, _FIRST.get(root.kind, "entry"), chain


def own_parts() -> list[Any]:
    """Return namespaces and classes of leakdiff's own modules, and the tables pympler fills when we ask it.

    The walk must not enter them.
    """
    spaces = [dict_of_module(module) for name, module in dict.copy(sys.modules).items() if _is_own(name, module)]
    classes = [found for space in spaces for found in space.values() if derives(type(found), type)]
    return [*spaces, *(found for found in classes if is_own_module(dict_of_type(found).get("__module__")))]


def _homeless_globals(workload: Iterable[tuple[str, Any]]) -> Iterator[Root]:
    """Yield the globals of functions that no module holds: of exec, notebooks and doctests."""
    homes = {id(dict_of_module(module)) for module in dict.copy(sys.modules).values() if _is_module(module)}
    for _, target in workload:
        function = _function_of(target)
        if function is not None and id(function.__globals__) not in homes:
            homes.add(id(function.__globals__))
            name = dict.get(function.__globals__, "__name__")
            yield Root("module", name if type(name) is str else "<exec>", function.__globals__)


def _bound_to(target: Any) -> list[Any]:
    """Return the object that a method is bound to, also by ``functools.partial``: its class is the better name."""
    if type(target) is types.MethodType:
        return [target.__self__]
    if type(target) is functools.partial and (function := _function_of(target.func)) is not None and target.args:
        names = function.__code__.co_varnames[:1]
        return [target.args[0]] if names == ("self",) else _bound_to(target.func)
    return []


def _function_of(target: Any) -> types.FunctionType | None:
    """Return the function under partials and bound methods, if there is one."""
    if type(target) is functools.partial:
        return _function_of(target.func)
    if type(target) is types.MethodType:
        return _function_of(target.__func__)
    return target if type(target) is types.FunctionType else None


def _is_own(name: object, module: object) -> bool:
    return type(name) is str and (is_own_module(name) or name == _ASKED) and _is_module(module)


def _is_module(module: object) -> bool:
    return derives(type(module), types.ModuleType)


def _modules() -> Iterator[Root]:
    for name, module in dict.copy(sys.modules).items():
        if type(name) is str and _is_module(module) and not _is_own(name, module):
            yield Root("module", name, dict_of_module(module))


def _frames() -> Iterator[Root]:
    names = thread_names()
    here = threading.get_ident()
    for ident, top in sys._current_frames().items():  # noqa: SLF001 - the only way to other threads' frames
        where = "" if ident == here else f" in thread {names.get(ident, ident)!r}"
        frame: types.FrameType | None = top
        while frame is not None:
            if not is_own_module(dict.get(frame.f_globals, "__name__")) and frame.f_locals is not frame.f_globals:
                code = frame.f_code
                name = f"{code.co_qualname}(){where}"
                yield Root("frame", name, locals_of(frame), code=code, is_here=ident == here)
            frame = frame.f_back
        del frame, top
    for ident, error in sys._current_exceptions().items():  # noqa: SLF001 - exceptions being handled have no other root
        held = error if error is not None else None
        if held is not None:
            yield Root("exception", f"handled in thread {names.get(ident, ident)!r}", [held])


def thread_names() -> dict[int, str]:
    """Return thread names by ident, as they were set: ``Thread.name`` may be a property of the user's."""
    names = {}
    for ident, thread in dict.copy(threading._active).items():  # type: ignore[attr-defined]  # noqa: SLF001
        name = read_in_place(thread, "_name")
        if type(name) is str:
            names[ident] = name
    return names


def _contexts() -> Iterator[Root]:
    values = _context_values()
    if values:
        yield Root("context", "current context", values, _context_values)


def _context_values() -> dict[str, Any]:
    named: dict[str, Any] = {}
    for variable, value in contextvars.copy_context().items():
        name, number = variable.name, 2
        while name in named:  # several variables may have one name
            name, number = f"{variable.name} ({number})", number + 1
        named[name] = value
    return named


def _interpreter() -> Iterator[Root]:
    for number in _signal.valid_signals():
        handler = _signal.getsignal(number)  # signal.getsignal would call repr() on it
        if handler is not None and type(handler) is not int:
            yield Root("interpreter", f"signal handler {number}", [handler])
    hooks = sys.get_asyncgen_hooks()
    held = [sys.getprofile(), sys.gettrace(), hooks.firstiter, hooks.finalizer]
    yield Root("interpreter", "sys hooks", [hook for hook in held if hook is not None])
