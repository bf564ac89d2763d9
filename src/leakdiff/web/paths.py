"""All paths of the endpoint: what each takes, what it answers, and which view does."""

from __future__ import annotations

import attrs

from leakdiff.web.route import Parameter, Route

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
_ENDED = (202, 404)

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
        view="sites:sites",
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
        method="POST",
        path="/jobs/{job}/stop",
        view="actions:stop",
        said="End a measurement that is under way; nothing of it is kept.",
        statuses=_ENDED,
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
