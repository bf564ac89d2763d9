"""The endpoint, free of any framework: a request in, a response out, and nothing raised."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import attrs

from leakdiff.capture.turns import quick_turns
from leakdiff.web.accepting import preferred
from leakdiff.web.audit import note
from leakdiff.web.desk import Desk
from leakdiff.web.guard import Guard
from leakdiff.web.html import page_of
from leakdiff.web.messages import Request, Response
from leakdiff.web.plain import text_of
from leakdiff.web.preparing import prepare
from leakdiff.web.refusals import NotThere, Refused, TooLarge, refusal_of
from leakdiff.web.routing import FORMATS, MOST_QUERY, Asked, Format, find_route, read_given
from leakdiff.web.settings import Settings
from leakdiff.web.view import View

if TYPE_CHECKING:
    from leakdiff.model.snapshot import Identity
    from leakdiff.monitor import Monitor

_TYPES: dict[Format, str] = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
}
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_STRICT = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    # Under no-referrer browsers send our own forms with `Origin: null`, which is what those of other sites look like.
    ("Referrer-Policy", "same-origin"),
    ("Content-Security-Policy", _POLICY),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=()"),
)
_NO_PAGES = "HTML pages need jinja2: pip install 'leakdiff[web]'\n\n"

Find = Callable[[Request], Response]


class Endpoint:
    """Answers requests.

    To make one imports whatever answers and measurements need: half a second and about 25 MiB, once a process.

    Args:
        settings: What it was told.
        monitor: The process's monitor; None without one.
    """

    def __init__(self, settings: Settings, monitor: Monitor | None = None) -> None:
        if settings.token is not None:  # else nobody will ask
            prepare()
        self.settings, self._monitor = settings, monitor
        self._guard = Guard(settings)
        self._desks = {os.getpid(): Desk(settings, monitor)}

    @property
    def desk(self) -> Desk:
        """What is kept in this process; a forked child begins with nothing."""
        pid = os.getpid()
        desk = self._desks.get(pid)
        if desk is None:
            # Of two threads that are first here one wins; a lock could have been held during the fork.
            desk = self._desks.setdefault(pid, Desk(self.settings, self._monitor))
            for other in [other for other in self._desks if other != pid]:
                self._desks.pop(other, None)
        return desk

    def answer(self, request: Request) -> Response:
        """Answer a request; whatever fails is an answer as well."""
        return self._noted(request, self._found)

    def refuse(self, request: Request, refused: Refused) -> Response:
        """Answer a request that could not be read, such as one with too large a body; who may not look sees no more."""

        def found(_: Request) -> Response:
            raise refused

        return self._noted(request, found)

    def admits(self, request: Request) -> bool:
        """Tell whether a request may look, so that no body is read of those that may not."""
        return self._guard.admits(request)

    def _noted(self, request: Request, find: Find) -> Response:
        response = self._guarded(request, find)
        note(request, response, os.getpid(), hide=self.settings.token)
        return response

    def _guarded(self, request: Request, find: Find) -> Response:
        try:
            self._guard.check(request)
        except Refused as refused:
            return _dressed(request, _refusal(request, refused))
        try:
            identity = self.desk.identity()
            response = self._tried(request, find, identity)
            return _dressed(request, response, ("Leakdiff-Process", _process_of(identity)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the service must not notice
            return _dressed(request, _refusal(request, refusal_of(error, request.path[:80])))

    def _tried(self, request: Request, find: Find, identity: Identity) -> Response:
        try:
            with quick_turns():  # the service's threads shall not wait for ours
                return find(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the service must not notice
            refused = refusal_of(error, request.path[:80])
        if _format_of(request) == "html":
            with suppress(Exception):  # then it is told as text
                body = _page(_page_of_refusal(refused), request, identity)
                return Response(status=refused.status, body=body, type=_TYPES["html"], headers=refused.headers)
        return _refusal(request, refused)

    def _found(self, request: Request) -> Response:
        if not request.path:
            return _to_the_index(request)
        route, variables = find_route(request.method, request.path)
        given = read_given(route, request) | variables
        format_ = given.get("format") or preferred(request.header("accept"))
        found = route.load()(Asked(desk=self.desk, request=request, format=format_, given=given))
        if isinstance(found, View):
            found = self._shown(request, found, format_)
        if len(found.body) > self.settings.most_answer:
            raise TooLarge("The answer", self.settings.most_answer)
        return found

    def _shown(self, request: Request, view: View, format_: Format) -> Response:
        to = view.location
        headers = (("Location", relative(request.path, to)),) if to is not None else ()
        if headers and format_ == "html" and request.method == "POST":
            return Response(status=303, body=_encoded(f"{view.said}\n"), headers=headers)
        body, type_ = _told_as(view, format_, request, self.desk.identity())
        return Response(status=view.status, body=body, type=type_, headers=headers)


def relative(path: str, to: str) -> str:
    """Return where a path below the prefix is, seen from another: nothing depends on the prefix that a proxy has."""
    return ("../" * (path.count("/") - 1) or "./") + quote(to.lstrip("/"), safe="/?&=-._~")


# -- telling a view ----------------------------------------------------------------------------------


def _told_as(view: View, format_: Format, request: Request, identity: Identity) -> tuple[bytes, str]:
    """Return a body and its type; text where pages cannot be made."""
    if format_ == "json":
        return as_json(_json_of(view, identity)), _TYPES["json"]
    said = ""
    if format_ == "html":
        try:
            return _page(view, request, identity), _TYPES["html"]
        except ImportError:
            said = _NO_PAGES
    return _encoded(said + text_of(view, identity)), _TYPES["text"]


def _page(view: View, request: Request, identity: Identity) -> bytes:
    return _encoded(page_of(view, request.path, identity, request.query))


def _json_of(view: View, identity: Identity) -> dict[str, Any]:
    shown = {**attrs.asdict(identity), "instance": identity.instance}
    return {"process": shown, "title": view.title, "verdict": view.verdict, "said": view.said, **view.data}


def as_json(shown: Any) -> bytes:
    """Return plain values as JSON in ASCII, with a line end."""
    return json.dumps(shown, ensure_ascii=True, allow_nan=False).encode() + b"\n"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


# -- telling a refusal -------------------------------------------------------------------------------


def _refusal(request: Request, refused: Refused) -> Response:
    """Tell a refusal as JSON or as text: all that those are told who may not look."""
    if _format_of(request) == "json":
        body, type_ = as_json({"slug": refused.slug, "message": str(refused)}), _TYPES["json"]
    else:
        body, type_ = _encoded(f"{refused} [{refused.slug}]\n"), _TYPES["text"]
    # Without it `go tool pprof` shows the status and not the sentence.
    is_profile = request.path.startswith("/pprof/") and not isinstance(refused, NotThere)
    headers = (*refused.headers, *((("X-Go-Pprof", "1"),) if is_profile else ()))
    return Response(status=refused.status, body=body, type=type_, headers=headers)


def _page_of_refusal(refused: Refused) -> View:
    return View(
        title=HTTPStatus(refused.status).phrase,
        said=str(refused),
        data={"slug": refused.slug, "message": str(refused)},
        status=refused.status,
    )


def _format_of(request: Request) -> Format:
    """Return how a refusal is told: as the query says, whatever else it says, and then as the Accept header does."""
    with suppress(ValueError):
        for name, value in parse_qsl(request.query[:MOST_QUERY]):
            if name == "format" and value in FORMATS:
                return value
    return preferred(request.header("accept"))


# -- headers -----------------------------------------------------------------------------------------


def _dressed(request: Request, response: Response, *further: tuple[str, str]) -> Response:
    """Return a response with the headers that every answer has, and without its body for HEAD."""
    own = {name.lower() for name, _ in response.headers}
    strict = tuple((name, value) for name, value in _STRICT if name.lower() not in own)
    length = ("Content-Length", str(len(response.body)))
    headers = tuple((name, _one_line(value)) for name, value in (*response.headers, *strict, *further, length))
    body = b"" if request.method == "HEAD" else response.body
    return attrs.evolve(response, headers=headers, body=body)


def _one_line(value: str) -> str:
    return "".join(character for character in value if " " <= character <= "~")


def _process_of(identity: Identity) -> str:
    return f"pid={identity.pid};boot={identity.boot_id};instance={identity.instance}"


def _to_the_index(request: Request) -> Response:
    """Send those who left out the slash to where the links of the pages lead from."""
    query = f"?{request.query}" if request.query else ""
    to = f"{quote(request.prefix.rpartition('/')[2])}/{query}"
    return Response(status=308, body=b"", headers=(("Location", to),))
