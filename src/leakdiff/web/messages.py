"""A request and a response as values: what every protocol is translated into, and nothing of any framework."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

_TRICK = re.compile(r"%(?:2f|5c|00)", re.IGNORECASE)  # a slash, a backslash or a NUL, encoded


@attrs.frozen(kw_only=True)
class Request:
    """What was asked.

    Attributes:
        method: ``GET``, ``HEAD``, ``POST`` and so on, in capitals.
        path: The path below the prefix, percent-decoded; begins with a slash, or is empty for the prefix itself.
        query: The query string as it came, without the question mark.
        headers: By lower-case name; several of one name are joined by a comma and a space.
        body: The body, read whole; never longer than ``Settings.most_body``.
        prefix: Where the endpoint is mounted, as the service sees it, without a slash at the end; may be empty.
        client: The address of the peer, for the audit log; empty where it is not known.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    prefix: str = ""
    client: str = ""

    def header(self, name: str) -> str:
        """Return a header by its lower-case name; empty where it is missing."""
        return self.headers.get(name, "")


@attrs.frozen(kw_only=True)
class Response:
    """What is answered.

    Attributes:
        status: The status code.
        body: The whole body.
        type: The content type.
        headers: Further headers; they replace those of the same name that every answer has.
    """

    status: int
    body: bytes = b""
    type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by lower-case name; several of one name are joined by a comma and a space."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def below(path: str, prefix: str) -> str | None:
    """Return what is left of a path below a prefix: empty for the prefix itself, None for a path elsewhere."""
    if not path.startswith(prefix):
        return None
    rest = path[len(prefix) :]
    return rest if rest[:1] in ("", "/") else None


def undecoded(rest: str, raw: str) -> str:
    """Return a path, as it came where a character was encoded that must not be.

    Otherwise ``/static%2fx`` would be taken for another path here than by a proxy before. No route has such a path.

    Args:
        rest: The path, decoded.
        raw: The path or URL as it came; empty where the server does not tell it.
    """
    path = raw.partition("?")[0]
    return f"/{path}" if _TRICK.search(path) else rest
