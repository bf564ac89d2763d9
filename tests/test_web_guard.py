"""Who may look at the debug endpoint, and that nobody else learns anything."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from leakdiff.errors import BadOption
from leakdiff.web.guard import Guard, host_of
from leakdiff.web.messages import Request, Response
from leakdiff.web.refusals import BadHost, BadToken, CrossSite, Refused, TooOften
from leakdiff.web.routing import ROUTES
from leakdiff.web.settings import TOKEN as TOKEN_NAME
from leakdiff.web.settings import TOKEN_FILE, Settings, make_settings
from web_client import JSON, LOGIN, TOKEN, ask, endpoint, header, made, stand_in

WRONG = "wrong-horse-battery-staple-0123456789!!"
PATHS = [(route.method, route.path) for route in ROUTES]


def basic(user: str, password: str) -> str:
    """Return what a browser sends."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def refused(guard: Guard, **headers: str) -> str:
    """Return the slug under which a request is refused; empty if it is let through."""
    shown = {name.replace("_", "-"): value for name, value in {**LOGIN, **headers}.items()}
    try:
        guard.check(Request(method=shown.pop(":method", "GET"), path="/", headers=shown))
    except Refused as error:
        return error.slug
    return ""


@pytest.fixture
def guard() -> Guard:
    """One with a token and the default hosts."""
    return Guard(Settings(token=TOKEN))


# -- without a token ---------------------------------------------------------------------------------


@pytest.fixture
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_NAME, raising=False)
    monkeypatch.delenv(TOKEN_FILE, raising=False)


@pytest.mark.usefixtures("_no_token")
def test_without_a_token_every_path_is_answered_as_one_that_is_not_there() -> None:
    """The same bytes for what exists and what does not, whoever asks and however."""
    served = endpoint(token=None)
    answers = {
        (answer.status, answer.headers, answer.body)
        for method, path in [*PATHS, ("GET", "/nope"), ("GET", ""), ("TRACE", "/"), ("POST", "/../x")]
        for headers in ({}, LOGIN, {"host": "evil.example", "sec-fetch-site": "cross-site"})
        for answer in [ask(served, path, headers, method=method)]
    }

    assert len(answers) == 1
    (answer,) = answers
    assert answer[0] == 404
    assert not [name for name, _ in answer[1] if name.startswith(("Leakdiff", "WWW"))]


@pytest.mark.usefixtures("_no_token")
def test_what_is_not_there_looks_the_same_with_a_token_and_without() -> None:
    """An endpoint that is off is a path that is not there."""
    off, on = ask(endpoint(token=None), "/nope"), ask(endpoint(), "/nope")

    assert (off.status, off.body, off.type) == (on.status, on.body, on.type)


# -- the token ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {TOKEN}",
        f"bearer   {TOKEN} ",
        basic("anyone", TOKEN),
        basic("", TOKEN),
    ],
)
def test_the_token_is_sent_as_bearer_or_as_password(guard: Guard, authorization: str) -> None:
    """Browsers and `go tool pprof` can only send it as a password."""
    assert refused(guard, authorization=authorization) == ""


def test_a_token_may_hold_a_colon() -> None:
    """What stands after the first colon is the password."""
    token = "a:b:" + TOKEN
    guard = Guard(Settings(token=token))

    assert refused(guard, authorization=basic("user", token)) == ""
    assert refused(guard, authorization=basic("user", TOKEN)) == "bad-token"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Bearer {WRONG}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f"Bearer {TOKEN.upper()}",
        f"Token {TOKEN}",
        f"Basic {TOKEN}",
        "Basic !!!",
        basic(TOKEN, ""),
        basic("user", WRONG),
        f"Digest {TOKEN}",
        "Bearer \xff\u20ac",
    ],
)
def test_every_other_authorization_is_refused(guard: Guard, authorization: str) -> None:
    """Nothing but the whole token, once, will do."""
    assert refused(guard, authorization=authorization) == "bad-token"


def test_a_refused_login_tells_how_to_log_in_and_nothing_else() -> None:
    """Both ways are offered, and no process is named."""
    answer = ask(endpoint(), "/types", {"host": "localhost"})

    assert answer.status == 401
    assert header(answer, "www-authenticate").splitlines() == ['Bearer realm="leakdiff"', 'Basic realm="leakdiff"']
    assert header(answer, "leakdiff-process") == ""


