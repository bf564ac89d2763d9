"""objgraph's picture of what refers to live objects: it reads keys and runs ``repr``, so it must have been allowed."""

from __future__ import annotations

import io
import warnings
from typing import Any

from leakdiff.capture.attributes import MISSING
from leakdiff.capture.entries import newest
from leakdiff.capture.lookup import container_at
from leakdiff.errors import NothingToDraw

NOT_FOUND = None
_DEPTH, _BREADTH = 5, 6


def backrefs_of(path: str, count: int) -> str | None:
    """Return what refers to the newest entries of a container, in the language of Graphviz.

    Args:
        path: The container's path of names, such as ``app.matching._inflight``.
        count: Entries at most.

    Returns:
        The description; ``NOT_FOUND`` where the path leads to no container; empty where that is.
    """
    container = container_at(path)
    if container is MISSING:
        return NOT_FOUND
    _, live = newest(container, count)
    del container
    return _described(live) if live else ""


def _described(live: list[Any]) -> str:
    import objgraph

    written = io.StringIO()  # given one, it writes no file, prints nothing and starts no viewer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            objgraph.show_backrefs(live, max_depth=_DEPTH, too_many=_BREADTH, output=written)
        except Exception as error:  # noqa: BLE001 - it runs the program's code, which may raise anything
            raise NothingToDraw(
                "The style objgraph",
                f"{type(error).__name__} was raised by code of the program that objgraph ran",
                "The other styles run none.",
            ) from None
    return written.getvalue()
