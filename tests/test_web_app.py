"""The endpoint itself: formats, headers, refusals, and what fails inside of it."""

from __future__ import annotations

import json
import logging
import sys
from importlib.util import find_spec
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fresh import check_fresh, run_fresh
from leakdiff.errors import CannotMeasure, LeakdiffError, MissingExtra, SnapshotNotFound, StoreLocked
from leakdiff.web import html, routing
from leakdiff.web.accepting import preferred
from leakdiff.web.app import relative
from leakdiff.web.messages import Request, Response
from leakdiff.web.refusals import BadMethod, BadParameter, NotKnown, NotThere, TooLarge
from leakdiff.web.routing import ROUTES, Asked, Parameter, find_route, read_given
from leakdiff.web.view import View
from web_client import JSON, LOGIN, SECONDS, TOKEN, ask, endpoint, header, made, stand_in

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
STRICT = (
    "cache-control",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
)

needs_pages = pytest.mark.skipif(find_spec("jinja2") is None, reason="pages need jinja2: pip install jinja2")


def failing(error: Exception) -> Any:
    """Return a view that raises."""

    def view(_: Asked) -> View:
        raise error

    return view


# -- formats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        ("", "text"),
        ("*/*", "text"),
        (BROWSER, "html"),
        ("application/json", "json"),
        ("application/json, text/plain, */*", "json"),
        ("text/plain, application/json", "text"),
        ("text/*", "text"),
        ("application/*", "json"),
        ("text/html;q=0.5, application/json;q=0.9", "json"),
        ("TEXT/HTML ; Q=0.5 , */*;q=0.1", "html"),
        ("text/*;q=0.5, text/html;q=0.1, application/json;q=0.3", "text"),
        ("*/*, text/plain;q=0", "html"),
        ("text/html;q=0", "text"),
        ("image/png", "text"),
        ("text/html;q=junk, application/json;q=0.1", "json"),
        (";;,,;q=, /", "text"),
    ],
)
def test_the_accept_header_chooses_the_format(accept: str, format_: str) -> None:
    """By weight, then by how closely a range fits, then by its place; text for curl."""
    assert preferred(accept) == format_


@given(st.text(max_size=300))
def test_no_accept_header_is_too_strange(accept: str) -> None:
    """Whatever it says, there is an answer."""
    assert preferred(accept) in ("html", "json", "text")


@needs_pages
def test_a_view_is_told_in_three_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The query goes before the Accept header."""
    stand_in(monkeypatch, made)
    served = endpoint()
    types = [
        ask(served, "/made", LOGIN | {"accept": accept}, query=query).type.partition(";")[0]
        for accept, query in ((BROWSER, ""), ("*/*", ""), ("application/json", ""), (BROWSER, "format=json"))
    ]

    assert types == ["text/html", "text/plain", "application/json", "application/json"]


def test_json_says_which_process_answered_and_what_the_view_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """With several workers, each answer may come from another."""
    stand_in(monkeypatch, made)
    served = endpoint(service="matching")
    answer = ask(served, "/made", JSON)
    shown = json.loads(answer.body)

    assert (shown["title"], shown["said"], shown["path"]) == ("Made", "Made for a test.", "/made")
    assert (shown["process"]["pid"], shown["process"]["service"]) == (served.desk.pid, "matching")
    assert header(answer, "leakdiff-process") == (
        f"pid={served.desk.pid};boot={shown['process']['boot_id']};instance={shown['process']['instance']}"
    )


def test_the_services_threads_have_quick_turns_while_a_view_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the interval is that of before afterwards, also when the view fails."""
    before, within = sys.getswitchinterval(), []

    def failing(_: Asked) -> View:
        within.append(sys.getswitchinterval())
        raise ZeroDivisionError

    stand_in(monkeypatch, failing)
    answer = ask(endpoint(), "/made", LOGIN)

    assert answer.status == 500
    assert within[0] < before == sys.getswitchinterval()


