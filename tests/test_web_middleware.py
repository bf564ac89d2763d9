"""The middleware that counts requests by route: it changes nothing, keeps nothing and tells no secret."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import types
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.capture.routes import LEDGER, RouteLedger
from leakdiff.capture.tasks import count_tasks
from leakdiff.capture.traffic import read_units
from leakdiff.demo import rides
from leakdiff.errors import BadOption
from leakdiff.model.routes import RouteCost
from leakdiff.web import patterns
from leakdiff.web.frameworks import aiohttp_routes, django_routes
from leakdiff.web.middleware import count_requests, words
from leakdiff.web.patterns import OWN, tidy
from leakdiff.web.steps import measured

SECRET = "canary-0f3e8d-secret"  # noqa: S105
MIB = 1 << 20
Scope = dict[str, Any]


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[RouteLedger]:
    """Count from nothing in the ledger of the process, and leave it as if nothing had been counted."""
    monkeypatch.setattr("leakdiff.capture.request_meter._COST_SHARE", 0)
    monkeypatch.setattr("leakdiff.capture.request_meter._COST_SHARE_OF_FIRST", 0)
    LEDGER.restart()
    yield LEDGER
    LEDGER.began = None
    LEDGER.restart()


def cost(ledger: RouteLedger, route: str) -> RouteCost:
    """Return what is known of a route."""
    return next(one for one in ledger.costs() if one.route == route)


# -- driving ---------------------------------------------------------------------------------------


def scope(path: str = "/", method: str = "GET", **more: Any) -> Scope:
    """Return the scope of a request."""
    base = {"type": "http", "method": method, "path": path, "root_path": "", "headers": [], "query_string": b""}
    return base | more


async def ask(app: Any, asked: Scope, bodies: Iterable[bytes] = (b"",)) -> list[dict[str, Any]]:
    """Send one request to an ASGI application and return what it sent."""
    pieces, sent = list(bodies), list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        sent.append(message if len(message.get("body", b"")) < MIB else {})

    await app(asked, receive, send)
    return sent


def asked(app: Any, *scopes: Scope) -> list[dict[str, Any]]:
    """Send requests one after the other and return what the last one was answered."""

    async def all_of_them() -> list[dict[str, Any]]:
        answers = [await ask(app, one) for one in scopes]
        return answers[-1]

    return asyncio.run(all_of_them())


def answering(*pieces: bytes) -> Any:
    """Return an ASGI application that reads the body and answers with these pieces."""

    async def app(_: Scope, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for at, piece in enumerate(pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": at + 1 < len(pieces)})

    return app


def visited(app: Any, path: str = "/", **environ: Any) -> tuple[list[str], list[bytes]]:
    """Send a request to a WSGI application as a server does, and return statuses and pieces."""
    statuses: list[str] = []

    def start(status: str, _: Any, __: Any = None) -> Callable[[bytes], None]:
        statuses.append(status)
        return lambda _: None

    pieces = app({"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", **environ}, start)
    try:
        found = list(pieces)
    finally:
        if hasattr(pieces, "close"):
            pieces.close()
    return statuses, found


# -- it changes nothing ----------------------------------------------------------------------------


@pytest.mark.parametrize("sample", [0, 1])
def test_asgi_application_answers_as_without_it(ledger: RouteLedger, sample: float) -> None:
    """What is received and sent is the same, message by message, measured or not, and its sizes are noted."""
    app = answering(b"one", b"", b"three" * 100)
    plain = asyncio.run(ask(app, scope(), [b"a" * 10, b"b" * 20]))
    counted = asyncio.run(ask(count_requests(app, sample=sample), scope(), [b"a" * 10, b"b" * 20]))

    assert counted == plain
    found = cost(ledger, "GET (no route)")
    assert (found.requests, found.received, found.sent, found.sent_at_once) == (1, 30, 503, 500)


@pytest.mark.parametrize("sample", [0, 1])
def test_exception_of_the_application_passes_and_is_counted(ledger: RouteLedger, sample: float) -> None:
    """An application that raises does so through the middleware, and the request is over."""

    async def app(_: Scope, __: Any, ___: Any) -> None:
        await asyncio.sleep(0)
        raise LookupError(SECRET)

    with pytest.raises(LookupError):
        asked(count_requests(app, sample=sample), scope())
    assert (ledger.running, ledger.requests()) == (0, {"GET (no route)": 1})


@pytest.mark.parametrize("sample", [0, 1])
def test_cancelled_request_is_cancelled_and_counted(ledger: RouteLedger, sample: float) -> None:
    """A client that goes away cancels the application where it waits, and what it does about it is done."""
    done: list[str] = []

    async def app(_: Scope, __: Any, ___: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            done.append("cleaned up")
            raise

    async def go() -> bool:
        task = asyncio.ensure_future(ask(count_requests(app, sample=sample), scope()))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(go())
    assert (done, ledger.running, ledger.requests()) == (["cleaned up"], 0, {"GET (no route)": 1})


def test_lifespan_passes_untouched(ledger: RouteLedger) -> None:
    """The start and stop of a server is no request."""
    seen: list[object] = []

    async def app(given: Scope, receive: Any, send: Any) -> None:
        seen.append((given, receive, send))

    lifespan: Scope = {"type": "lifespan"}
    asyncio.run(count_requests(app, sample=1)(lifespan, ask, asked))

    assert seen == [({"type": "lifespan"}, ask, asked)]
    assert ledger.begun == 0


def test_websocket_is_counted_when_it_closes(ledger: RouteLedger) -> None:
    """A websocket counts once, when it is over, with its largest message."""
    during: list[dict[str, int]] = []

    async def app(_: Scope, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello" * 10})
        during.append(ledger.requests())
        await receive()

    asked(count_requests(app), {"type": "websocket", "path": "/live", "root_path": "", "leakdiff.route": "/live"})

    assert during == [{}]
    assert cost(ledger, "WEBSOCKET /live").sent_at_once == 50


def test_two_around_one_application_count_once(ledger: RouteLedger) -> None:
    """A middleware inside another leaves the counting to the outer one."""
    asked(count_requests(count_requests(answering(b"x"))), scope())
    visited(count_requests(count_requests(lambda _, start: start("200 OK", []) and [b"x"], kind="wsgi"), kind="wsgi"))

    assert ledger.requests() == {"GET (no route)": 2}


@pytest.mark.parametrize("units", [True, False])
def test_each_request_is_a_unit_unless_told_otherwise(units: bool) -> None:  # noqa: FBT001
    """Trends are told per request, where nothing else counts units."""
    before = read_units() or 0
    asked(count_requests(answering(b"x"), units=units), scope(), scope())

    assert (read_units() or 0) - before == (2 if units else 0)


def test_requests_to_leakdiff_itself_are_not_counted(ledger: RouteLedger) -> None:
    """Whoever looks at the debug endpoint is no traffic of the service."""

    async def own(given: Scope, _: Any, __: Any) -> None:
        given[OWN] = True

    asked(count_requests(own, sample=1), scope())
    visited(count_requests(lambda environ, _: environ.update({OWN: True}) or [], sample=1, kind="wsgi"))

    assert (ledger.requests(), ledger.running) == ({}, 0)


class Vague:
    """An object of the program's that cannot be asked whether it is true, or equal to anything."""

    def __bool__(self) -> bool:
        raise LookupError

    def __eq__(self, _: object) -> bool:
        raise LookupError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("sample", [0, 1])