@pytest.mark.parametrize("where", ["query", "cookie", "body", "path"])
def test_a_token_elsewhere_is_not_looked_at(where: str) -> None:
    """Queries and cookies end up where tokens do not belong."""
    headers = {"host": "localhost", "content-type": "application/x-www-form-urlencoded"}
    every: dict[str, dict[str, Any]] = {
        "query": {"query": f"token={TOKEN}&access_token={TOKEN}"},
        "cookie": {"headers": headers | {"cookie": f"token={TOKEN}"}},
        "body": {"body": f"token={TOKEN}".encode(), "method": "POST", "path": "/snapshot"},
        "path": {"path": f"/{TOKEN}"},
    }
    answer = ask(endpoint(), **({"headers": headers} | every[where]))

    assert answer.status == 401
    assert TOKEN.encode() not in answer.body


@pytest.mark.parametrize(
    "token",
    ["", "short", "x" * 31, "ü" * 40, "x" * 40 + "\n", " " + "x" * 40, "x" * 20 + "\x00" + "x" * 20, b"x" * 40, 7],
)
def test_a_token_that_is_short_or_that_no_header_can_hold_is_refused(token: object) -> None:
    """And the sentence does not show it."""
    with pytest.raises(BadOption, match="at least 32 characters") as caught:
        make_settings(token=token)  # type: ignore[arg-type]

    assert not token or str(token) not in str(caught.value)


@pytest.mark.usefixtures("_no_token")
def test_the_token_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument goes before the variable, the variable before the file; white space around it is not part of it."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}-of-file\n")
    monkeypatch.setenv(TOKEN_FILE, str(file))
    of_file = make_settings().token
    monkeypatch.setenv(TOKEN_NAME, f" {TOKEN}-of-environment\n")

    assert of_file == f"{TOKEN}-of-file"
    assert make_settings().token == f"{TOKEN}-of-environment"
    assert make_settings(token=TOKEN).token == TOKEN


@pytest.mark.usefixtures("_no_token")
def test_an_empty_variable_is_no_token_and_a_missing_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a file means it; an endpoint that is off because of a typing error would be found in an incident."""
    monkeypatch.setenv(TOKEN_NAME, "")
    assert make_settings().token is None

    monkeypatch.delenv(TOKEN_NAME)
    monkeypatch.setenv(TOKEN_FILE, "/nonexistent/token")
    with pytest.raises(BadOption, match="FileNotFoundError"):
        make_settings()


@pytest.mark.usefixtures("_no_token")
def test_a_token_that_cannot_work_is_refused_under_the_name_it_came_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the sentence knows which of three places to look at, and not what stands there."""
    file = tmp_path / "token"
    file.write_text("horse")
    monkeypatch.setenv(TOKEN_FILE, str(file))
    with pytest.raises(
        BadOption, match=r"^LEAKDIFF_TOKEN_FILE=<5 characters> cannot work: .* a file that holds at least"
    ):
        make_settings()
    monkeypatch.setenv(TOKEN_NAME, "short")
    with pytest.raises(
        BadOption, match=r"^LEAKDIFF_TOKEN=<5 characters> cannot work: LEAKDIFF_TOKEN must be a text of at"
    ):
        make_settings()
    with pytest.raises(BadOption, match=r"^token=<3 characters> cannot work"):
        make_settings(token="abc")  # noqa: S106 - it is none


def test_no_text_of_the_settings_shows_the_token() -> None:
    """Settings end up in logs."""
    assert TOKEN not in repr(make_settings(token=TOKEN))


def test_wrong_tokens_are_limited_and_the_right_one_always_passes() -> None:
    """Three wrong ones a minute are looked at; who has the token is not locked out by those who try."""
    now = [100.0]
    guard = Guard(Settings(token=TOKEN, most_failures=3), clock=lambda: now[0])
    said = [refused(guard, authorization=f"Bearer {WRONG}") for _ in range(5)]

    assert said == ["bad-token"] * 3 + ["too-often"] * 2
    assert refused(guard, authorization=f"Bearer {TOKEN}") == ""
    assert refused(guard, authorization="") == "bad-token"  # a browser's first request is no try
    now[0] += 61.0
    assert refused(guard, authorization=f"Bearer {WRONG}") == "bad-token"


