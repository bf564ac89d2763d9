"""Which paths there are, what each takes, and which view answers: what the OpenAPI description is made from."""

from __future__ import annotations

import functools
import importlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

import attrs

from leakdiff.web.desk import Desk
from leakdiff.web.messages import Request, Response
from leakdiff.web.refusals import BadMethod, BadParameter, NotThere, TooLarge
from leakdiff.web.view import View

Format = Literal["html", "json", "text"]
FORMATS: tuple[Format, ...] = ("html", "json", "text")
_MOST_FIELDS = 32
VARIABLE = re.compile(r"\{(\w+)\}")
_FORM = "application/x-www-form-urlencoded"
SEGMENT = "[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}"  # what can stand for a variable of a path: names that we gave
MOST_QUERY = 4096  # characters


@attrs.frozen(kw_only=True)
class Parameter:
    """A parameter of the query, or of the form that is posted.

    Attributes:
        name: Its name.
        kind: ``number``, ``integer``, ``boolean`` or ``text``.
        default: What it is if it is not given.
        least: The least number.
        most: The largest number, or the longest text.
        choices: All texts that can be given.
        said: What it means.
    """

    name: str
    kind: Literal["number", "integer", "boolean", "text"]
    default: Any = None
    least: float = 0
    most: float = 200
    choices: tuple[str, ...] = ()
    said: str = ""

    def read(self, value: str) -> Any:
        """Return what a text stands for.

        Raises:
            BadParameter: If it cannot work.
        """
        if self.kind == "text":
            return self._text(value)
        if self.kind == "boolean":
            if value not in ("true", "false"):
                raise BadParameter(self.name, "it is neither", "true or false")
            return value == "true"
        return self._number(value)

    def _text(self, value: str) -> str:
        if self.choices and value not in self.choices:
            raise BadParameter(self.name, "it is none of these", ", ".join(self.choices))
        if len(value) > self.most:
            raise BadParameter(self.name, f"it has {len(value):,} characters", f"{self.most:,.0f} at most")
        return value

    def _number(self, value: str) -> float:
        must = f"a{' whole' if self.kind == 'integer' else ''} number from {self.least:g} to {self.most:g}"
        is_plain = value.isascii() and len(value) < 32 and "_" not in value and value == value.strip()
        try:
            number = (int(value) if self.kind == "integer" else float(value)) if is_plain else math.nan
        except ValueError:
            number = math.nan
        if not self.least <= number <= self.most:
            raise BadParameter(self.name, "it is out of range or no number", must)
        return number


@attrs.frozen(kw_only=True)
class Asked:
    """What a view is asked.

    Attributes:
        desk: What it looks at.
        request: The request.
        format: How it will be told.
        given: The parameters by name, read; those of the path as well.
    """

    desk: Desk
    request: Request
    format: Format
    given: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Route:
    """One method of one path.

    Attributes:
        method: ``GET`` or ``POST``; ``HEAD`` goes where ``GET`` does.
        path: The path, with variables as ``{name}``, each within one segment.
        view: Where the view is: the module under ``leakdiff.web.views``, and its name there.
        said: What it answers, in a line.
        parameters: Those of the query, or of the form.
        is_view: Whether it answers in three formats; others answer in one of their own.
        types: The content types of its answers, where it is no view.
        statuses: What it may answer beyond what every path may.
    """

    method: str
    path: str
    view: str
    said: str
    parameters: tuple[Parameter, ...] = ()
    is_view: bool = True
    types: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()

    @property
    def all_parameters(self) -> tuple[Parameter, ...]:
        """Its parameters, and how to answer where there is a choice."""
        return (*self.parameters, *((_FORMAT,) if self.is_view else ()))

    def load(self) -> Callable[[Asked], View | Response]:
        """Return the view, imported when it is first asked for."""
        module, name = self.view.split(":")
        found: Callable[[Asked], View | Response] = getattr(
            importlib.import_module(f"leakdiff.web.views.{module}"), name
        )
        return found

    def match(self, path: str) -> dict[str, str] | None:
        """Return the variables of a path; None if it is another."""
        found = _pattern(self.path).fullmatch(path)
        return found.groupdict() if found is not None else None


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    parts = enumerate(VARIABLE.split(path))
    return re.compile("".join(f"(?P<{part}>{SEGMENT})" if at % 2 else re.escape(part) for at, part in parts))


