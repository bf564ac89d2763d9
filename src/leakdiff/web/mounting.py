"""The endpoint in front of an application of the user's, whichever protocol that speaks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from leakdiff.errors import BadCallable, BadOption
from leakdiff.web.app import Endpoint
from leakdiff.web.asgi import AsgiDispatch
from leakdiff.web.kinds import Kind, kind_of
from leakdiff.web.settings import make_settings
from leakdiff.web.wsgi import WsgiDispatch

if TYPE_CHECKING:
    from leakdiff.monitor import Monitor

PREFIX = "/debug/leakdiff"
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


def dispatch(
    app: Any, prefix: str = PREFIX, monitor: Monitor | None = None, *, kind: Kind | None = None, **knobs: Any
) -> AsgiDispatch | WsgiDispatch:
    """Return an application that is the debug endpoint at a prefix, and a given application everywhere else.

    Args:
        app: An ASGI or a WSGI application; requests elsewhere, the lifespan and websockets reach it untouched.
        prefix: Where the endpoint is, such as ``/debug/leakdiff``.
        monitor: The process's monitor, for history and trend; the endpoint neither starts nor stops it.
        kind: ``asgi`` or ``wsgi``, where it cannot be seen: a coroutine function, and what takes three arguments,
            speaks ASGI, and what takes two WSGI.
        knobs: ``token``, ``hosts`` and the other settings by name, as for ``asgi_app``.

    Raises:
        BadCallable: If the application cannot be called.
        BadOption: If an argument cannot work.
    """
    shown = prefix.rstrip("/") if type(prefix) is str else ""
    if _PREFIX.fullmatch(shown) is None or {".", ".."} & set(shown.split("/")):
        raise BadOption("prefix", prefix, "a path such as '/debug/leakdiff'")
    if not callable(app):
        raise BadCallable("app", f"a {type(app).__name__}", "give an ASGI or a WSGI application")
    is_asgi = kind_of(app, kind) == "asgi"
    endpoint = Endpoint(make_settings(**knobs), monitor)
    if is_asgi:
        return AsgiDispatch(app, endpoint, shown)
    return WsgiDispatch(app, endpoint, shown)