def test_who_tries_too_often_is_told_when_to_try_again() -> None:
    """With Retry-After, as everywhere."""
    served = endpoint(most_failures=1)
    wrong = LOGIN | {"authorization": f"Bearer {WRONG}"}
    ask(served, "/", wrong)
    answer = ask(served, "/", wrong)

    assert answer.status == TooOften.status == 429
    assert 1 <= int(header(answer, "retry-after")) <= 61


# -- the host ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:8000",
        "[0:0:0:0:0:0:0:1]",
    ],
)
def test_names_of_loopback_are_allowed(guard: Guard, host: str) -> None:
    """With and without a port, in any case and any way to write it."""
    assert refused(guard, host=host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "evil.example:localhost",
        "localhost, evil.example",
        "localhost,localhost",
        "localhost evil.example",
        "user@localhost",
        "localhost:80:80",
        "localhost:port",
        "localhost/",
        "http://localhost",
        "::1",
        "[::1",
        "[::1]x",
        "[127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
        "2130706433",
        "0.0.0.0",  # noqa: S104 - nothing listens there
        "loc\u03b1lhost",
        "localhost\x00",
        "x" * 5_000,
    ],
)
def test_every_other_host_is_refused(guard: Guard, host: str) -> None:
    """A name that resolves to this address is what DNS rebinding is made of."""
    allowed = {"127.0.0.1."}  # the same address, written as a rooted name

    assert (refused(guard, host=host) == "") == (host in allowed)
    if host not in allowed:
        assert ask(endpoint(), "/", LOGIN | {"host": host}).status == BadHost.status == 421


def test_hosts_are_given_by_name_and_a_star_is_for_all() -> None:
    """Case and a dot at the end say nothing; a star still asks for one host, well written."""
    named = Guard(Settings(token=TOKEN, hosts=["App.Internal.", "FE80::0:1"]))
    every = Guard(Settings(token=TOKEN, hosts=["*"]))

    assert refused(named, host="app.internal:8443") == refused(named, host="[fe80::1]") == ""
    assert refused(named, host="other.internal") == "bad-host"
    assert refused(every, host="anything.example") == ""
    assert refused(every, host="a, b") == refused(every, host="") == "bad-host"


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_names_of_loopback_are_allowed_whatever_names_are_given(host: str) -> None:
    """Who forwards a port gets in; a page of another site comes under a name of its own, wherever that leads."""
    assert refused(Guard(Settings(token=TOKEN, hosts=["matching.internal"])), host=host) == ""
    assert refused(Guard(Settings(token=TOKEN, hosts=[])), host=host) == ""


@pytest.mark.parametrize("hosts", ["localhost", ["localhost:80"], ["http://app"], [""], [7], None])
def test_hosts_that_are_no_names_are_refused(hosts: object) -> None:
    """A port or a scheme would never match, which would be found in an incident."""
    with pytest.raises(BadOption, match="host names"):
        make_settings(hosts=hosts)


def test_a_host_is_read_as_name_and_port() -> None:
    """Of an address in brackets the shortest form is the name."""
    assert host_of("App:8000") == ("app", "8000")
    assert host_of("[2001:DB8:0:0::1]") == ("2001:db8::1", "")
    assert host_of("a b") is None


# -- the site ----------------------------------------------------------------------------------------

FOLLOWED = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}


