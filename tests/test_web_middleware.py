"""The middleware that counts requests by route: it changes nothing, keeps nothing and tells no secret."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.capture.routes import RouteLedger
from leakdiff.capture.traffic import read_units
from leakdiff.demo import rides
from leakdiff.errors import BadOption
from leakdiff.model.routes import RouteCost
from leakdiff.web import patterns
from leakdiff.web.middleware import Steps, aiohttp_routes, count_requests, django_routes, words
from leakdiff.web.patterns import OWN, tidy

SECRET = "canary-0f3e8d-secret"  # noqa: S105
MIB = 1 << 20
Scope = dict[str, Any]


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch) -> RouteLedger:
    """Count in a ledger of the test's own."""
    own = RouteLedger()
    monkeypatch.setattr("leakdiff.web.middleware.LEDGER", own)
    monkeypatch.setattr("leakdiff.capture.routes.LEDGER", own)
    monkeypatch.setattr("leakdiff.capture.routes._COST_SHARE", 0)
    monkeypatch.setattr("leakdiff.capture.routes._COST_SHARE_OF_FIRST", 0)
    return own


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


# -- WSGI ------------------------------------------------------------------------------------------


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

    assert ledger.requests() == {"OTHER (no route)": 1, "GET (no route)": 1}
    assert ledger.failures == 1


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
    assert type(count_requests(two)).__name__ == "_Wsgi"
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
    monkeypatch.setattr("leakdiff.capture.routes._LONGEST_WAIT", 3_600.0)
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

    async def measured(awaitable: Awaitable[Any]) -> Any:
        return await Steps(awaitable, Quiet())  # type: ignore[arg-type]

    assert asyncio.run(measured(deep())) == "woken"
    assert asyncio.run(measured(all_of_it())) == [0, 1, 2]
    assert asyncio.run(measured(Awaited())) is None


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
