"""The endpoint over ASGI, WSGI and aiohttp, in front of applications, and by itself on a port."""

from __future__ import annotations

import asyncio
import base64
import functools
import http.client
import io
import json
import socket
import threading
import time
import wsgiref.validate
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import leakdiff.web
from fresh import run_fresh
from leakdiff.errors import BadCallable, BadOption
from leakdiff.web import routing, server
from leakdiff.web.jobs import Outcome, Say
from leakdiff.web.routing import Asked
from leakdiff.web.server import Server
from leakdiff.web.settings import TOKEN as TOKEN_NAME
from leakdiff.web.settings import TOKEN_FILE
from leakdiff.web.view import View
from web_client import (
    JSON,
    LOGIN,
    PATIENCE,
    SECONDS,
    TOKEN,
    Answer,
    asgi_scope,
    asgi_service,
    ask_asgi,
    ask_wsgi,
    made,
    over_asgi,
    stand_in,
    usual,
    wsgi_environ,
    wsgi_service,
)

FORM = LOGIN | {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
PREFIX = "/debug/leakdiff"

Ask = Callable[..., Answer]


@pytest.fixture
def _view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let /made answer which parameters it was given."""
    stand_in(monkeypatch, made)


@pytest.fixture
def _post(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let POST /made answer which parameters it was given."""
    stand_in(monkeypatch, made, method="POST", parameters=SECONDS)


def over(protocol: str, **knobs: Any) -> tuple[Any, Ask]:
    """Return the endpoint as an application of a protocol, and what asks it."""
    knobs = usual(knobs)
    if protocol == "asgi":
        return leakdiff.web.asgi_app(**knobs), ask_asgi
    return leakdiff.web.wsgi_app(**knobs), ask_wsgi


def dispatched(protocol: str, **knobs: Any) -> tuple[Any, Ask]:
    """Return a service with the endpoint at the usual prefix, and what asks it."""
    knobs = usual(knobs)
    if protocol == "asgi":
        return leakdiff.web.dispatch(asgi_service, **knobs), ask_asgi
    return leakdiff.web.dispatch(wsgi_service, **knobs), ask_wsgi


both = pytest.mark.parametrize("protocol", ["asgi", "wsgi"])


# -- requests and answers ----------------------------------------------------------------------------


@both
@pytest.mark.usefixtures("_view")
def test_a_request_is_answered(protocol: str) -> None:
    """With its query, its headers and the length of the body."""
    app, ask = over(protocol)
    answer = ask(app, "/made?format=json")

    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    assert json.loads(answer.body)["given"] == {"format": "json"}
    assert answer.header("content-length") == str(len(answer.body))


@both
def test_both_ways_to_log_in_are_offered(protocol: str) -> None:
    """Two headers of one name survive."""
    app, ask = over(protocol)
    answer = ask(app, "/", headers={"host": "localhost"})

    assert answer.status == 401
    assert len(answer.header("www-authenticate").splitlines()) == 2


@pytest.mark.usefixtures("_view")
def test_a_host_that_is_given_twice_is_refused() -> None:
    """Two servers on the way could each take another one for it."""
    app, _ = over("asgi")
    for second in ("localhost", "evil.example"):
        assert ask_asgi(app, "/made", headers=[*LOGIN.items(), ("Host", second)]).status == 421


@both
@pytest.mark.usefixtures("_view")
def test_head_has_the_length_and_no_body(protocol: str) -> None:
    """As HTTP wants it, whatever the server does."""
    app, ask = over(protocol)
    answer = ask(app, "/made", method="HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.header("content-length")) > 0


@both
@pytest.mark.usefixtures("_post")
def test_a_form_is_read(protocol: str) -> None:
    """In as many pieces as it comes."""
    app, ask = over(protocol)
    parts = {"pieces": [b"sec", b"", b"onds=7"]} if protocol == "asgi" else {"body": b"seconds=7"}
    answer = ask(app, "/made", method="POST", headers=FORM, **parts)

    assert json.loads(answer.body)["given"]["seconds"] == 7


# -- bodies that are too large, too slow, or never there ---------------------------------------------


@both
@pytest.mark.usefixtures("_post")
@pytest.mark.parametrize("length", ["101", "9" * 30, "-1", "1e2", "+5", "0x10", "\u0663", "5, 5"])
def test_a_body_whose_length_cannot_be_is_not_read(protocol: str, length: str) -> None:
    """Nothing of it: who says that it is large is believed."""
    app, ask = over(protocol, most_body=100)
    shown = length.encode("latin-1", "replace").decode("latin-1")
    if protocol == "asgi":
        answer = ask(app, "/made", method="POST", headers=[*FORM.items(), ("content-length", shown)], pieces=[])
    else:
        answer = ask(app, "/made", method="POST", headers=FORM, CONTENT_LENGTH=length, **{"wsgi.input": None})

    assert (answer.status, json.loads(answer.body)["slug"]) == (413, "too-large")


@both
@pytest.mark.usefixtures("_post")
def test_a_body_that_turns_out_too_large_is_refused(protocol: str) -> None:
    """One that does not say its length is read up to the limit."""
    app, ask = over(protocol, most_body=100)
    if protocol == "asgi":
        answer = ask(app, "/made", method="POST", headers=FORM, pieces=[b"x" * 60] * 1_000)
    else:
        source = io.BytesIO(b"x" * 60_000)
        parts = {"wsgi.input": source, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        answer = ask(app, "/made", method="POST", headers=FORM, **parts)
        assert source.tell() <= 101

    assert (answer.status, json.loads(answer.body)["slug"]) == (413, "too-large")


@pytest.mark.usefixtures("_post")
def test_pieces_whose_end_a_wsgi_server_does_not_tell_are_refused() -> None:
    """To read on would be to wait for ever, or to read the next request."""
    app, _ = over("wsgi")
    answer = ask_wsgi(
        app, "/made", method="POST", headers=FORM, HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": None}
    )

    assert (answer.status, json.loads(answer.body)["slug"]) == (400, "bad-parameter")


def test_no_body_is_read_of_those_who_may_not_look() -> None:
    """They are told so at once, and hold neither task nor thread by sending slowly."""
    for protocol, nothing in (("asgi", {"pieces": []}), ("wsgi", {"wsgi.input": None, "CONTENT_LENGTH": "50"})):
        app, ask = over(protocol)
        assert ask(app, "/snapshot", method="POST", headers={"host": "localhost"}, **nothing).status == 401


@pytest.mark.usefixtures("_post")
def test_a_slow_body_over_asgi_is_given_up() -> None:
    """408 after the time it may take."""
    app, _ = over("asgi", body_timeout=0.1)

    async def scenario() -> Answer | None:
        scope = asgi_scope("/made", method="POST", headers=FORM)
        return await over_asgi(_Slow(app), scope, [b"seconds=", b"7"])

    answer = asyncio.run(scenario())
    assert answer is not None
    assert (answer.status, json.loads(answer.body)["slug"]) == (408, "too-slow")


class _Slow:
    """An application whose client sends one piece and then no more."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        first = [await receive()]

        async def slowly() -> Any:
            return first.pop() if first else await asyncio.sleep(PATIENCE)

        await self._app(scope, slowly, send)


@pytest.mark.usefixtures("_post")
@pytest.mark.parametrize("error", [None, OSError("gone"), TimeoutError()])
def test_a_slow_body_over_wsgi_is_given_up(error: OSError | None) -> None:
    """By our clock between two pieces, and when the server gives up."""

    class Slow(io.BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            if error is not None:
                raise error
            time.sleep(0.15)
            return super().read(1)

    app, _ = over("wsgi", body_timeout=0.1)
    parts = {"wsgi.input": Slow(b"seconds=7"), "CONTENT_LENGTH": "9"}
    answer = ask_wsgi(app, "/made", method="POST", headers=FORM, **parts)

    assert (answer.status, json.loads(answer.body)["slug"]) == (408, "too-slow")


@pytest.mark.usefixtures("_post")
def test_a_client_that_goes_is_no_error() -> None:
    """Before its body is there nothing is answered; when it cannot be sent to, nobody is told."""
    app, _ = over("asgi")

    async def gone(_: Any) -> None:
        raise BrokenPipeError

    async def scenario() -> Answer | None:
        scope = asgi_scope("/made", method="POST", headers=FORM)
        await app(asgi_scope("/made"), None, gone)
        return await over_asgi(app, scope, [b"sec", None])

    assert asyncio.run(scenario()) is None


# -- where it is mounted -----------------------------------------------------------------------------


@pytest.mark.usefixtures("_view")
@pytest.mark.parametrize(
    ("root_path", "path"),
    [
        ("", "/made"),
        (PREFIX, f"{PREFIX}/made"),  # Starlette's mounts, and servers told a root path, today
        (PREFIX, "/made"),  # as both were before
        (f"/api{PREFIX}", f"/api{PREFIX}/made"),  # uvicorn --root-path /api, and a mount
        (f"/api{PREFIX}", f"{PREFIX}/made"),  # FastAPI(root_path="/api") behind a proxy that strips it, and a mount
        (f"{PREFIX}/", "/made"),
    ],
)
def test_a_mount_is_found_however_it_is_told(root_path: str, path: str) -> None:
    """The path may include all of the root path, nothing of it, or its end."""
    app, _ = over("asgi")
    answer = ask_asgi(app, f"{path}?format=json", root_path=root_path)

    assert json.loads(answer.body)["path"] == "/made"


@pytest.mark.usefixtures("_view")
@pytest.mark.parametrize(
    ("root_path", "path"), [("", f"{PREFIX}/made"), ("/api", f"/api{PREFIX}/made"), ("/api", f"{PREFIX}/made")]
)
def test_dispatch_looks_below_the_servers_root_path(root_path: str, path: str) -> None:
    """Whether the server puts it into the path or not."""
    app, _ = dispatched("asgi")
    answer = ask_asgi(app, f"{path}?format=json", root_path=root_path)

    assert json.loads(answer.body)["path"] == "/made"


@pytest.mark.usefixtures("_view")
def test_a_mount_of_wsgi_is_found_by_its_script_name() -> None:
    """As frameworks and servers set it."""
    app, _ = over("wsgi")
    answer = ask_wsgi(app, "/made?format=json", SCRIPT_NAME=f"/api{PREFIX}")

    assert json.loads(answer.body)["path"] == "/made"


@pytest.mark.usefixtures("_view")
def test_it_can_be_mounted_in_starlette() -> None:
    """By app.mount, below a root path or not, with the slash at the end or not."""
    starlette = pytest.importorskip("starlette.applications", reason="pip install starlette")
    app = starlette.Starlette()
    app.mount(PREFIX, leakdiff.web.asgi_app(token=TOKEN))
    for root_path, path in (("", ""), ("/api", "/api"), ("/api", "")):
        answer = ask_asgi(app, f"{path}{PREFIX}/made?format=json", root_path=root_path)
        assert json.loads(answer.body)["path"] == "/made"

    assert ask_asgi(app, PREFIX).status == 307


@pytest.mark.usefixtures("_view")
def test_it_can_be_mounted_beside_flask() -> None:
    """By werkzeug's DispatcherMiddleware."""
    dispatcher = pytest.importorskip("werkzeug.middleware.dispatcher", reason="pip install flask")
    app = dispatcher.DispatcherMiddleware(wsgi_service, {PREFIX: leakdiff.web.wsgi_app(token=TOKEN)})

    assert json.loads(ask_wsgi(app, f"{PREFIX}/made?format=json").body)["path"] == "/made"
    assert ask_wsgi(app, PREFIX).header("location") == "leakdiff/"
    assert ask_wsgi(app, "/made").body == b"service http /made"


@both
@pytest.mark.usefixtures("_view")
def test_dispatch_leaves_everything_else_to_the_application(protocol: str) -> None:
    """Also what merely begins like the prefix."""
    app, ask = dispatched(protocol)
    for path in (
        "/",
        "/made",
        f"{PREFIX}x",
        f"{PREFIX}.",
        "/debug",
        "/debug/",
        f"/{PREFIX}/made",
        "/x/../debug/leakdiff/",
    ):
        assert ask(app, path).body.startswith(b"service http"), path

    assert ask(app, f"{PREFIX}/made").status == 200
    assert (ask(app, PREFIX).status, ask(app, PREFIX).header("location")) == (308, "leakdiff/")


def test_dispatch_leaves_lifespan_and_websockets_to_the_application() -> None:
    """A websocket below the prefix is closed before it is opened."""
    app, _ = dispatched("asgi")

    async def scenario() -> list[str]:
        said: list[str] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            said.append(message.get("body", b"").decode() or message["type"])

        for scope in (
            {"type": "lifespan"},
            {"type": "websocket", "path": "/chat"},
            {"type": "websocket", "path": PREFIX},
        ):
            await app(scope, receive, send)
        return said

    assert asyncio.run(scenario()) == [
        "http.response.start",
        "service lifespan ",
        "http.response.start",
        "service websocket /chat",
        "websocket.close",
    ]


def test_as_a_servers_own_application_it_answers_the_lifespan() -> None:
    """There is nothing to start and nothing to stop."""
    app, _ = over("asgi")

    async def scenario() -> list[str]:
        messages, said = ["lifespan.startup", "lifespan.shutdown"], []

        async def receive() -> Any:
            return {"type": messages.pop(0)}

        async def send(message: Any) -> None:
            said.append(message["type"])

        await app({"type": "lifespan"}, receive, send)
        return said

    assert asyncio.run(scenario()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


TRICKS = [
    "/../made",
    "//made",
    "/./made",
    "/made/",
    "/made/.",
    "/made/..",
    "/x/../made",
    "/made%00",
    "/%00made",
    "/made%2f",
    "%2fmade",
    "/%2e%2e/made",
    "/..%2fmade",
    "/..%5cmade",
    "/..\\made",
    "/made;x=1",
    "/MADE",
    "/m%C3%A4de",
    "/%FF%FE",
    "/" + "x" * 60_000,
    "/" + "../" * 5_000 + "etc/passwd",
    "/static/..%2f..%2fapp.py",
    "/%252e%252e/made",
]


@both
@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick[:20])
@pytest.mark.parametrize("mounted", ["by itself", "dispatched", "mounted"])
@pytest.mark.usefixtures("_view")
def test_path_tricks_lead_nowhere(protocol: str, mounted: str, trick: str) -> None:
    """A plain 404 for who may look, a plain 401 for who may not; nothing of the application's."""
    app, ask = dispatched(protocol) if mounted == "dispatched" else over(protocol)
    prefix = {"by itself": "", "dispatched": PREFIX, "mounted": PREFIX}[mounted]
    parts: dict[str, Any] = {}
    if mounted == "mounted":
        parts, prefix = ({"root_path": PREFIX}, PREFIX) if protocol == "asgi" else ({"SCRIPT_NAME": PREFIX}, "")
    if protocol == "wsgi":
        parts |= {"RAW_URI": prefix + trick}
    answer = ask(app, prefix + trick, **parts)
    refused = ask(app, prefix + trick, headers={"host": "localhost"}, **parts)

    assert (answer.status, answer.body) == (404, b"There is nothing at this path. [not-there]\n")
    assert refused.status == 401


@pytest.mark.parametrize("wrap", [leakdiff.web.dispatch, leakdiff.web.count_requests])
def test_an_application_is_told_by_how_it_is_called(wrap: Callable[..., Any]) -> None:
    """A coroutine function is ASGI and so is what takes three arguments; two are WSGI; ``kind`` says what is unseen."""

    class Called:
        async def __call__(self, *_: Any) -> None: ...

    class Plain:
        def __call__(self, *_: Any) -> list[bytes]:
            return []

    def timed(scope: Any, receive: Any, send: Any) -> Any:
        return asgi_service(scope, receive, send)

    knobs: dict[str, Any] = {"token": TOKEN} if wrap is leakdiff.web.dispatch else {}
    asgi = [type(wrap(app, **knobs)) for app in (asgi_service, Called(), timed, functools.partial(timed))]
    wsgi = [type(wrap(app, **knobs)) for app in (wsgi_service, functools.partial(wsgi_service))]
    assert set(asgi) == {type(wrap(Plain(), kind="asgi", **knobs))}
    assert set(wsgi) == {type(wrap(Plain(), kind="wsgi", **knobs))}
    assert not set(asgi) & set(wsgi)
    with pytest.raises(BadOption, match="does not show"):
        wrap(Plain(), **knobs)


@pytest.mark.parametrize("prefix", ["", "/", "debug", "//debug", "/de bug", "/debug/{x}", "/debug/../x", "/a?b", None])
def test_a_prefix_that_is_none_is_refused(prefix: Any) -> None:
    """At once, and not by requests that never reach it."""
    with pytest.raises(BadOption, match="a path such as"):
        leakdiff.web.dispatch(wsgi_service, prefix, token=TOKEN)


def test_what_is_no_application_is_refused() -> None:
    """And a protocol or a knob that nobody knows."""
    with pytest.raises(BadCallable):
        leakdiff.web.dispatch("app:app", token=TOKEN)
    with pytest.raises(BadOption, match="kind"):
        leakdiff.web.dispatch(wsgi_service, kind="cgi", token=TOKEN)  # type: ignore[arg-type]
    with pytest.raises(BadOption, match="one of"):
        leakdiff.web.asgi_app(token=TOKEN, hostnames=["x"])


# -- many at a time ----------------------------------------------------------------------------------


def measuring(done: threading.Event) -> Callable[[Asked], View]:
    """Return a view that begins a measurement that lasts until it is told to end."""

    def work(_: Say) -> Outcome:
        assert done.wait(PATIENCE)
        return Outcome(said="done")

    def view(asked: Asked) -> View:
        job = asked.desk.begin("watch", work, expected=1.0)
        return View(title="Watch", status=202, location=f"/jobs/{job.id}")

    return view


def test_of_200_posts_at_a_time_one_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """All others are told that it runs, and when to try again."""
    done = threading.Event()
    stand_in(monkeypatch, measuring(done), method="POST")
    app, _ = over("asgi")

    async def scenario() -> list[Answer | None]:
        scopes = [asgi_scope("/made", method="POST", headers=JSON) for _ in range(200)]
        return await asyncio.gather(*(over_asgi(app, scope) for scope in scopes))

    answers = [answer for answer in asyncio.run(scenario()) if answer is not None]
    done.set()
    assert sorted(answer.status for answer in answers) == [202] + [409] * 199
    assert {answer.header("retry-after") for answer in answers if answer.status == 409} == {"1"}


def test_the_event_loop_goes_on_while_an_answer_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The view waits for something that only the loop can do."""
    free = threading.Event()
    stand_in(monkeypatch, lambda _: View(title="Made", status=200 if free.wait(PATIENCE) else 500))
    app, _ = over("asgi")

    async def scenario() -> Answer | None:
        asking = asyncio.create_task(over_asgi(app, asgi_scope("/made", headers=JSON)))
        await asyncio.sleep(0.01)
        free.set()
        return await asking

    answer = asyncio.run(scenario())
    assert answer is not None
    assert answer.status == 200


def test_no_more_answers_are_made_at_a_time_than_there_are_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the loop's default executor is used, nor a thread for each request."""
    names: set[str] = set()

    def view(_: Asked) -> View:
        names.add(threading.current_thread().name)
        return View(title="Made")

    stand_in(monkeypatch, view)
    app, _ = over("asgi", most_threads=2)

    async def scenario() -> None:
        await asyncio.gather(*(over_asgi(app, asgi_scope("/made", headers=JSON)) for _ in range(50)))

    asyncio.run(scenario())
    assert names <= {"leakdiff-web_0", "leakdiff-web_1"}


@pytest.mark.usefixtures("_post")
def test_it_runs_under_trio() -> None:
    """As hypercorn can: its body has a time limit there, too."""
    trio = pytest.importorskip("trio", reason="pip install trio")
    app, _ = over("asgi", body_timeout=0.1)
    said: list[int] = []

    async def scenario() -> None:
        async def send(message: Any) -> None:
            said.append(message.get("status", 0))

        async def receive() -> Any:
            return {"type": "http.request", "body": b"seconds=7"}

        async def never() -> Any:
            await trio.sleep(PATIENCE)

        for receiving in (receive, never):
            await app(asgi_scope("/made", method="POST", headers=FORM), receiving, send)

    trio.run(scenario)
    assert said == [200, 0, 408, 0]


def test_the_threads_are_made_anew_after_a_fork() -> None:
    """A worker that was forked from a process that had answered already answers as well."""
    seen = run_fresh(
        """
        import asyncio, json, os, sys
        sys.path.insert(0, FOLDER)
        import leakdiff.web
        from web_client import LOGIN, TOKEN, ask_asgi

        app = leakdiff.web.asgi_app(token=TOKEN)
        before = ask_asgi(app, "/nope").status
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.write(writer, str(ask_asgi(app, "/nope").status).encode())
            os._exit(0)
        os.close(writer)
        print(json.dumps([before, int(os.read(reader, 10))]))
        """.replace("FOLDER", repr(str(Path(__file__).parent)))
    )

    assert seen == [404, 404]


# -- anything at all ---------------------------------------------------------------------------------

ODD_PATHS = st.lists(
    st.sampled_from(
        ["/", "..", ".", "//", "%2f", "%2e", "%00", "\\", "debug", "leakdiff", "types", "jobs", "static", "?"]
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    max_size=8,
).map("".join)
ODD_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"host",
                b"authorization",
                b"accept",
                b"origin",
                b"sec-fetch-site",
                b"content-length",
                b"content-type",
                b"x",
            ]
        ),
        st.sampled_from([b"localhost", LOGIN["authorization"].encode(), b"application/json", b"text/html", b"0", b"7"])
        | st.binary(max_size=30),
    ),
    max_size=8,
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get", "X"])
SAFE = {"/", "/summary", "/types", "/sites", "/owners", "/resources", "/history", "/trend", "/snapshots", "/jobs"}


@pytest.fixture
def _no_posts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only those routes be there that measure nothing."""
    monkeypatch.setattr(routing, "ROUTES", tuple(route for route in routing.ROUTES if route.method == "GET"))


def check_answer(answer: Answer | None, *, is_ours: bool) -> None:
    """Assert what goes for every answer: no failure, and never the application's below the prefix."""
    assert answer is not None
    assert answer.status < 500, answer.body
    assert answer.body.startswith(b"service") is not is_ours


@pytest.mark.usefixtures("_no_posts")
@settings(max_examples=150, deadline=None)
@given(
    method=METHODS,
    path=ODD_PATHS,
    query=st.binary(max_size=40),
    headers=ODD_HEADERS,
    logged_in=st.booleans(),
    pieces=st.lists(st.binary(max_size=30), min_size=1, max_size=4),
    root_path=st.sampled_from(["", "/api", PREFIX, "/"]),
)
def test_no_request_of_asgi_is_too_strange(  # noqa: PLR0913, PLR0917 - as many sides as a request has
    method: str,
    path: str,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    logged_in: bool,  # noqa: FBT001
    pieces: list[bytes],
    root_path: str,
) -> None:
    """Never an exception, never a status of 500, never anything of the application's."""
    login = [(name.encode(), value.encode()) for name, value in LOGIN.items()] if logged_in else []
    scope = asgi_scope() | {
        "method": method,
        "path": f"{PREFIX}/{path}",
        "raw_path": None,
        "query_string": query,
        "headers": login + headers,
        "root_path": root_path,
    }
    app, _ = dispatched("asgi", most_body=50)

    check_answer(asyncio.run(over_asgi(app, scope, pieces)), is_ours=root_path != PREFIX)


@pytest.mark.usefixtures("_no_posts")
@settings(max_examples=150, deadline=None)
@given(
    method=METHODS,
    path=ODD_PATHS,
    query=st.text(st.characters(max_codepoint=255), max_size=40),
    headers=ODD_HEADERS,
    logged_in=st.booleans(),
    length=st.sampled_from(["", "0", "7", "-1", "99999999999999999999", "x", " 7"]),
    terminated=st.booleans(),
)
def test_no_request_of_wsgi_is_too_strange(  # noqa: PLR0913, PLR0917 - as many sides as a request has
    method: str,
    path: str,
    query: str,
    headers: list[tuple[bytes, bytes]],
    logged_in: bool,  # noqa: FBT001
    length: str,
    terminated: bool,  # noqa: FBT001
) -> None:
    """Never an exception, never a status of 500, never anything of the application's."""
    odd = {name.decode(): value.decode("latin-1") for name, value in headers if name[:7] != b"content"}
    environ = wsgi_environ(method=method, headers=odd | (LOGIN if logged_in else {}), body=b"seconds=7") | {
        "PATH_INFO": f"{PREFIX}/{path}".encode().decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": length,
        "wsgi.input_terminated": terminated,
    }
    started: list[str] = []
    app, _ = dispatched("wsgi", most_body=50)
    body = b"".join(app(environ, lambda status, _: started.append(status)))

    check_answer(Answer(int(started[0][:3]), (), body), is_ours=True)


@pytest.mark.usefixtures("_view")
def test_it_keeps_the_rules_of_wsgi() -> None:
    """As the standard library's validator knows them, which warns and raises."""
    app, _ = over("wsgi")
    checked = wsgiref.validate.validator(app)
    environ = wsgi_environ("/made")
    del environ["CONTENT_LENGTH"]
    answer = checked(environ, lambda *_: lambda _: None)
    with closing(answer):  # type: ignore[type-var]
        assert b"Made for a test." in b"".join(answer)


# -- aiohttp -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_post")
def test_it_can_be_mounted_in_aiohttp() -> None:
    """By add_subapp; bodies have their limits, and tricks lead nowhere."""
    pytest.importorskip("aiohttp", reason="pip install aiohttp")
    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer
    from yarl import URL

    async def scenario() -> list[tuple[int, str]]:
        app = web.Application()
        app.add_subapp(PREFIX, leakdiff.web.aiohttp_app(token=TOKEN, most_body=100))
        async with TestClient(TestServer(app)) as client:

            async def said(method: str, path: str, **parts: Any) -> tuple[int, str]:
                headers = {"authorization": LOGIN["authorization"], "accept": "application/json"}
                url = URL(PREFIX + path, encoded=True)
                async with client.request(method, url, headers=headers, allow_redirects=False, **parts) as answer:
                    shown = json.loads(await answer.read() or b"{}")
                    return answer.status, shown.get("slug") or shown.get("path") or answer.headers.get("location", "")

            async def pieces() -> Any:
                for _ in range(20):
                    yield b"x" * 10

            return [
                await said("POST", "/made", data={"seconds": "7"}),
                await said("POST", "/made", data=b"x" * 101),
                await said("POST", "/made", data=pieces()),
                await said("HEAD", "/made"),
                await said("GET", ""),
                await said("GET", "/nope"),
                await said("GET", "/made%2f"),
                await said("GET", "/made"),
            ]

    assert asyncio.run(scenario()) == [
        (200, "/made"),
        (413, "too-large"),
        (413, "too-large"),
        (405, ""),
        (308, "leakdiff/"),
        (404, "not-there"),
        (404, "not-there"),
        (405, "bad-method"),
    ]


@pytest.mark.usefixtures("_post")
@pytest.mark.parametrize("body", [b"zz\r\n", b"5\r\nab", b""])
def test_a_body_that_breaks_off_is_nothing_for_the_services_log(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Whether a client sends what is no body, or goes in the middle of it, aiohttp logs no error of ours."""
    pytest.importorskip("aiohttp", reason="pip install aiohttp")
    from aiohttp import web
    from aiohttp.test_utils import TestServer

    head = f"POST {PREFIX}/made HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    head += f"Authorization: {LOGIN['authorization']}\r\n\r\n"

    async def scenario() -> None:
        app = web.Application()
        app.add_subapp(PREFIX, leakdiff.web.aiohttp_app(token=TOKEN))
        async with TestServer(app) as running:
            _, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(head.encode())
            await writer.drain()
            await asyncio.sleep(0.05)  # so that the body is waited for
            writer.write(body)
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.close()
            await asyncio.sleep(0.05)

    asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records if record.name.startswith("aiohttp.server")] == []


# -- by itself on a port -----------------------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[Server]:
    """The endpoint on a port of its own."""
    with leakdiff.web.serve(token=TOKEN) as running:
        yield running


def over_http(running: Server, method: str, path: str, **parts: Any) -> tuple[int, bytes]:
    """Ask a server over a connection."""
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)) as connection:
        connection.request(
            method, path, headers={"authorization": LOGIN["authorization"]} | parts.pop("headers", {}), **parts
        )
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.usefixtures("_post")
def test_a_program_without_a_web_server_can_serve_it(served: Server) -> None:
    """From threads whose names say whose they are."""
    form = {"content-type": FORM["content-type"], "accept": "application/json"}
    status, body = over_http(served, "POST", "/made", body="seconds=7", headers=form)

    assert (status, json.loads(body)["given"]["seconds"]) == (200, 7)
    assert over_http(served, "HEAD", "/nope") == (404, b"")
    assert over_http(served, "GET", "/made%2f")[0] == over_http(served, "GET", "/static/..%2fx")[0] == 404
    assert over_http(served, "BREW", "/made")[0] == 405
    assert over_http(served, "GET", "/nope", headers={"authorization": ""})[0] == 401
    assert served.url == f"http://127.0.0.1:{served.port}/"
    assert "leakdiff-web-server" in {thread.name for thread in threading.enumerate()}


def test_a_password_in_the_url_logs_in(served: Server) -> None:
    """As `go tool pprof` and curl send it."""
    login = base64.b64encode(f"any:{TOKEN}".encode()).decode()

    assert over_http(served, "GET", "/nope", headers={"authorization": f"Basic {login}"})[0] == 404


@pytest.mark.parametrize(
    "sent",
    [
        b"junk\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /nope HTTP/9.9\r\n\r\n",
        b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 500 + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nsec_fetch_site: none\r\nsec-fetch-site: cross-site\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"",
    ],
    ids=range(8),
)
def test_what_is_no_request_hurts_nobody(served: Server, sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """It is refused or cut off, nothing is printed, and the next one is answered."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1 << 16)

    assert b" 200 " not in answer[:20]
    assert over_http(served, "GET", "/nope")[0] == 404
    assert capfd.readouterr() == ("", "")


def test_a_large_body_is_refused_and_the_client_hears_of_it(served: Server) -> None:
    """The connection is not closed on what it still sends."""
    status, body = over_http(served, "POST", "/watch", body=b"x" * 3_000_000)

    assert (status, body.endswith(b"[too-large]\n")) == (413, True)


def test_a_slow_client_is_cut_off(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that sends a byte now and then; meanwhile others are answered, though each has a thread."""
    monkeypatch.setattr(server, "_ASKING", 0.3)
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as connection:
        sent = 0
        with suppress(OSError):
            while sent < 200:
                connection.sendall(b"G")
                sent += 1
                time.sleep(0.02)
        assert over_http(served, "GET", "/nope")[0] == 404

    assert sent < 200


def test_clients_that_ask_nothing_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time, and both connected without a word: the third is answered, and the oldest is closed for it."""
    monkeypatch.setattr(server, "_MOST_CLIENTS", 2)
    with leakdiff.web.serve(token=TOKEN) as running:
        idle = [socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE) for _ in range(3)]

        assert [over_http(running, "GET", "/nope")[0] for _ in range(3)] == [404] * 3
        assert idle[0].recv(1) == b""
        for connection in idle:
            connection.close()


def test_client_that_is_being_answered_is_closed_for_nobody() -> None:
    """Where all have asked for something a further one waits for its turn, and goes if there is none."""
    callers = server._Callers(2)  # noqa: SLF001
    with socket.socket() as one, socket.socket() as other, socket.socket() as third:
        for connection in (one, other):
            assert callers.admit(connection, 0)
            callers.heard(connection)

        assert not callers.admit(third, 0.01)
        threading.Timer(0.05, callers.forget, [one]).start()
        assert callers.admit(third, PATIENCE)


def test_a_server_that_is_closed_serves_no_more(served: Server) -> None:
    """To close it again does nothing."""
    served.close()
    served.close()

    with pytest.raises(ConnectionRefusedError):
        over_http(served, "GET", "/")
    assert repr(served) == f"<leakdiff.web server at {served.url}>"


def test_nothing_is_served_that_nobody_could_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token it says so."""
    monkeypatch.delenv(TOKEN_NAME, raising=False)
    monkeypatch.delenv(TOKEN_FILE, raising=False)

    with pytest.raises(BadOption, match=TOKEN_NAME):
        leakdiff.web.serve()


def test_who_listens_for_others_is_warned() -> None:
    """There is no TLS, and the token is sent with every request."""
    with pytest.warns(RuntimeWarning, match="without TLS"), leakdiff.web.serve("0.0.0.0", token=TOKEN) as running:  # noqa: S104
        assert over_http(running, "GET", "/nope", headers={"host": "127.0.0.1"})[0] == 404


def test_it_serves_over_ipv6() -> None:
    """Where the host has it."""
    try:
        running = leakdiff.web.serve("::1", token=TOKEN)
    except OSError:
        pytest.skip("this host has no IPv6 loopback; `sysctl net.ipv6.conf.lo.disable_ipv6=0` gives it one")
    with running, closing(http.client.HTTPConnection("::1", running.port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/nope", headers={"authorization": LOGIN["authorization"]})

        assert connection.getresponse().status == 404
        assert running.url == f"http://[::1]:{running.port}/"


def test_a_forked_child_lets_go_of_the_port() -> None:
    """Otherwise who connects after the parent's end would wait for an answer for ever."""
    seen = run_fresh(
        """
        import json, os, socket
        import leakdiff.web

        server = leakdiff.web.serve(token="x" * 40)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            server.close()
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        server.close()
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
            refused = False
        except ConnectionRefusedError:
            refused = True
        os.close(writer)
        os.wait()
        print(json.dumps(refused))
        """
    )

    assert seen is True


# -- importing it ------------------------------------------------------------------------------------


def test_importing_the_endpoint_is_light() -> None:
    """Frameworks and servers are imported by those who use them, and what measuring needs where somebody may ask."""
    seen = run_fresh(
        """
        import json, sys
        import leakdiff.web
        light = sorted({"asyncio", "http.server", "jinja2", "aiohttp", "networkx", "psutil"} & set(sys.modules))
        leakdiff.web.asgi_app()
        heavy = sorted({"jinja2", "aiohttp", "networkx", "trio", "google.protobuf"} & set(sys.modules))
        leakdiff.web.asgi_app(token="x" * 40)
        heavy += sorted({"aiohttp", "trio", "starlette", "django"} & set(sys.modules))
        print(json.dumps([light, heavy, sorted(leakdiff.web.__all__) == dir(leakdiff.web)]))
        """
    )

    assert seen == [[], [], True]


def test_there_is_nothing_else_in_the_endpoint() -> None:
    """A misspelt name says so."""
    with pytest.raises(AttributeError, match="flask_app"):
        leakdiff.web.flask_app  # noqa: B018
