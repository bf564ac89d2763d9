"""Who looked: a line for every request in the logger ``leakdiff.audit``."""

from __future__ import annotations

import logging
import re
from contextlib import suppress

from leakdiff.web.messages import Request, Response

_logger = logging.getLogger("leakdiff.audit")
_MOST = 200  # characters of a path
_NAME = re.compile(r"[a-z_]{1,16}")  # of a parameter; no token looks like this
_HIDDEN = "***"


def note(request: Request, response: Response, pid: int, *, hide: str | None = None) -> None:
    """Log a request: client, method, path, names of parameters, status and process; a handler that fails is ignored.

    Args:
        request: What was asked.
        response: What was answered.
        pid: The process that answered.
        hide: A text that is never written, wherever it was sent: the token.
    """
    with suppress(Exception):  # logging is the program's own, and no reason to answer nothing
        line = f"{_plain(request.client, hide) or '-'} {_plain(request.method, hide)} {_asked(request, hide)}"
        _logger.info("%s -> %d pid=%d", line, response.status, pid)


def _asked(request: Request, hide: str | None) -> str:
    path = _plain(request.prefix + request.path, hide)
    names = [field.partition("=")[0] for field in request.query.split("&", 32)[:32]]
    known = [name for name in names if _NAME.fullmatch(name)]
    return f"{path}?{'&'.join(known)}" if known else path


def _plain(text: str, hide: str | None) -> str:
    """Return a text in one line of visible ASCII, no longer than is useful."""
    shown = text.replace(hide, _HIDDEN) if hide else text
    plain = shown[:_MOST].encode("unicode_escape", "backslashreplace").decode("ascii").replace(" ", "\\x20")
    return plain if len(shown) <= _MOST else f"{plain}..."