def test_without_jinja2_a_page_is_told_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its first line says what to install."""
    stand_in(monkeypatch, made)
    html._templates.cache_clear()  # noqa: SLF001
    monkeypatch.setitem(sys.modules, "jinja2", None)
    answer = ask(endpoint(), "/made", LOGIN | {"accept": BROWSER})

    assert (answer.status, answer.type) == (200, "text/plain; charset=utf-8")
    assert answer.body.startswith(b"HTML pages need jinja2: pip install 'leakdiff[web]'\n")
    assert b"Made for a test." in answer.body


@needs_pages
def test_texts_that_no_encoding_can_hold_are_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """File names may hold lone surrogates."""
    stand_in(monkeypatch, lambda _: View(title="Made", said="\udcff \u202e <b>", data={"name": "\udcff"}))
    answers = [ask(endpoint(), "/made", query=f"format={format_}") for format_ in ("html", "json", "text")]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert b"<b>" not in answers[0].body


# -- what begins something ---------------------------------------------------------------------------


def began(_: Asked) -> View:
    """Say that something began."""
    return View(title="Made", said="Begun.", status=202, location="/jobs/7-1-ab")


@pytest.mark.parametrize("accept", ["application/json", "*/*"])
def test_a_post_that_begins_something_says_where_its_result_will_be(
    monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """202, and a Location relative to the request's URL, so that no proxy's prefix matters."""
    stand_in(monkeypatch, began, method="POST")
    answer = ask(endpoint(), "/made", LOGIN | {"accept": accept}, method="POST")
    url = urljoin("https://ops.example/pods/7/debug/leakdiff/made", header(answer, "location"))

    assert answer.status == 202
    assert url == "https://ops.example/pods/7/debug/leakdiff/jobs/7-1-ab"


def test_a_browser_is_sent_to_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reloading the page then posts nothing again."""
    stand_in(monkeypatch, began, method="POST")
    answer = ask(endpoint(), "/made", LOGIN | {"accept": BROWSER, "sec-fetch-site": "same-origin"}, method="POST")

    assert (answer.status, header(answer, "location")) == (303, "./jobs/7-1-ab")


@given(st.sampled_from(["/", "/types", "/findings/3f9a2c", "/pprof/heap"]), st.sampled_from(["/", "/jobs/1", "/a"]))
def test_a_relative_location_leads_where_it_should(path: str, to: str) -> None:
    """From every depth, below every prefix."""
    found = urlsplit(urljoin(f"http://host/some/prefix{path}", relative(path, to))).path

    assert found == f"/some/prefix{to}"


# -- headers -----------------------------------------------------------------------------------------


def test_every_answer_has_strict_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also refusals, redirections and failures; each header once."""
    stand_in(monkeypatch, failing(KeyError("secret")))
    served = endpoint()
    for path, headers in (("/made", LOGIN), ("/nope", LOGIN), ("", LOGIN), ("/", {}), ("/", {"host": "evil.example"})):
        names = [name.lower() for name, _ in ask(served, path, headers).headers if name != "WWW-Authenticate"]

        assert set(STRICT) <= set(names)
        assert len(names) == len(set(names))


def test_a_response_may_have_its_own_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that is one file has its style inside."""
    policy = ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
    stand_in(monkeypatch, lambda _: Response(status=200, body=b"x", headers=(policy,)), is_view=False)

    assert header(ask(endpoint(), "/made"), "content-security-policy") == policy[1]


def test_no_header_holds_a_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a view puts into one."""
    stand_in(monkeypatch, lambda _: Response(status=200, headers=(("X-Made", "a\r\nSet-Cookie: b\x00\u20ac"),)))

    assert header(ask(endpoint(), "/made"), "x-made") == "aSet-Cookie: b"


def test_head_is_get_without_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the length that the body would have."""
    stand_in(monkeypatch, lambda _: View(title="Made"))
    served = endpoint()
    got, headed = ask(served, "/made"), ask(served, "/made", method="HEAD")

    assert headed == Response(status=200, body=b"", type=got.type, headers=got.headers)
    assert header(headed, "content-length") == str(len(got.body))


def test_errors_of_profiles_are_marked_for_go() -> None:
    """`go tool pprof` prints the sentence then, and not the status alone."""
    refused = ask(endpoint(), "/pprof/heap", query="by=nothing")
    unknown = ask(endpoint(), "/pprof/heap", {"host": "localhost"})

    assert (refused.status, refused.type, header(refused, "x-go-pprof")) == (400, "text/plain; charset=utf-8", "1")
    assert (unknown.status, header(unknown, "x-go-pprof")) == (401, "1")


