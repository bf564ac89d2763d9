"""The endpoint in front of an application of the user's, whichever protocol that speaks."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Literal

from leakdiff.errors import BadCallable, BadOption
from leakdiff.web.app import Endpoint
from leakdiff.web.asgi import AsgiDispatch
from leakdiff.web.settings import make_settings
from leakdiff.web.wsgi import WsgiDispatch

if TYPE_CHECKING:
    from leakdiff.monitor import Monitor

PREFIX = "/debug/leakdiff"
Kind = Literal["asgi", "wsgi"]
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


def dispatch(
    app: Any, prefix: str = PREFIX, monitor: Monitor | None = None, *, kind: Kind | None = None, **knobs: Any
) -> AsgiDispatch | WsgiDispatch:
    """Return an application that is the debug endpoint at a prefix, and a given application everywhere else.

    Args:
        app: An ASGI or a WSGI application; requests elsewhere, the lifespan and websockets reach it untouched.
        prefix: Where the endpoint is, such as ``/debug/leakdiff``.
        monitor: The process's monitor, for history and trend; the endpoint neither starts nor stops it.
        kind: Which protocol the application speaks; by default it is ASGI if it is a coroutine function, or an object
            whose ``__call__`` is one.
        knobs: ``token``, ``hosts`` and the other settings by name, as for ``asgi_app``.

    Raises:
        BadCallable: If the application cannot be called.
        BadOption: If an argument cannot work.
    """
    shown = prefix.rstrip("/") if type(prefix) is str else ""
    if _PREFIX.fullmatch(shown) is None or {".", ".."} & set(shown.split("/")):
        raise BadOption("prefix", prefix, "a path such as '/debug/leakdiff'")
    if kind not in (None, "asgi", "wsgi"):
        raise BadOption("kind", kind, "'asgi' or 'wsgi'")
    if not callable(app):
        raise BadCallable("app", f"a {type(app).__name__}", "give an ASGI or a WSGI application")
    endpoint = Endpoint(make_settings(**knobs), monitor)
    if (kind or kind_of(app)) == "asgi":
        return AsgiDispatch(app, endpoint, shown)
    return WsgiDispatch(app, endpoint, shown)


def kind_of(app: Any) -> Kind:
    """Return which protocol an application speaks: ASGI if calling it makes a coroutine."""
    is_coroutine = inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__)
    return "asgi" if is_coroutine else "wsgi"
