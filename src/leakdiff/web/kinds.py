"""Which protocol an application speaks, as far as it shows."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Literal

from leakdiff.errors import BadOption

Kind = Literal["asgi", "wsgi"]
_BY_PARAMETERS: dict[int, Kind] = {3: "asgi", 2: "wsgi"}


def kind_of(app: Any, kind: object = None) -> Kind:
    """Return which protocol an application speaks: ASGI if it is a coroutine function, else by its parameters.

    Args:
        app: The application.
        kind: What the program says; None if it leaves that to us.

    Raises:
        BadOption: If the program says neither, or nothing and the application does not show it.
    """
    found = _shown(app) if kind is None else kind
    if found == "asgi":
        return "asgi"
    if found == "wsgi":
        return "wsgi"
    raise BadOption("kind", kind, "'asgi' or 'wsgi'" + ("" if kind is not None else _UNSEEN))


_UNSEEN = ": the application does not show which it is"


def _shown(app: Any) -> Kind | None:
    """Tell an application of three parameters from one of two; a coroutine function has three for sure."""
    while type(app) is functools.partial:
        app = app.func
    call = app if inspect.isfunction(app) or inspect.ismethod(app) else type(app).__call__
    if inspect.iscoroutinefunction(call):
        return "asgi"
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return None
    needed = [one for one in parameters if one.kind <= one.POSITIONAL_OR_KEYWORD and one.default is one.empty]
    return _BY_PARAMETERS.get(len(needed))
