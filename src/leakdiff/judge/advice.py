"""What to do about a finding, by the pattern it shows."""

from __future__ import annotations

from leakdiff.model.owner import Owner
from leakdiff.model.report import Verdict

_ENTRY = "remove the entry on every path (try/finally), or bound the container (maxsize, TTL)"
_BY_TYPE = {
    "list": "remove what is appended when it is done with, or keep only the newest (deque with maxlen)",
    "collections.deque": "drain it, or give it a maxlen",
    "_queue.SimpleQueue": "producers outrun consumers: bound the queue (queue.Queue(maxsize)) or add consumers",
    "set": "discard the member when it is done with, or bound the set",
}
_BY_STEP = (
    ("__defaults__", "a mutable default argument lives as long as the function: default to None, make it inside"),
    (" cache", "an unbounded cache: use lru_cache(maxsize=...), or cache outside the instance"),
    ("threading._active", "the threads never end: let them finish, or reuse them through a pool"),
    (" local ", "a local of a function that never returns: remove entries there, or bound it"),
)
_NATIVE = "report it to the extension with the lines above, or free what its documentation says must be freed"


def advise(verdict: Verdict, owner: Owner | None, kind: str = "") -> str:
    """Return one sentence of advice."""
    if kind == "file descriptors":
        return "close what is opened on every path (with statement)"
    if verdict is Verdict.NATIVE or owner is None:
        return _NATIVE
    if verdict is not Verdict.LEAK:
        return ""
    name = owner.name or ""
    for mark, advice in _BY_STEP:
        if mark in name:
            return advice
    return _BY_TYPE.get(owner.type, _ENTRY)
