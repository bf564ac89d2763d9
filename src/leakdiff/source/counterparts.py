"""The function that is meant to undo what another one does, as protocols and names have it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import attrs

from leakdiff.source.calls import Place
from leakdiff.source.trees import FunctionDef, identifier

_PROTOCOLS = {"__enter__": "__exit__", "__aenter__": "__aexit__"}
_PAIRS = {
    "open": "close",
    "start": "stop finish end cancel",
    "begin": "end finish commit rollback",
    "enter": "leave exit",
    "add": "remove discard drop delete",
    "insert": "remove delete",
    "register": "unregister deregister",
    "subscribe": "unsubscribe",
    "attach": "detach",
    "connect": "disconnect",
    "acquire": "release",
    "push": "pop",
    "on": "off",
    "setup": "teardown cleanup",
    "write": "flush",
    "put": "get task_done",
    "publish": "drain consume",
    "enqueue": "dequeue",
    "submit": "settle collect",
    "load": "unload",
    "lock": "unlock",
    "join": "leave",
    "create": "destroy delete close",
    "allocate": "free release",
    "watch": "unwatch",
    "listen": "unlisten",
    "login": "logout",
    "issue": "revoke expire",
    "track": "untrack forget",
    "save": "delete forget",
    "store": "delete forget evict",
    "remember": "forget",
    "borrow": "return",
    "checkout": "checkin",
    "install": "uninstall restore",
    "show": "hide",
    "mount": "unmount",
    "pin": "unpin",
}
_CLOSERS = (
    *("close", "aclose", "stop", "shutdown", "dispose", "detach", "disconnect", "release", "finish", "end"),
    *("unregister", "unsubscribe", "cleanup", "teardown", "terminate", "cancel", "destroy", "deinit"),
    *("__exit__", "__aexit__", "__del__"),
)
_NEGATIONS = ("un", "de", "dis")
_CONTEXTS = ("contextmanager", "asynccontextmanager", "fixture")
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])|_+")


@attrs.frozen(eq=False)
class End:
    """A place where an entry's life seems to end.

    Attributes:
        place: The function.
        node: The line in it.
        how: Why it seems so.
        rank: How likely: less is more.
        ground: What kind of ground that is: two of them are better than one.
    """

    place: Place
    node: ast.AST
    how: str
    rank: float
    ground: str


def counterparts(place: Place) -> Iterator[End]:
    """Yield what is meant to undo what a function does: in its own class or module."""
    yield from _after_yield(place)
    name = place.function.name
    siblings = {other.name: other for other in _siblings(place)}
    for at, other in enumerate(dict.fromkeys(_names(name))):
        if other in siblings and other != name:
            rank = 0.5 if name in _PROTOCOLS else 1.5 if place.is_maker else 1.0
            found = Place(place.tree, siblings[other])
            yield End(found, found.function, f"the counterpart of {place.called}()", rank + at / 100, "name")


def _siblings(place: Place) -> Iterator[FunctionDef]:
    around = place.tree.parent(place.function)
    for node in ast.iter_child_nodes(around) if around is not None else ():
        if isinstance(node, FunctionDef):
            yield node


def _names(name: str) -> Iterator[str]:
    """Yield what the counterpart of a function may be called."""
    if name in _PROTOCOLS:
        yield _PROTOCOLS[name]
    elif name in {"__init__", "__post_init__", "__attrs_post_init__"}:
        yield from _CLOSERS
    words = _WORD.findall(name)
    for at, word in enumerate(words):
        for other in _PAIRS.get(word.lower(), "").split():
            yield "".join([*words[:at], other.capitalize() if word[0].isupper() else other, *words[at + 1 :]])
    stem = name.lstrip("_")
    yield from (name[: len(name) - len(stem)] + negation + stem for negation in _NEGATIONS)


def _after_yield(place: Place) -> Iterator[End]:
    """Yield what follows the yield of a context manager or fixture: it runs when the block is left."""
    if not any(identifier(made) in _CONTEXTS for made in place.function.decorator_list):
        return
    tree = place.tree
    for node in ast.walk(place.function):
        if isinstance(node, (ast.Yield, ast.YieldFrom)) and tree.function(node) is place.function:
            yield End(place, node, "what follows the yield runs when the block is left", 0.5, "name")
            return
