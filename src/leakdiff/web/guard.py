"""Who may look: the host, the token and the site that a request comes from, in this order."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import re
import time
from collections import deque
from collections.abc import Callable

from leakdiff.web.messages import Request
from leakdiff.web.refusals import BadHost, BadToken, CrossSite, NotThere, Refused, TooOften
from leakdiff.web.settings import Settings

_MINUTE = 60.0
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_CHANGES_NOTHING = ("GET", "HEAD")


class Guard:
    """Lets requests through, or raises why not.

    It has no lock: a lock that another thread holds during a fork stays locked in the child.

    Args:
        settings: The token, the hosts and how many wrong tokens a minute are looked at.
        clock: Seconds of a clock that never jumps.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = settings.token.encode() if settings.token is not None else None
        self._hosts = frozenset(settings.hosts)
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=settings.most_failures)

    def check(self, request: Request) -> None:
        """Let a request through, or raise; a wrong token is counted.

        The host goes first, so that no browser asks for the token under a name that is not ours. What a request asks
        for is looked at only after all of this.

        Raises:
            NotThere: If no token is configured.
            BadHost: If the Host header is missing, malformed, or names a host that is not on the list.
            BadToken: If the token is missing or wrong.
            TooOften: If it is wrong, and too many were in the last minute; the right one always passes.
            CrossSite: If a page of another site sent the request.
        """
        if self._token is None:
            raise NotThere
        self._check_host(request)
        self._check_token(request, self._token)
        _check_site(request)

    def admits(self, request: Request) -> bool:
        """Tell whether a request may look, without counting it: whether its body is worth reading."""
        if self._token is None or _is_wrong(request, self._token):
            return False
        try:
            self.check(request)
        except Refused:
            return False
        return True

    def _check_host(self, request: Request) -> None:
        host = host_of(request.header("host"))
        if host is None or not ("*" in self._hosts or host[0] in self._hosts):
            raise BadHost

    def _check_token(self, request: Request, token: bytes) -> None:
        if not _is_wrong(request, token):
            return
        if not request.header("authorization"):
            raise BadToken  # a browser's first request, before it asks for the token
        now, failures = self._clock(), self._failures
        if len(failures) == failures.maxlen and now - failures[0] < _MINUTE:
            raise TooOften("A wrong token", _MINUTE - (now - failures[0]))
        failures.append(now)
        raise BadToken


def host_of(header: str) -> tuple[str, str] | None:
    """Return name and port that a Host header names, the name in lower case and the port empty if there is none.

    Returns:
        None for a header that is missing or malformed, such as two joined into one.
    """
    found = _HOST.fullmatch(header)
    if found is None:
        return None
    port = found["port"] or ""
    if found["name"] is not None:
        return found["name"].lower().removesuffix("."), port
    try:
        return str(ipaddress.IPv6Address(found["v6"])), port
    except ValueError:
        return None


# -- the token ---------------------------------------------------------------------------------------


def _is_wrong(request: Request, token: bytes) -> bool:
    return not hmac.compare_digest(_sent_token(request.header("authorization")), token)


def _sent_token(authorization: str) -> bytes:
    """Return what a client sent as token: browsers and ``go tool pprof`` can send it only as a password."""
    scheme, _, sent = authorization.partition(" ")
    raw = sent.strip().encode("latin-1", "replace")
    if scheme.lower() == "bearer":
        return raw
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(raw, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""


# -- the site ----------------------------------------------------------------------------------------


def _check_site(request: Request) -> None:
    """Refuse what a page of another site sent: a browser that knows the password sends it along with that as well."""
    site = request.header("sec-fetch-site")
    if site in ("same-origin", "none"):
        return
    if site:
        if not _is_followed_link(request):
            raise CrossSite
    elif _is_foreign(request.header("origin"), request.header("host")):
        # Browsers send no Sec-Fetch-Site over plain HTTP to other hosts than loopback, but they do send this.
        raise CrossSite


def _is_followed_link(request: Request) -> bool:
    """Tell whether somebody followed a link, from a dashboard or a ticket, to a page of its own.

    That changes nothing, and the site it comes from can neither read nor frame what is shown.
    """
    return (
        request.method in _CHANGES_NOTHING
        and request.header("sec-fetch-mode") == "navigate"
        and request.header("sec-fetch-dest") == "document"
    )


def _is_foreign(origin: str, host: str) -> bool:
    """Tell whether an Origin is not this host; the schemes may differ, for a proxy may end TLS."""
    if not origin:
        return False
    scheme, _, rest = origin.partition("://")
    default = _DEFAULT_PORTS.get(scheme)
    ours, theirs = host_of(host), host_of(rest)
    if default is None or ours is None or theirs is None:
        return True
    return (ours[0], ours[1] or default) != (theirs[0], theirs[1] or default)
