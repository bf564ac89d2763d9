"""What a prompt keeps by itself, so that it can be looked at last: ``_`` and ``_12``, ``Out`` and ``In``, IPython.

Whoever looks at an object at a prompt makes the prompt refer to it, by the shortest path there is. A walk that met
these first would call the program's container ``__main__._``; set apart, they name only what nothing else holds.
"""

from __future__ import annotations

import gc
import re
import sys
import types
from typing import Any

import attrs

from leakdiff.capture.attributes import read_in_place
from leakdiff.capture.kinds import derives, dict_of_module, dict_of_type, type_name

KIND = "prompt"  # the kind of root that what a prompt keeps is
OUTPUTS = "IPython.core.history.HistoryManager.outputs"  # texts of all that was displayed, by number of the cell
_LEFTOVER = re.compile(r"_{1,3}|_\d+|_i{1,3}|_i\d+")  # _, __, ___, _3 and, of IPython, _i, _ii, _iii, _i3
_SHELL = ("IPython.core.interactiveshell", "InteractiveShell")
_TOOLS = ("IPython.", "ipykernel.")
_NAMESPACES = ("_user_ns", "user_ns")  # as several versions of IPython call it


@attrs.frozen(eq=False)
class Apart:
    """What a prompt keeps; holds live objects and must not outlive a walk.

    Attributes:
        spaces: What the walk starts at after all else: name, and what the prompt has by which names.
        withheld: Objects that are entered from there only.
        others: By the identity of a namespace that the prompt writes to, what else is in it.
    """

    spaces: tuple[tuple[str, dict[str, Any]], ...] = ()
    withheld: tuple[Any, ...] = ()
    others: dict[int, dict[str, Any]] = attrs.field(factory=dict)


NOTHING = Apart()


def is_leftover(name: object) -> bool:
    """Tell whether prompts give a name by themselves, such as ``_`` and ``_12``."""
    return type(name) is str and name[:1] == "_" and _LEFTOVER.fullmatch(name) is not None


def set_apart() -> Apart:
    """Return what the prompts of this process keep; nothing where nobody types."""
    shell = live_shell()
    found = _of_ipython(shell) if shell is not None else NOTHING
    kept = dict_of_module(sys.modules["builtins"])
    if not hasattr(sys, "ps1") or "_" not in kept:
        return found
    others = {key: value for key, value in dict.copy(kept).items() if key != "_"}
    return attrs.evolve(
        found, spaces=(*found.spaces, ("builtins", {"_": kept["_"]})), others={**found.others, id(kept): others}
    )


def live_shell() -> Any:
    """Return the shell that IPython runs in this process; None where it does not."""
    module = sys.modules.get(_SHELL[0])
    cls: Any = dict_of_module(module).get(_SHELL[1]) if type(module) is types.ModuleType else None
    shell = dict_of_type(cls).get("_instance") if derives(type(cls), type) else None
    return shell if shell is not None and derives(type(shell), cls) else None


def _of_ipython(shell: Any) -> Apart:
    namespace = next((found for name in _NAMESPACES if type(found := read_in_place(shell, name)) is dict), None)
    if namespace is None:
        return NOTHING
    names = dict.copy(namespace)
    results, inputs = names.get("_oh"), names.get("_ih")
    withheld = [shell, *(one for one in (results, inputs) if derives(type(one), dict, list)), *_parts(shell)]
    known = {id(one) for one in withheld}
    told = known | ({id(value) for value in list(dict.values(results))} if type(results) is dict else set())
    own = {name: names[name] for name in ("_oh", "_ih") if id(names.get(name)) in known}
    own |= {name: value for name, value in names.items() if is_leftover(name) and id(value) not in told}
    others = {name: value for name, value in names.items() if not is_leftover(name) and id(value) not in known}
    name = names.get("__name__")
    spaces = ((name if type(name) is str else "__main__", own), ("IPython", {"shell": shell}))
    return Apart(spaces, tuple(withheld), {id(namespace): others})


def _parts(shell: Any) -> list[Any]:
    """Return IPython's own objects that its shell, or the interpreter, has: results of cells are among them."""
    found: list[Any] = [sys.displayhook, *gc.get_referents(shell)]
    for held in [one for one in found if type(one) is dict]:
        found.extend(dict.copy(held).values())
    return [one for one in found if not derives(type(one), type) and type_name(type(one)).startswith(_TOOLS)]