_FORMAT = Parameter(name="format", kind="text", choices=FORMATS, said="How to answer; goes before the Accept header.")
_LIMIT = Parameter(name="limit", kind="integer", default=50, least=1, most=1_000, said="Rows at most.")
_LIKE = Parameter(name="like", kind="text", default="", said="Only names that contain this, in any case.")
_SNAPSHOT = Parameter(name="snapshot", kind="text", said="Which snapshot; the latest otherwise.")
_SECONDS = Parameter(name="seconds", kind="number", default=60.0, least=1, most=3_600, said="How long.")
_SINCE = Parameter(name="since", kind="number", least=60, most=366 * 86_400.0, said="Only the last so many seconds.")
_SERIES = Parameter(name="series", kind="text", default="rss", most=500, said="Which series.")
_BASE = Parameter(name="base", kind="text", said="The earlier one, by name.")
_HEAD = Parameter(name="head", kind="text", said="The later one; the latest otherwise.")
_TAKEN = (404,)
_STORED = (404, 503)  # 503 where the monitor's store cannot be read
_BEGUN = (202, 409, 429)

ROUTES = (
    Route(method="GET", path="/", view="index:index", said="Whether it leaks, what grows, who holds it."),
    Route(
        method="GET",
        path="/summary",
        view="heap:summary",
        said="The process's memory and heap.",
        parameters=(_SNAPSHOT,),
        statuses=_STORED,
    ),
    Route(
        method="GET",
        path="/types",
        view="heap:types",
        said="Objects and bytes by type.",
        parameters=(_SNAPSHOT, _LIKE, _LIMIT),
        statuses=_STORED,
    ),
    Route(
        method="GET",
        path="/sites",
        view="heap:sites",
        said="Blocks and bytes by the line that allocated them.",
        parameters=(_SNAPSHOT, _LIKE, _LIMIT),
        statuses=_STORED,
    ),
    Route(
        method="GET",
        path="/owners",
        view="owners:owners",
        said="Containers by name, their entries, and how their length went.",
        parameters=(_SNAPSHOT, _LIKE, _LIMIT),
        statuses=_STORED,
    ),
    Route(
        method="GET",
        path="/resources",
        view="resources:resources",
        said="Tasks by where they await, threads by stack, descriptors, sockets, children.",
        parameters=(_SNAPSHOT, _LIKE, _LIMIT),
        statuses=_STORED,
    ),
    Route(
        method="GET",
        path="/history",
        view="history:history",
        said="One series of the monitor's store over time.",
        parameters=(_SERIES, _SINCE, attrs.evolve(_LIKE, said="Only series whose names contain this.")),
        statuses=_STORED,
    ),
    Route(method="GET", path="/trend", view="trend:trend", said="What the history amounts to.", statuses=_STORED),
    Route(method="GET", path="/snapshots", view="snapshots:snapshots", said="The snapshots that are kept."),
    Route(
        method="POST",
        path="/snapshot",
        view="actions:snapshot",
        said="Take a snapshot of the heap, in the background.",
        statuses=_BEGUN,
    ),
    Route(
        method="GET",
        path="/diff",
        view="snapshots:diff",
        said="What changed between two snapshots.",
        parameters=(_BASE, _HEAD, _LIMIT),
        statuses=_STORED,
    ),
    Route(
        method="POST",
        path="/watch",
        view="actions:watch",
        said="Watch live traffic, in the background, and say who keeps what it leaves behind.",
        parameters=(_SECONDS,),
        statuses=_BEGUN,
    ),
    Route(
        method="POST",
        path="/tracing",
        view="actions:tracing",
        said="Trace allocations for a while, then no more, and say which lines allocated what is still there.",
        parameters=(attrs.evolve(_SECONDS, most=600),),
        statuses=_BEGUN,
    ),
    Route(method="POST", path="/gc", view="actions:gc", said="Run a full collection.", statuses=_BEGUN),
    Route(method="GET", path="/jobs", view="jobs:jobs", said="The measurements that are kept."),
    Route(
        method="GET",
        path="/jobs/{job}",
        view="jobs:job",
        said="One measurement: its progress, then its result.",
        statuses=_TAKEN,
    ),
    Route(
        method="GET",
        path="/findings/{fingerprint}",
        view="findings:finding",
        said="One finding, with its path drawn.",
        statuses=_TAKEN,
    ),
    Route(
        method="GET",
        path="/routes",
        view="routes:routes",
        said="Which route grows which owner, and which routes spike.",
    ),
    Route(method="GET", path="/healthz", view="health:healthz", said="How the monitor is doing.", statuses=(503,)),
    Route(
        method="GET",
        path="/pprof/heap",
        view="pprof:heap",
        said="Memory in use for `go tool pprof` (inuse_objects, inuse_space).",
        parameters=(
            attrs.evolve(_HEAD, name="head", said="A snapshot or a tracing job; what is in use now otherwise."),
            attrs.evolve(_BASE, said="A snapshot or a tracing job to subtract."),
            Parameter(name="by", kind="text", choices=("sites", "types", "owners"), said="What a stack is made of."),
        ),
        is_view=False,
        types=("application/octet-stream",),
        statuses=(404, 409),
    ),
    Route(
        method="GET",
        path="/report.html",
        view="findings:report",
        said="The latest report as one file, to attach to a ticket.",
        parameters=(Parameter(name="job", kind="text", said="The watch; the latest otherwise."),),
        is_view=False,
        types=("text/html",),
        statuses=_TAKEN,
    ),
    Route(
        method="GET",
        path="/openapi.json",
        view="openapi:openapi",
        said="This interface, described.",
        is_view=False,
        types=("application/json",),
    ),
    Route(
        method="GET",
        path="/static/{name}",
        view="files:static",
        said="The stylesheet and the script of the pages.",
        is_view=False,
        types=("text/css", "text/javascript"),
        statuses=_TAKEN,
    ),
)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route of a request, and the variables in its path.

    Raises:
        NotThere: If there is no such path.
        BadMethod: If the path has other methods only.
    """
    found = [(route, variables) for route in ROUTES if (variables := route.match(path)) is not None]
    if not found:
        raise NotThere
    wanted = "GET" if method == "HEAD" else method
    for route, variables in found:
        if route.method == wanted:
            return route, variables
    methods = [route.method for route, _ in found]
    raise BadMethod(path[:80], tuple([*methods, "HEAD"] if "GET" in methods else methods))


def read_given(route: Route, request: Request) -> dict[str, Any]:
    """Return the parameters of a request, from its query and its form; those not given have their defaults.

    Raises:
        BadParameter: If one is unknown, given twice, or cannot work.
        TooLarge: If the query is.
    """
    if len(request.query) > MOST_QUERY:
        raise TooLarge("The query", MOST_QUERY)
    known = {parameter.name: parameter for parameter in route.all_parameters}
    given = {name: parameter.default for name, parameter in known.items()}
    seen: set[str] = set()
    for name, value in _fields(request):
        if name not in known:
            raise BadParameter(
                name[:80], "there is none of this name", f"one of {', '.join(known)}" if known else "left out"
            )
        if name in seen:
            raise BadParameter(name, "it is given twice", "given once")
        seen.add(name)
        if value:
            given[name] = known[name].read(value)
    return given


def _fields(request: Request) -> list[tuple[str, str]]:
    fields = _split(request.query, "query")
    if request.method == "POST" and request.body:
        kind = request.header("content-type").partition(";")[0].strip().lower()
        if kind == _FORM:
            return fields + _split(request.body.decode("utf-8", "replace"), "body")
        if kind == "application/json":
            return fields + _from_json(request.body)
        raise BadParameter("body", "its content type is another", f"{_FORM} or application/json")
    return fields


def _split(text: str, where: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise BadParameter(where, "it has too many fields", f"{_MOST_FIELDS} at most") from None


def _from_json(body: bytes) -> list[tuple[str, str]]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not all(isinstance(value, str | int | float) for value in fields.values()):
        raise BadParameter("body", "it is no flat object of JSON", "an object of texts, numbers, true and false")
    return [(name, json.dumps(value) if not isinstance(value, str) else value) for name, value in fields.items()]
