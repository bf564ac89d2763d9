"""objgraph's picture of what refers to live objects: it reads keys and runs ``repr``, so it must have been allowed."""

from __future__ import annotations

import io
from typing import Any

import attrs

from leakdiff.capture.attributes import MISSING
from leakdiff.capture.entries import newest
from leakdiff.capture.kinds import type_name
from leakdiff.capture.lookup import container_at

_DEPTH, _BREADTH = 5, 6


@attrs.frozen
class Backrefs:
    """What objgraph said; at most one of the three.

    It is no exception: whoever kept one would keep objgraph's frames, and the program's objects in them.

    Attributes:
        described: A picture in the language of Graphviz; empty where the container is.
        is_found: Whether the path leads to a container.
        raised: The name of the type of what the program's code raised, if it did.
    """

    described: str = ""
    is_found: bool = True
    raised: str = ""


def backrefs_of(path: str, count: int) -> Backrefs:
    """Return what refers to the newest entries of a container.

    Args:
        path: The container's path of names, such as ``app.matching._inflight``.
        count: Entries at most.
    """
    container = container_at(path)
    if container is MISSING:
        return Backrefs(is_found=False)
    _, live = newest(container, count)
    del container
    return _described(live) if live else Backrefs()


def _described(live: list[Any]) -> Backrefs:
    import objgraph

    written, raised = io.StringIO(), ""  # given one, it writes no file, prints nothing and starts no viewer
    try:
        objgraph.show_backrefs(live, max_depth=_DEPTH, too_many=_BREADTH, output=written)
    except Exception as error:  # noqa: BLE001 - it runs the program's code, which may raise anything
        raised = type_name(type(error))
    return Backrefs(raised=raised) if raised else Backrefs(written.getvalue())
