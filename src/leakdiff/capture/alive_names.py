"""Names for the ways to an object: the holder as a person can edit it, and how it refers to the object."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

import attrs

from leakdiff.capture.alive_hidden import is_hidden_in
from leakdiff.capture.kinds import derives
from leakdiff.capture.naming import Named as Label
from leakdiff.capture.naming import describe_type, name_edge, name_links, quiet_rules, steps_of
from leakdiff.capture.roots import Root, start_of
from leakdiff.model.alive import ENTRIES
from leakdiff.model.heap import Step

_UNNAMED = " → "  # how a step begins whose name is not known
_CLASS_PARTS: dict[str, Any] = {name: type.__dict__[name].__get__ for name in ("__mro__", "__base__", "__bases__")}
_FUNCTION_TEXTS = ("__name__", "__qualname__", "__doc__", "__module__")


@attrs.define(eq=False)
class Named:
    """A way by name; its holder is live and must not outlive the answer.

    Attributes:
        kind: What the path starts at.
        name: The holder's name.
        label: How it refers to the object.
        type: The holder's type.
        steps: The whole path.
        holder: The live holder as it is named: the instance rather than its ``__dict__``; None for a root.
    """

    kind: str
    name: str
    label: str
    type: str
    steps: tuple[Step, ...]
    holder: Any

    @property
    def owner(self) -> str:
        """What to look for: the container, or the attribute or variable that holds the object itself."""
        return self.name if self.label in ENTRIES else f"{self.name}{self.label}"


def name_way(chain: Sequence[Any], root: Root, *, is_quiet: bool) -> Named:
    """Name the way from a root to an object.

    Args:
        chain: Live objects, from the root's target to the object.
        root: Where it starts.
        is_quiet: Whether no instance may be made to keep a ``__dict__``; else those may of which no code tells the
            attributes.
    """
    kind, name, first, rest = _start(list(chain), root)
    links = name_links(rest, first, (_hidden, *quiet_rules()))
    if not is_quiet and any(label.startswith(_UNNAMED) for label, _, _ in links):
        links = [(_again(link, rest), *link[1:]) if link[0].startswith(_UNNAMED) else link for link in links]
    if not links:  # the namespace of a class that is the root itself
        return Named(kind, name, "", kind, (Step(name, kind),), None)
    label, at, _ = links[-1]
    steps = steps_of(rest, links)
    above = steps_of(rest, links[:-1])
    is_root = at == 0 and first != "edge"
    return Named(
        kind=kind,
        name=name + "".join(step.label for step in above),
        label=label,
        type=kind if is_root else describe_type(rest[at]),
        steps=(Step(name, kind), *steps),
        holder=None if is_root else rest[at],
    )


def _start(chain: list[Any], root: Root) -> tuple[str, str, str, list[Any]]:
    """Start as every path does; an object that is a class itself is where the path ends, not where it starts."""
    if root.kind == "object":
        return root.kind, root.name, "edge", chain
    end = chain[-1]
    if not derives(type(end), type):
        return start_of(chain, root)
    kind, name, first, rest = start_of([*chain[:-1], None], root)
    return kind, name, first, [*rest[:-1], end]


def _again(link: tuple[str, int, int], chain: Sequence[Any]) -> str:
    """Name a link by what its object's ``__dict__`` says."""
    label, start, _ = link
    return name_edge(chain[start:], 0)[0] if name_edge(chain[start:], 0)[1] == 1 else label


def _hidden(parent: Any, child: Any, _: Sequence[Any]) -> Label | None:
    """Name what gc is not told of: constants of code, time zones of datetimes, the texts of a function."""
    if type(parent) is types.FunctionType:
        for name in _FUNCTION_TEXTS:
            if types.FunctionType.__dict__[name].__get__(parent) is child:
                return f".{name}", 1
        if is_hidden_in(types.FunctionType.__dict__["__code__"].__get__(parent), child):
            return " constant", 1
    if derives(type(parent), type):
        return next(((f".{name}", 1) for name, read in _CLASS_PARTS.items() if read(parent) is child), None)
    return None