def test_the_prefix_without_its_slash_leads_to_the_index() -> None:
    """For the links of the pages are relative to it; the query goes along."""
    answer = ask(endpoint(), "", prefix="/some/leak diff", query="format=json")

    assert (answer.status, header(answer, "location")) == (308, "leak%20diff/?format=json")


# -- refusals ----------------------------------------------------------------------------------------


@needs_pages
def test_a_refusal_is_told_in_the_format_that_was_asked_for() -> None:
    """As JSON with slug and message, as text in a line, as a page."""
    served = endpoint()
    shown = json.loads(ask(served, "/nope", JSON).body)
    text = ask(served, "/nope").body
    page = ask(served, "/nope", LOGIN | {"accept": BROWSER})

    assert shown == {"slug": "not-there", "message": "There is nothing at this path."}
    assert text == b"There is nothing at this path. [not-there]\n"
    assert (page.status, page.type) == (404, "text/html; charset=utf-8")
    assert b"There is nothing at this path." in page.body


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    """405, and Allow says which."""
    answers = {method: ask(endpoint(), "/types", method=method) for method in ("POST", "DELETE", "BREW", "OPTIONS")}

    assert {answer.status for answer in answers.values()} == {405}
    assert header(answers["BREW"], "allow") == "GET, HEAD"
    assert header(ask(endpoint(), "/snapshot"), "allow") == "POST"


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (KeyError("canary-secret"), 500, "view-failed"),
        (MemoryError(), 500, "view-failed"),
        (NotKnown("job", "7", "Ask again."), 404, "not-known"),
        (SnapshotNotFound("store.db", 7), 404, "snapshot-not-found"),
        (StoreLocked("store.db", 5), 503, "store-locked"),
        (CannotMeasure("The heap", "it is frozen", "Wait."), 503, "cannot-measure"),
        (MissingExtra("A profile", "protobuf", "web"), 501, "missing-extra"),
        (LeakdiffError("Something else."), 500, "leakdiff-error"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", BROWSER])
def test_whatever_a_view_raises_is_an_answer(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, slug: str, accept: str
) -> None:
    """Under the slug of the error; the message of an error of others is left out, for it may hold a value."""
    stand_in(monkeypatch, failing(error))
    answer = ask(endpoint(), "/made", LOGIN | {"accept": accept})

    assert answer.status == status
    assert slug in answer.body.decode()
    assert b"canary-secret" not in answer.body


@needs_pages
def test_a_page_that_cannot_be_made_is_told_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the page of refusals is what fails."""
    monkeypatch.setattr("leakdiff.web.app.page_of", lambda *_: 1 / 0)
    answer = ask(endpoint(), "/nope", LOGIN | {"accept": BROWSER})

    assert (answer.status, answer.type) == (404, "text/plain; charset=utf-8")


def test_an_answer_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a view or a file."""
    stand_in(monkeypatch, lambda _: Response(status=200, body=b"x" * 2_000))
    answer = ask(endpoint(most_answer=1_999), "/made", JSON)

    assert (answer.status, json.loads(answer.body)["slug"]) == (413, "too-large")


# -- paths and parameters ----------------------------------------------------------------------------

SEGMENTS = st.sampled_from(
    [*"/.\\%\0 ?#", "..", "//", "%2e", "types", "jobs", "findings", "static", "leakdiff.css", "ü"]
)


@given(st.lists(SEGMENTS | st.text(max_size=8), max_size=12).map(lambda parts: "/" + "".join(parts)))
@example("/" + "x" * 100_000)
@example("/findings/..")
@example("/findings/" + "x" * 101)
def test_a_path_is_one_of_the_routes_or_nothing(path: str) -> None:
    """A variable of a path stands for a name that we gave, so no trick with dots and slashes is one."""
    try:
        route, variables = find_route("GET", path)
    except (NotThere, BadMethod):
        return
    assert route in ROUTES
    assert all(set(value) <= set("-_.") | set(filter(str.isalnum, value)) for value in variables.values())
    assert not {".", ".."} & set(variables.values())


def given_of(query: str = "", body: bytes = b"", type_: str = "", method: str = "POST") -> dict[str, Any]:
    """Read the parameters of a request to a path that takes seconds, a name and a switch."""
    route = routing.Route(
        method="POST",
        path="/made",
        view="made:made",
        said="",
        parameters=(*SECONDS, Parameter(name="like", kind="text"), Parameter(name="live", kind="boolean")),
    )
    request = Request(method=method, path="/made", query=query, body=body, headers={"content-type": type_})
    return read_given(route, request)


FORM = "application/x-www-form-urlencoded"


def test_parameters_come_from_query_form_or_json() -> None:
    """What is not given, or left empty in a form, has its default."""
    assert given_of() == {"seconds": 1.0, "like": None, "live": None, "format": None}
    assert given_of("seconds=2.5&like=a%20b")["like"] == "a b"
    assert given_of("format=json", b"seconds=30&like=", f"{FORM}; charset=utf-8")["seconds"] == 30
    assert given_of(body=b'{"seconds": 7, "live": true}', type_="application/json")["live"] is True
    assert given_of(body=b"seconds=7", method="GET")["seconds"] == 1.0  # a GET has no body that means anything


@pytest.mark.parametrize(
    ("query", "body", "type_"),
    [
        ("seconds=0.5", b"", ""),
        ("seconds=61", b"", ""),
        ("seconds=nan", b"", ""),
        ("seconds=inf", b"", ""),
        ("seconds=1_0", b"", ""),
        ("seconds=+5", b"", ""),
        ("seconds=%D9%A3", b"", ""),  # a digit of another script
        ("seconds=" + "9" * 400, b"", ""),
        ("seconds=2&seconds=3", b"", ""),
        ("seconds=2", b"seconds=3", FORM),
        ("token=x", b"", ""),
        ("live=yes", b"", ""),
        ("format=xml", b"", ""),
        ("like=" + "x" * 201, b"", ""),
        ("&".join(f"a{n}=1" for n in range(100)), b"", ""),
        ("", b"seconds=2", "text/plain"),
        ("", b"{", "application/json"),
        ("", b"[" * 9_000, "application/json"),
        ("", b'{"seconds": [1]}', "application/json"),
        ("", b'{"seconds": null}', "application/json"),
        ("", b'{"seconds": ' + b"9" * 5_000 + b"}", "application/json"),
        ("", b"\xff\xfe", "application/json"),
    ],
)
def test_a_parameter_that_cannot_work_is_refused(query: str, body: bytes, type_: str) -> None:
    """A misspelt one too: it would be answered as if it had been left out."""
    with pytest.raises(BadParameter):
        given_of(query, body, type_)


@given(
    st.text(max_size=200),
    st.binary(max_size=200),
    st.sampled_from([FORM, "application/json", "multipart/form-data", ""]),
)
def test_no_query_and_no_body_is_too_strange(query: str, body: bytes, type_: str) -> None:
    """They are read or refused."""
    try:
        found = given_of(query, body, type_)
    except BadParameter:
        return
    assert 1 <= found["seconds"] <= 60


def test_a_query_has_a_limit() -> None:
    """Nothing needs more than a few names."""
    with pytest.raises(TooLarge):
        given_of("like=" + "x" * 5_000)


# -- the audit log -----------------------------------------------------------------------------------


def test_every_request_is_noted_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """Who, what, where, which parameters by name, what was answered, by which process."""
    caplog.set_level(logging.INFO, "leakdiff.audit")
    served = endpoint()
    ask(served, "/nope", query="format=json&limit=7", client="10.0.0.7", prefix="/debug/leakdiff")
    ask(served, "/types", {}, method="POST")

    assert caplog.messages == [
        f"10.0.0.7 GET /debug/leakdiff/nope?format&limit -> 404 pid={served.desk.pid}",
        f"- POST /types -> 421 pid={served.desk.pid}",
    ]


@pytest.mark.parametrize(
    "parts",
    [
        {"query": f"token={TOKEN}"},
        {"query": TOKEN},
        {"path": f"/{TOKEN}/x"},
        {"path": "/" + "x" * 190 + TOKEN},
        {"client": TOKEN},
        {"method": TOKEN},
        {"prefix": f"/{TOKEN}"},
        {"headers": {**LOGIN, "accept": TOKEN, "cookie": TOKEN}},
    ],
)
def test_the_token_is_never_noted(caplog: pytest.LogCaptureFixture, parts: dict[str, Any]) -> None:
    """Wherever somebody sent it by mistake."""
    caplog.set_level(logging.DEBUG)
    served = endpoint()
    ask(served, **({"path": "/nope"} | parts))

    assert len(caplog.messages) == 1
    assert TOKEN[:16] not in caplog.text


@given(st.text(max_size=50), st.text(max_size=5_000), st.text(max_size=500))
def test_a_line_of_the_log_is_one_line(method: str, path: str, client: str) -> None:
    """Nobody writes lines of their own into it, colours a terminal, or fills a disk."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("leakdiff.audit")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        ask(endpoint(), path, method=method, client=client)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)

    (line,) = lines
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 6_000
    assert len(line.split(" ")) == 6


def test_a_log_handler_that_fails_hurts_nobody() -> None:
    """The answer is the same."""

    class Failing(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise OSError("the disk is full")

    handler, logger = Failing(), logging.getLogger("leakdiff.audit")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        answer = ask(endpoint(), "/nope")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)

    assert answer.status == 404


# -- the process it lives in -------------------------------------------------------------------------


def test_a_forked_child_begins_with_nothing() -> None:
    """Its jobs and snapshots are its own, and it says that it is another process."""
    seen = run_fresh(
        """
        import json, os
        from leakdiff.web.app import Endpoint
        from leakdiff.web.jobs import Outcome
        from leakdiff.web.messages import Request
        from leakdiff.web.settings import make_settings

        token = "x" * 40
        endpoint = Endpoint(make_settings(token=token))
        with endpoint.desk.jobs.turn("gc"):
            reader, writer = os.pipe()
            if os.fork() == 0:
                headers = {"host": "localhost", "authorization": f"Bearer {token}"}
                answer = endpoint.answer(Request(method="GET", path="/nope", headers=headers))
                told = dict(answer.headers)["Leakdiff-Process"].partition(";")[0] == f"pid={os.getpid()}"
                os.write(writer, json.dumps([endpoint.desk.jobs.running() is None, told]).encode())
                os._exit(0)
            os.close(writer)
            os.wait()
            kept = endpoint.desk.jobs.running() is not None
        print(json.dumps([json.loads(os.read(reader, 100)), kept]))
        """
    )

    assert seen == [[True, True], True]


def test_requests_leave_nothing_behind() -> None:
    """Whatever they ask, however they are refused: a thousand of them are as one."""
    answer = check_fresh(
        """
        import leakdiff
        from leakdiff.web.app import Endpoint
        from leakdiff.web.messages import Request
        from leakdiff.web.settings import make_settings

        TOKEN = "x" * 40
        LOGIN = {"host": "localhost", "authorization": "Bearer " + TOKEN}
        ENDPOINT = Endpoint(make_settings(token=TOKEN, cooldown=0.0))
        ENDPOINT.desk._keep(leakdiff.snapshot())
        ASKED = [
            Request(method="GET", path="/types", headers=LOGIN | {"accept": "application/json"}),
            Request(method="GET", path="/owners", headers=LOGIN, query="format=html&limit=5"),
            Request(method="GET", path="/resources", headers=LOGIN),
            Request(method="GET", path="/", headers=LOGIN, query="format=html"),
            Request(method="GET", path="/static/leakdiff.css", headers=LOGIN),
            Request(method="GET", path="/openapi.json", headers=LOGIN),
            Request(method="GET", path="/nope", headers=LOGIN, query="format=html"),
            Request(method="DELETE", path="/types", headers=LOGIN),
            Request(method="POST", path="/watch", headers=LOGIN, query="seconds=junk"),
            Request(method="GET", path="/", headers=LOGIN | {"authorization": "Bearer junk"}),
            Request(method="GET", path="/", headers={}),
        ]

        def step():
            for request in ASKED:
                assert ENDPOINT.answer(request).status
        """
    )

    assert answer.verdict == "STABLE", answer.text