def test_what_an_application_does_with_its_scope_and_messages_is_its_own(ledger: RouteLedger, sample: float) -> None:
    """A scope that is cleared, and a body that is an object of the program's, pass as without the middleware."""
    sent: list[Any] = []

    async def clearing(given: Scope, _: Any, send: Any) -> None:
        await send({"type": "websocket.send", "bytes": Vague(), "status": Vague()})
        given.clear()

    async def keep(message: Any) -> None:
        sent.append(message)

    asyncio.run(count_requests(clearing, sample=sample)(scope(), None, keep))

    assert [set(message) for message in sent] == [{"type", "bytes", "status"}]
    assert (ledger.running, ledger.requests(), ledger.failures) == (0, {"GET (no route)": 1}, 0)


def test_failure_of_our_own_reaches_no_request(ledger: RouteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where reading the memory fails, or counting does, the request is answered and over, and the failure counted."""

    def broken(*_: Any, **__: Any) -> Any:
        raise OSError

    for what in ("request_meter.Levels.now", "routes.RouteTally.count"):
        monkeypatch.setattr(f"leakdiff.capture.{what}", broken)
        assert len(asked(count_requests(answering(b"x"), sample=1), scope())) == 2
        statuses, pieces = visited(count_requests(_wsgi_of(b"x"), sample=1))
        assert (statuses, pieces, ledger.running) == (["200 OK"], [b"x"], 0)

    assert ledger.failures >= 4


def _wsgi_of(*pieces: bytes) -> Any:
    def app(_: Any, start: Any) -> list[bytes]:
        start("200 OK", [])
        return list(pieces)

    return app


def test_task_is_told_by_what_the_measured_application_awaits() -> None:
    """Where a request waits is a line of the program's, measured or not."""

    async def handler() -> None:
        await asyncio.sleep(60)

    async def app(_: Scope, __: Any, ___: Any) -> None:
        await handler()

    async def told(sample: float) -> list[str]:
        task = asyncio.ensure_future(count_requests(app, sample=sample)(scope(), None, None))
        await asyncio.sleep(0)
        found = [name for name in count_tasks() if name.startswith("_Asgi")]
        task.cancel()
        await asyncio.wait([task])
        return found

    plain, counted = asyncio.run(told(0)), asyncio.run(told(1))

    assert plain == counted
    assert "in test_task_is_told_by" in counted[0]
    assert "leakdiff" not in counted[0]


# -- WSGI ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", ["9" * 5_000, "-1", "", "seven", "\u0661"])
def test_length_that_a_client_made_up_costs_nothing(ledger: RouteLedger, length: str) -> None:
    """Whatever a client says is the length of its body, the request is answered and over."""
    assert visited(count_requests(_wsgi_of(b"ok")), CONTENT_LENGTH=length)[1] == [b"ok"]
    assert (ledger.running, cost(ledger, "GET (no route)").received) == (0, 0)


def test_what_is_written_counts_as_sent(ledger: RouteLedger) -> None:
    """The old way to answer under WSGI, a call for each piece, is passed on and seen."""
    written: list[bytes] = []

    def app(_: Any, start: Any) -> list[bytes]:
        start("200 OK", [])(b"x" * 700)
        return []

    count_requests(app)({"REQUEST_METHOD": "GET"}, lambda *_: written.append)

    assert written == [b"x" * 700]
    assert cost(ledger, "GET (no route)").sent_at_once == 700


def test_file_of_a_server_that_offers_a_function_reaches_it_as_it_is() -> None:
    """UWSGI compares the answer with what its function returned; the environ is left as it was."""

    def offered(file: Any, _: int = 0) -> Any:
        return file

    file, environ = _Answer(b"all of it"), {"REQUEST_METHOD": "GET", "wsgi.file_wrapper": offered}
    app = count_requests(lambda environ, _: environ["wsgi.file_wrapper"](file), kind="wsgi")

    assert app(environ, None) is file
    assert environ["wsgi.file_wrapper"] is offered


def test_no_code_of_the_program_runs_where_an_answer_is_dropped(ledger: RouteLedger) -> None:
    """The route is named as the answer begins: a destructor may run anywhere, also while a lock is held."""
    named: list[str] = []

    def app(_: Any, start: Any) -> Iterator[bytes]:
        start("200 OK", [])
        yield b"x"

    def route(_: Any) -> str:
        named.append("asked")
        return "/x"

    pieces = count_requests(app, route=route)({"REQUEST_METHOD": "GET"}, lambda *_: None)
    assert (next(pieces), named) == (b"x", ["asked"])
    del pieces
    unread = count_requests(app, route=route)({"REQUEST_METHOD": "POST"}, lambda *_: None)
    del unread

    assert (ledger.running, ledger.requests(), named) == (0, {"GET /x": 1, "POST (no route)": 1}, ["asked"])


class _Answer:
    """An answer in pieces that knows whether it was closed."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces, self.closed = iter(pieces), 0

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces

    def close(self) -> None:
        """Be closed."""
        self.closed += 1


@pytest.mark.parametrize("sample", [0, 1])
def test_wsgi_answer_is_closed_once_and_counted_then(ledger: RouteLedger, sample: float) -> None:
    """A request under WSGI is over when its answer is closed, and not before."""
    answer = _Answer(b"one", b"three" * 10)

    def app(_: Any, start: Any) -> Any:
        start("200 OK", [])
        return answer

    statuses, pieces = visited(count_requests(app, sample=sample), CONTENT_LENGTH="12")

    assert (statuses, pieces, answer.closed) == (["200 OK"], [b"one", b"three" * 10], 1)
    found = cost(ledger, "GET (no route)")
    assert (found.requests, found.received, found.sent, found.sent_at_once) == (1, 12, 53, 50)


def test_wsgi_list_and_file_reach_the_server_as_they_are(ledger: RouteLedger) -> None:
    """A server sends a list with its length and a file by itself, if it sees them."""

    class FileWrapper:
        """What a server offers for files."""

    file, pieces = FileWrapper(), [b"all of it"]
    for answer in (file, pieces):
        app = count_requests(lambda _, __, answer=answer: answer, kind="wsgi")
        assert app({"REQUEST_METHOD": "GET", "wsgi.file_wrapper": FileWrapper}, None) is answer
    assert (ledger.running, ledger.requests()) == (0, {"GET (no route)": 2})


@pytest.mark.parametrize("sample", [0, 1])
def test_wsgi_exceptions_pass_and_are_counted(ledger: RouteLedger, sample: float) -> None:
    """An application that raises at once, or in the middle of its answer, does so through the middleware."""

    def later(_: Any, start: Any) -> Iterator[bytes]:
        start("200 OK", [])
        yield b"one"
        raise LookupError

    def at_once(_: Any, __: Any) -> Any:
        raise LookupError

    for app in (later, at_once):
        with pytest.raises(LookupError):
            visited(count_requests(app, sample=sample))
    assert (ledger.running, ledger.requests()) == (0, {"GET (no route)": 2})


def test_wsgi_answer_that_is_never_closed_ends_with_the_server_dropping_it(ledger: RouteLedger) -> None:
    """A server that forgets close() costs no request its end."""
    app = count_requests(lambda _, __: iter([b"x"]), kind="wsgi")
    pieces = app({"REQUEST_METHOD": "GET"}, None)
    assert (next(pieces), ledger.running) == (b"x", 1)
    del pieces

    assert ledger.running == 0


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("/rides/{id:int}/cancel", "/rides/{id}/cancel"),
        ("rides/<int:id>/cancel", "/rides/{id}/cancel"),
        ("/rides/<any(a, b):kind>", "/rides/{kind}"),
        (r"^rides/(?P<id>[0-9]+)/cancel$", "/rides/{id}/cancel"),
        (r"^rides/(?P<id>(a|b)+)/$", "/rides/{id}/"),
        ("/a b\n", "/a?b?"),
        ("", "/"),
    ],
)
def test_patterns_of_all_frameworks_look_alike(pattern: str, name: str) -> None:
    """Starlette, Django and werkzeug write what varies in their own ways, and it is told in one."""
    assert tidy(pattern) == name


@given(st.text(max_size=300))
def test_any_pattern_becomes_a_name_of_one_line(pattern: str) -> None:
    """Whatever a pattern is, its name begins with a slash, is short and prints on a line."""
    name = tidy(pattern)

    assert name.startswith("/")
    assert len(name) <= 121
    assert name.isprintable()


@given(st.lists(st.sampled_from([SECRET, "alice", "reset", "4111111111111111", "A" * 40]), min_size=1))
def test_path_that_nobody_named_is_never_told(parts: list[str]) -> None:
    """No segment of a raw path is kept, whatever it looks like: a secret may look like a word."""
    name = patterns.Names(None).name("GET", patterns.pattern_of_scope(scope("/" + "/".join(parts)), ""), scope())

    assert name == "GET (no route)"


def test_method_that_a_client_made_up_is_not_told() -> None:
    """A method is text from the client as well."""
    assert patterns.Names(None).name(SECRET, "/x", scope()) == "OTHER /x"
    assert patterns.Names(None).name(None, None, scope()) == "OTHER (no route)"


def test_scanner_names_no_routes(ledger: RouteLedger) -> None:
    """Paths that are not there are one route, however many there are, and long ones leave nothing behind."""

    async def app(given: Scope, _: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200 if given["path"] == "/rides" else 404, "headers": []})

    def wsgi(environ: Any, start: Any) -> list[bytes]:
        start("404 Not Found" if environ["PATH_INFO"] != "/rides" else "200 OK", [])
        return []

    paths = ["/scanned" + "/admin" * number for number in range(300)] + ["/rides"]
    asked(count_requests(app, route=words), *map(scope, paths))
    for path in paths:
        visited(count_requests(wsgi, route=words), path)

    assert ledger.requests() == {"GET (no route)": 600, "GET /rides": 2}


def test_name_of_a_long_path_is_kept_short() -> None:
    """What is remembered of a name does not grow with what a client sends."""
    patterns._named.cache_clear()  # noqa: SLF001
    tracemalloc.start()
    try:
        for number in range(200):
            patterns.Names(lambda given: given["path"]).name("GET", None, scope(f"/{number}" + "/a" * 10_000))
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert kept < MIB // 2


def test_listed_patterns_name_paths() -> None:
    """A program that uses no framework lists its patterns; a path that matches none has no name."""
    names = patterns.Names(rides.PATTERNS)
    found = [names.name("GET", None, scope(path)) for path in ("/rides", "/rides/7/cancel", "/rides/7/8/cancel", "/x")]

    assert found == ["GET /rides", "GET /rides/{id}/cancel", "GET (no route)", "GET (no route)"]


def test_words_of_a_path_are_told_only_when_asked_for() -> None:
    """``words`` keeps plain lower-case words, and replaces all else."""
    assert patterns.Names(words).name("GET", None, scope("/reset/Ab3/rides-now/42/")) == "GET /reset/{}/rides-now/{}/"


def test_callable_of_the_program_that_fails_costs_no_request(ledger: RouteLedger) -> None:
    """A ``route=`` that raises, or returns no text, leaves the request alone."""

    def broken(_: Any) -> str:
        raise LookupError

    asked(count_requests(answering(b"x"), route=broken), scope())
    asked(count_requests(answering(b"x"), route=lambda _: 7), scope())

    assert ledger.requests() == {"GET (no route)": 2}
    assert (ledger.nameless, ledger.failures) == (1, 0)


@pytest.mark.parametrize(
    "given",
    [{"sample": 2}, {"sample": "all"}, {"kind": "cgi"}, {"route": ["no-slash"]}, {"route": [7]}],
)
def test_what_cannot_work_is_refused_at_once(given: dict[str, Any]) -> None:
    """A wrong argument is an error where it is written, not at the first request."""
    with pytest.raises(BadOption):
        count_requests(answering(b"x"), **given)


def test_kind_of_an_application_is_seen_or_asked_for() -> None:
    """Three parameters are ASGI, two are WSGI; what shows neither needs ``kind=``."""

    def three(_: Any, __: Any, ___: Any) -> None:
        """Be called as ASGI calls."""

    def two(_: Any, __: Any) -> list[bytes]:
        return []

    assert type(count_requests(three)).__name__ == "_Asgi"
    assert type(count_requests(two)).__name__ == "CountedWsgi"
    with pytest.raises(BadOption, match="does not show"):
        count_requests(lambda *_: None)


# -- frameworks ------------------------------------------------------------------------------------


def test_starlette_routes_and_mounts_are_named_by_their_patterns(ledger: RouteLedger) -> None:
    """Routes have their pattern and mounts their words; what a mount took from the path is not told."""
    starlette = pytest.importorskip("starlette.applications", reason="pip install starlette")
    routing = pytest.importorskip("starlette.routing")
    response = pytest.importorskip("starlette.responses").PlainTextResponse

    async def say(_: Any) -> Any:
        return response("x")

    inner = starlette.Starlette(routes=[routing.Route("/rides/{id:int}", say)])
    app = count_requests(
        starlette.Starlette(
            routes=[
                routing.Route("/users/{name}", say),
                routing.Mount("/api", app=inner),
                routing.Mount("/of/{tenant}", app=inner),
                routing.Mount("/files", app=answering(b"x")),
            ]
        )
    )
    paths = ("/users/alice", "/api/rides/3", "/of/alice/rides/3", f"/files/{SECRET}", f"/missing/{SECRET}")
    asked(app, *map(scope, paths))

    assert set(ledger.requests()) == {
        "GET /users/{name}",
        "GET /api/rides/{id}",
        "GET /of/{}/rides/{id}",
        "GET /files/*",
        "GET (no route)",
    }


def test_flask_routes_are_named_by_their_rules(ledger: RouteLedger) -> None:
    """Flask's rule is seen while its request is there; a mount, which may be a value under WSGI, is not told."""
    flask = pytest.importorskip("flask", reason="pip install flask")
    app = flask.Flask("rides")
    app.add_url_rule("/users/<name>", view_func=lambda name: f"x{len(name)}")
    wrapped = count_requests(app)
    visited(wrapped, "/users/alice", **_SERVED)
    visited(wrapped, f"/{SECRET}", **_SERVED)

    def shifting(environ: Any, start: Any) -> Any:
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/tenant", "/users/alice"
        return app(environ, start)

    visited(count_requests(shifting), "/tenant/users/alice", **_SERVED)

    assert ledger.requests() == {"GET /users/{name}": 1, "GET (no route)": 1, "GET /{}/users/{name}": 1}


_SERVED = {"SERVER_NAME": "h", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.input": None, "QUERY_STRING": ""}


def test_django_notes_its_route_in_what_count_requests_sees(ledger: RouteLedger) -> None:
    """The route is noted for sync and async handlers, under WSGI and ASGI, also where the view failed."""
    match = SimpleNamespace(route="rides/<int:id>/cancel")

    def now(_: Any) -> str:
        raise LookupError

    async def later(_: Any) -> str:
        return "answered"

    def app(environ: Any, start: Any) -> list[bytes]:
        with pytest.raises(LookupError):
            django_routes(now)(SimpleNamespace(resolver_match=match, META=environ))
        start("500", [])
        return []

    async def asgi(given: Scope, _: Any, __: Any) -> None:
        assert await django_routes(later)(SimpleNamespace(resolver_match=match, META={}, scope=given)) == "answered"
        assert await django_routes(later)(SimpleNamespace(resolver_match=None, META={}, scope=given)) == "answered"

    visited(count_requests(app))
    asked(count_requests(asgi), scope())

    assert ledger.requests() == {"GET /rides/{id}/cancel": 2}


def test_aiohttp_handler_is_counted_by_its_resource(ledger: RouteLedger) -> None:
    """The middleware of aiohttp names the resource, and passes the answer and exceptions on."""
    web = pytest.importorskip("aiohttp.web", reason="pip install aiohttp")
    test_utils = pytest.importorskip("aiohttp.test_utils")

    async def say(request: Any) -> Any:
        if request.match_info["name"] == "nobody":
            raise web.HTTPGone
        return web.Response(body=b"x" * 700)

    async def go() -> list[int]:
        app = web.Application(middlewares=[aiohttp_routes(sample=1)])
        app.router.add_get("/users/{name}", say)
        async with test_utils.TestClient(test_utils.TestServer(app)) as client:
            return [(await client.get(path)).status for path in ("/users/alice", "/users/nobody", f"/{SECRET}")]

    assert asyncio.run(go()) == [200, 410, 404]
    assert ledger.requests() == {"GET /users/{name}": 2, "GET (no route)": 1}
    assert cost(ledger, "GET /users/{name}").sent == 700


# -- measuring -------------------------------------------------------------------------------------

_kept: list[bytearray] = []


@pytest.fixture
def _emptied() -> Iterator[None]:
    yield
    _kept.clear()


async def _hungry(given: Scope, _: Any, send: Any) -> None:
    """Hold 20 MiB over an await, keep 1 MiB of it, and answer in one piece of 5 MiB."""
    if given["path"] == "/hungry":
        held = bytearray(20 * MIB)
        await asyncio.sleep(0)
        _kept.append(bytearray(MIB))
        del held
        await send({"type": "http.response.body", "body": bytes(5 * MIB)})
    else:
        await asyncio.sleep(0)


@pytest.mark.usefixtures("_emptied")
@pytest.mark.parametrize("together", [1, 4])
def test_what_a_request_holds_and_keeps_is_told_of_its_route(ledger: RouteLedger, together: int) -> None:
    """The route that holds and keeps memory is told so, and others that run beside it are not."""
    app = count_requests(_hungry, sample=1, route=lambda given: given["path"])

    async def go() -> None:
        for _ in range(4):
            await asyncio.gather(*(ask(app, scope(path)) for path in ("/hungry", "/idle") for _ in range(together)))

    asyncio.run(go())
    hungry, idle = cost(ledger, "GET /hungry"), cost(ledger, "GET /idle")
    assert 20 * MIB <= hungry.peak < 22 * MIB
    assert hungry.kept == pytest.approx(MIB, rel=0.05)
    assert hungry.sent_at_once == 5 * MIB
    assert idle.peak < MIB
    assert idle.kept == pytest.approx(0, abs=4_096)
    assert hungry.alone == 0, "two ran at a time at least"


@pytest.mark.usefixtures("_emptied")
def test_wsgi_request_alone_is_measured_and_one_beside_another_is_not(ledger: RouteLedger) -> None:
    """Under WSGI only a request that nothing ran beside says what it holds."""

    def app(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        held = bytearray(20 * MIB)
        yield b"one"
        del held
        _kept.append(bytearray(MIB))
        if environ["PATH_INFO"] == "/outer":
            visited(wrapped, "/inner")
        yield b"two"

    wrapped = count_requests(app, sample=1, route=lambda environ: environ["PATH_INFO"])
    for _ in range(3):
        visited(wrapped, "/alone")
        visited(wrapped, "/outer")

    alone = cost(ledger, "GET /alone")
    assert (alone.sampled, alone.alone) == (2, 2)
    assert 20 * MIB <= alone.peak < 21 * MIB
    assert alone.kept == pytest.approx(MIB, rel=0.05)
    assert [cost(ledger, f"GET /{name}").sampled for name in ("outer", "inner")] == [0, 0]


def test_nothing_of_a_request_is_kept(ledger: RouteLedger) -> None:
    """When a request is over, its scope, its messages and its names are gone, measured or not."""

    class Noticed(dict[str, Any]):
        """A dict that can be watched."""

    held: list[weakref.ref[Any]] = []

    async def app(given: Scope, receive: Any, send: Any) -> None:
        noticed = Noticed()
        held.append(weakref.ref(noticed))
        given["state"] = noticed
        await answering(b"x")(given, receive, send)

    for sample in (0, 1):
        asked(count_requests(app, sample=sample), scope(f"/{SECRET}"))
    gc.collect()

    assert [one() for one in held] == [None, None]
    assert SECRET not in str(ledger.costs())


def test_requests_are_measured_rarely_and_first_ones_always(
    ledger: RouteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of one in a hundred measures the first few of each path and then about that many."""
    monkeypatch.setattr("leakdiff.capture.request_meter._LONGEST_WAIT", 3_600.0)
    app = count_requests(answering(b"x"), sample=0.01, route=lambda given: given["path"])
    asked(app, *[scope("/busy") for _ in range(2_000)], *[scope("/rare") for _ in range(3)])

    assert 5 <= cost(ledger, "GET /busy").sampled <= 80
    assert cost(ledger, "GET /rare").sampled == 2, "the first one is left out"


def test_steps_drive_any_awaitable_as_await_does() -> None:
    """Values, exceptions and the result pass through an awaitable that is measured, also one that is no coroutine."""

    class Awaited:
        """An awaitable whose iterator has no send."""

        def __await__(self) -> Any:
            return iter(())

    class Quiet:
        """A meter that notes nothing."""

        def enter(self) -> None:
            """Begin."""

        def leave(self) -> None:
            """End."""

    async def deep() -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, "woken")
        return await future

    async def streaming() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    async def all_of_it() -> list[int]:
        return [number async for number in streaming()]

    @types.coroutine
    def old() -> Iterator[Any]:
        yield from asyncio.sleep(0).__await__()

    async def driven(awaitable: Awaitable[Any] | None) -> Any:
        return await measured(awaitable, Quiet())  # type: ignore[arg-type]

    assert asyncio.run(driven(deep())) == "woken"
    assert asyncio.run(driven(all_of_it())) == [0, 1, 2]
    assert asyncio.run(driven(Awaited())) is None
    assert asyncio.run(driven(old())) is None
    with pytest.raises(TypeError, match="can't be used in 'await'"):
        asyncio.run(driven(None))


# -- the demo --------------------------------------------------------------------------------------


def test_demo_leaks_in_one_route_and_loads_its_export_whole(ledger: RouteLedger) -> None:
    """The demo service keeps what was cancelled, and nothing of what was accepted."""
    app = count_requests(rides.app, route=rides.PATTERNS, sample=1)
    before = len(rides._cancelled)  # noqa: SLF001

    async def go() -> None:
        for what in ("accept", "cancel", "cancel"):
            sent = await ask(app, scope("/rides", "POST"))
            await ask(app, scope(f"/rides/{int(sent[1]['body'])}/{what}", "POST"))
        await ask(app, scope("/export"))
        await ask(app, scope("/health"))
        await ask(app, scope("/nowhere"))

    asyncio.run(go())
    assert len(rides._cancelled) - before == 2  # noqa: SLF001
    assert rides._waiting == {}  # noqa: SLF001
    assert cost(ledger, "GET /export").sent_at_once > 5 * MIB
    assert ledger.requests()["POST /rides/{id}/cancel"] == 2