@pytest.mark.parametrize("site", ["same-origin", "none"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_our_own_pages_and_the_address_bar_send_is_let_through(guard: Guard, method: str, site: str) -> None:
    """Whatever Origin says: a browser does not let pages forge Sec-Fetch-Site."""
    assert refused(guard, **{":method": method, "sec_fetch_site": site, "origin": "null"}) == ""


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin, cross-site", "junk"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_what_pages_of_others_send_is_refused(guard: Guard, method: str, site: str) -> None:
    """A browser that knows the password sends it with images, fetches and forms of every page."""
    assert refused(guard, **{":method": method, "sec_fetch_site": site}) == "cross-site"
    assert refused(guard, **{":method": "POST", "sec_fetch_site": site, **FOLLOWED}) == "cross-site"


def test_links_from_elsewhere_are_followed_but_not_into_frames(guard: Guard) -> None:
    """An alert may link here: to look changes nothing, and the site with the link sees nothing."""
    assert refused(guard, sec_fetch_site="cross-site", **FOLLOWED) == ""
    assert (
        refused(guard, sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest="iframe") == "cross-site"
    )


@pytest.mark.parametrize(
    ("host", "origin", "is_ours"),
    [
        ("localhost:8000", "http://localhost:8000", True),
        ("localhost", "http://localhost", True),
        ("localhost", "http://localhost:80", True),
        ("localhost", "https://localhost", True),  # a proxy ends TLS
        ("[::1]:8000", "http://[::1]:8000", True),
        ("localhost:8000", "http://localhost:9000", False),
        ("localhost", "http://evil.example", False),
        ("localhost", "http://localhost.evil.example", False),
        ("localhost", "null", False),
        ("localhost", "file://", False),
        ("localhost", "ftp://localhost", False),
        ("localhost", "http://localhost/x", False),
        ("localhost", "http://user@localhost", False),
        ("localhost", "http://localhost, http://evil.example", False),
    ],
)
def test_without_fetch_metadata_the_origin_decides(guard: Guard, host: str, origin: str, is_ours: bool) -> None:  # noqa: FBT001
    """Browsers send no Sec-Fetch-Site over plain HTTP to other hosts than loopback."""
    assert (refused(guard, host=host, origin=origin) == "") is is_ours


def test_our_own_forms_are_sent_with_an_origin() -> None:
    """Under no-referrer they would not: browsers send `Origin: null` then, as from a hostile sandboxed frame."""
    assert header(ask(endpoint(), "/nope"), "referrer-policy") == "same-origin"


def test_a_cross_site_post_begins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before the view is asked."""
    asked: list[str] = []
    stand_in(monkeypatch, lambda one: asked.append(one.request.path) or made(one), method="POST")  # type: ignore[func-returns-value]
    served = endpoint()
    for headers in (JSON | {"sec-fetch-site": "cross-site"}, JSON | {"origin": "http://evil.example"}):
        answer = ask(served, "/made", headers, method="POST")

        assert answer.status == CrossSite.status == 403
        assert json.loads(answer.body)["slug"] == "cross-site"
    assert asked == []


# -- in which order ----------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["html", "json", "text"])
def test_who_may_not_look_learns_nothing_of_what_is_asked(format_: str) -> None:
    """No path, method, parameter or body is looked at before the login: all are answered alike."""

    def answer(method: str, path: str, **parts: object) -> Response:
        accept = {"html": "text/html", "json": "application/json", "text": "*/*"}[format_]
        return ask(endpoint(), path, {"host": "localhost", "accept": accept}, method=method, **parts)

    answers = {
        (one.status, one.headers, one.body)
        for one in (
            *(answer(method, path) for method, path in PATHS if path != "/pprof/heap"),
            answer("GET", "/nope"),
            answer("GET", ""),
            answer("DELETE", "/types"),
            answer("GET", "/types", query="limit=-7"),
            answer("POST", "/snapshot", body=b"{"),
        )
    }

    assert [status for status, _, _ in answers] == [BadToken.status]


def test_the_host_goes_before_the_token_and_the_token_before_the_site(guard: Guard) -> None:
    """No browser is made to ask for the token under a name that is not ours."""
    assert refused(guard, host="evil.example", authorization="", sec_fetch_site="cross-site") == "bad-host"
    assert refused(guard, authorization="", sec_fetch_site="cross-site") == "bad-token"


def test_whether_a_body_is_worth_reading_is_asked_without_counting() -> None:
    """Only a request that may look has one, and a wrong token is one try, not two."""
    served = endpoint(most_failures=1)
    wrong = Request(method="POST", path="/", headers=LOGIN | {"authorization": f"Bearer {WRONG}"})

    assert [served.admits(wrong) for _ in range(3)] == [False] * 3
    assert served.answer(wrong).status == 401
    assert served.admits(Request(method="POST", path="/", headers=LOGIN))
    assert not served.admits(Request(method="POST", path="/", headers=LOGIN | {"origin": "http://evil.example"}))
