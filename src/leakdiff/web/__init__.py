"""The debug endpoint: whether a running service leaks, what grows and who holds it, at a URL of its own.

The public names are imported when they are first used, as those of ``leakdiff``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leakdiff.web.aiohttp import aiohttp_app
    from leakdiff.web.asgi import asgi_app
    from leakdiff.web.frameworks import aiohttp_routes, django_routes
    from leakdiff.web.middleware import count_requests
    from leakdiff.web.mounting import dispatch
    from leakdiff.web.server import serve
    from leakdiff.web.wsgi import wsgi_app

__all__ = [
    "aiohttp_app",
    "aiohttp_routes",
    "asgi_app",
    "count_requests",
    "dispatch",
    "django_routes",
    "serve",
    "wsgi_app",
]
_HOMES = {
    "aiohttp_app": "aiohttp",
    "aiohttp_routes": "frameworks",
    "asgi_app": "asgi",
    "count_requests": "middleware",
    "dispatch": "mounting",
    "django_routes": "frameworks",
    "serve": "server",
    "wsgi_app": "wsgi",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(importlib.import_module(f"leakdiff.web.{_HOMES[name]}"), name))


def __dir__() -> list[str]:
    return sorted(__all__)
