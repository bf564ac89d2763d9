"""Every knob of the debug endpoint once, checked."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from leakdiff.errors import BadOption
from leakdiff.options import refuse_unknown

LOOPBACK = ("localhost", "127.0.0.1", "::1")
LEAST_TOKEN = 32
_FOREVER = 1e9
TOKEN, TOKEN_FILE = "LEAKDIFF_TOKEN", "LEAKDIFF_TOKEN_FILE"

Redactor = Callable[[str, object], str | None]


def _token(_: object, __: object, value: Any) -> None:
    _check_token("token", value)


def _check_token(name: str, value: object) -> None:
    """Refuse what cannot be a token under the name by which it was given, without saying what it is."""
    if value is None or (type(value) is str and len(value) >= LEAST_TOKEN and _can_be_sent(value)):
        return
    what = "the path of a file that holds" if name == TOKEN_FILE else "a text of"
    must = f"{what} at least {LEAST_TOKEN} characters of visible ASCII; `openssl rand -hex 32` makes them"
    raise BadOption(name, value, must, shown=f"<{_seen(value)}>")


def _can_be_sent(token: str) -> bool:
    return token.isascii() and token.isprintable() and token == token.strip()


def _seen(token: object) -> str:
    if type(token) is not str:
        return f"a {type(token).__name__}"
    return f"{len(token)} characters{'' if _can_be_sent(token) else ', some of which no header can hold'}"


def _hosts(value: Iterable[str]) -> tuple[str, ...]:
    if type(value) not in (list, tuple, set, frozenset):
        raise BadOption("hosts", value, "a list of host names, or ['*'] where a proxy checks them")
    return tuple(dict.fromkeys((*LOOPBACK, *map(_host, value))))


def _host(host: object) -> str:
    if type(host) is not str or not host or "/" in host:
        raise BadOption("hosts", host, "a list of host names, such as 'app.internal'")
    name = host.lower().strip("[]").removesuffix(".")
    if ":" not in name:
        return name
    try:
        return str(ipaddress.IPv6Address(name))
    except ValueError:
        raise BadOption("hosts", host, "a list of host names without ports") from None


def _above(least: float) -> Any:
    def check(_: object, field: attrs.Attribute[Any], value: Any) -> None:
        if type(value) not in (int, float) or not least <= value <= _FOREVER:
            raise BadOption(field.name, value, f"a number of at least {least:g}")

    return check


def _whole(least: int) -> Any:
    def check(_: object, field: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not int or not least <= value <= _FOREVER:
            raise BadOption(field.name, value, f"a whole number of at least {least}")

    return check


def _text(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and type(value) is not str:
        raise BadOption(field.name, value, "a text")


def _redactor(_: object, __: object, value: Any) -> None:
    if value is not None and not callable(value):
        raise BadOption(
            "redactor", value, "a callable that takes an owner's path and a key, and returns a text or None"
        )


@attrs.frozen(kw_only=True)
class Settings:
    """What an endpoint was told.

    Attributes:
        token: Who sends it may look; without one the endpoint answers 404 to everything.
        hosts: Host names it answers to beside those of loopback, without ports; ``*`` for all. Loopback names are
            always among them: a page of another site comes under a name of its own, wherever that leads.
        redactor: Called with an owner's path and a key of it that is a plain text or number; what it returns is shown,
            and nothing if it returns None. Without one no key is shown.
        budget: Seconds a walk of the heap may take.
        cooldown: Seconds between two measurements.
        most_kept: Snapshots, jobs and profiles that are kept, of each so many.
        most_body: Bytes a request's body may have.
        most_answer: Bytes an answer may have.
        body_timeout: Seconds a body may take to arrive.
        most_failures: Wrong tokens a minute before the endpoint answers 429 to them.
        most_threads: Requests that are answered at a time by ASGI and aiohttp applications; others wait.
        service: ``service.name`` of its snapshots.
        version: ``service.version``.
        revision: ``vcs.ref.head.revision``.
    """

    token: str | None = attrs.field(default=None, repr=False, validator=_token)
    hosts: tuple[str, ...] = attrs.field(default=LOOPBACK, converter=_hosts)
    redactor: Redactor | None = attrs.field(default=None, validator=_redactor)
    budget: float = attrs.field(default=60.0, validator=_above(0.1))
    cooldown: float = attrs.field(default=5.0, validator=_above(0))
    most_kept: int = attrs.field(default=16, validator=_whole(1))
    most_body: int = attrs.field(default=16 << 10, validator=_whole(0))
    most_answer: int = attrs.field(default=8 << 20, validator=_whole(1 << 10))
    body_timeout: float = attrs.field(default=10.0, validator=_above(0.1))
    most_failures: int = attrs.field(default=20, validator=_whole(1))
    most_threads: int = attrs.field(default=4, validator=_whole(1))
    service: str | None = attrs.field(default=None, validator=_text)
    version: str | None = attrs.field(default=None, validator=_text)
    revision: str | None = attrs.field(default=None, validator=_text)

    @property
    def who(self) -> tuple[str | None, str | None, str | None]:
        """Service, version and revision, as snapshots are told them."""
        return self.service, self.version, self.revision


def make_settings(*, token: str | None = None, **given: Any) -> Settings:
    """Return settings; a token that is not given comes from the environment.

    Args:
        token: The token; else ``LEAKDIFF_TOKEN``, else what the file named by ``LEAKDIFF_TOKEN_FILE`` holds.
        given: The other knobs, by name.

    Raises:
        BadOption: If a name is unknown or a value cannot work, or if the token's file cannot be read.
    """
    refuse_unknown(given, attrs.fields_dict(Settings))
    return Settings(token=token if token is not None else _configured_token(), **given)


def _configured_token() -> str | None:
    name, found = _found_token()
    _check_token(name, found)
    return found


def _found_token() -> tuple[str, str | None]:
    """Return what the environment says, and which variable did."""
    direct = os.environ.get(TOKEN)
    if direct is not None:
        return TOKEN, direct.strip() or None
    path = os.environ.get(TOKEN_FILE)
    if not path:
        return TOKEN_FILE, None
    try:
        return TOKEN_FILE, Path(path).read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(
            TOKEN_FILE, path, f"a file that can be read, and reading it raised {type(error).__name__}"
        ) from None
