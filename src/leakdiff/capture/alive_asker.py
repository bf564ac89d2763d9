"""Who asks: the frames, the namespace and the prompt whose own references to an object are told apart."""

from __future__ import annotations

import inspect
import os
import re
import sys
import types
from collections.abc import Sequence
from typing import Any

import attrs

from leakdiff.capture.frames import running_frames
from leakdiff.capture.kinds import derives, dict_of_module, type_name
from leakdiff.capture.naming import is_running, suspended_code
from leakdiff.capture.roots import Root, Roots
from leakdiff.model.alive import Whose

_WITHIN = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")  # what is written within the function that runs it
_LAST_ERROR = (".last_exc", ".last_value", ".last_traceback")
_TOOLS = ("IPython.", "ipykernel.")
_FOLDERS = ("IPython", "ipykernel")
_KEPT_BY_PROMPT = re.compile(r"_{1,3}|_\d+")  # _, __, ___, _3
_MOST_NAMES = 5
_MOST_OUTPUTS = 100_000
_OUT = ("_oh", "Out")


@attrs.define(eq=False)
class Asker:
    """Who asks; holds live namespaces and must not outlive the answer.

    Attributes:
        frames: The copies of the locals of the function that asks.
        codes: The code of that function, and of what is written within it.
        namespace: The globals of the module whose own code asks; None where a function does.
        main: The globals of ``__main__``.
        is_prompt: Whether somebody types there.
        out: What IPython keeps results in; None elsewhere.
    """

    frames: list[Root]
    codes: list[types.CodeType]
    namespace: dict[str, Any] | None
    main: dict[str, Any]
    is_prompt: bool
    out: dict[Any, Any] | None

    def claims(self, way: Sequence[Any], root: Root, label: str) -> Whose | None:
        """Tell whether a holder is the asker's own; None if it is the program's.

        Args:
            way: The live objects from the root's target to the holder.
            root: Where the path starts.
            label: The first edge of the path.
        """
        holder = way[-1]
        if any(holder is frame.target for frame in self.frames) or self._runs_as(holder):
            return Whose.CALLER
        if self.is_prompt and self._is_of_prompt(way, root, label):
            return Whose.SESSION
        return Whose.CALLER if holder is self.namespace else None

    def _runs_as(self, holder: Any) -> bool:
        """Tell whether a holder is the generator or coroutine that asks: its locals are those of the frame."""
        code = suspended_code(holder) if is_running(holder) else None
        return code is not None and any(code is asking for asking in self.codes)

    def _is_of_prompt(self, way: Sequence[Any], root: Root, label: str) -> bool:
        holder = way[-1]
        if holder is self.main or holder is self.namespace or (self.out is not None and holder is self.out):
            return True
        if root.code is not None and any(folder in root.code.co_filename.split(os.sep) for folder in _FOLDERS):
            return True
        if root.kind == "module" and root.name == "sys" and label in _LAST_ERROR:
            return True
        if root.kind == "module" and root.name == "builtins" and holder is root.target:
            return label == "._"
        return any(_is_of_tools(above) for above in way)

    def says(self, way: Sequence[Any], subject: Any, name: str, where: str) -> str:
        """Return what the prompt calls an object that it holds.

        Args:
            way: The live objects from the root's target to the direct holder.
            subject: The object.
            name: What the holder is called.
            where: What the object is called there.
        """
        holder = way[-1]
        if self.out is not None and holder is self.out:
            return f"IPython keeps it in {_numbers_in(self.out, subject)}"
        namespace = next((one for one in (self.main, self.namespace) if one is not None and one is holder), None)
        if namespace is None:
            who = "IPython" if any(_is_of_tools(above) for above in way) else "the prompt"
            return f"{who} keeps it in {where}"
        names = _names_in(namespace, subject)
        typed = [f"{name}.{one}" for one in names if not _KEPT_BY_PROMPT.fullmatch(one)]
        kept = [one for one in names if _KEPT_BY_PROMPT.fullmatch(one)]
        said = [f"your session itself holds it: {', '.join(typed)}"] if typed else []
        return "; ".join([*said, *([f"the prompt keeps it as {', '.join(kept)}"] if kept else [])])


def find_asker(roots: Roots) -> Asker:
    """Return who asks: the innermost function that is not leakdiff's, or the module that its code belongs to."""
    codes: list[types.CodeType] = []
    namespace, around = None, ""
    for frame in running_frames():
        code = frame.f_code
        is_module = around == "<module>" and not code.co_flags & inspect.CO_OPTIMIZED  # cells have names of their own
        if not is_module and around not in ("", code.co_qualname):
            break  # a generator expression that another function goes through
        codes.append(code)
        around = code.co_qualname.rpartition(".")[0].removesuffix(".<locals>") or "<module>"
        namespace = None if code.co_flags & inspect.CO_OPTIMIZED else frame.f_globals
        if code.co_name not in _WITHIN:
            break
    here = [root for root in roots.then if root.is_here][: len(codes)]
    main = _namespace("__main__")
    out = _out_of(main) if "IPython" in sys.modules else None
    is_prompt = out is not None or hasattr(sys, "ps1") or bool(sys.flags.interactive)
    frames = [root for root in here if any(root.code is code for code in codes)]
    return Asker(frames, codes, namespace, main, is_prompt, out)


def _is_of_tools(obj: Any) -> bool:
    return type_name(type(obj)).startswith(_TOOLS)


def _namespace(name: str) -> dict[str, Any]:
    module = sys.modules.get(name)
    return dict_of_module(module) if derives(type(module), types.ModuleType) else {}


def _out_of(main: dict[str, Any]) -> dict[Any, Any] | None:
    for name in _OUT:
        found = dict.get(main, name)
        if type(found) is dict:
            return found
    return None


def _names_in(namespace: dict[str, Any], subject: Any) -> list[str]:
    try:
        found = [key for key, held in dict.items(namespace) if held is subject and type(key) is str]
    except RuntimeError:  # another thread changed it
        return []
    return found[:_MOST_NAMES]


def _numbers_in(out: dict[Any, Any], subject: Any) -> str:
    """Return the numbers under which IPython keeps a result."""
    try:
        pairs = zip(dict.items(out), range(_MOST_OUTPUTS), strict=False)
        found = [f"Out[{key}]" for (key, held), _ in pairs if held is subject and type(key) is int]
    except RuntimeError:
        found = []
    return ", ".join(found[:_MOST_NAMES]) or "Out"
