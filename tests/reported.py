"""What ``leakdiff check`` reports of the planted leaks, as findings made from a line of text each."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from leakdiff.judge.causes import cause_of
from leakdiff.model.heap import Site, Step
from leakdiff.model.report import Finding, TypeGrowth, Verdict
from leakdiff.model.signals import Rate


@attrs.frozen
class Seen:
    """A finding as a real report had it, and the rates of the whole process."""

    finding: Finding
    rates: Mapping[str, float]

    @property
    def cause(self) -> str | None:
        """The slug of its cause."""
        cause = cause_of(self.finding, per_unit=self.rates)
        return cause.slug if cause else None


def seen(  # noqa: PLR0913 - each says one thing of the finding
    path: str,
    *,
    depth: int = 2,
    types: str = "",
    keys: str | None = None,
    entries: float | None = 1.0,
    is_owned: bool = True,
    owner_type: str = "",
    verdict: Verdict = Verdict.LEAK,
    line: str = "",
    rates: Mapping[str, float] | None = None,
) -> Seen:
    """Return a finding by its path, ``label: type ─ label: type``, and its types, ``app.Order str*2``."""
    steps = tuple(_step(text) for text in path.split(" ─ "))
    grown = [text.partition("*") for text in types.split()]
    known = tuple(TypeGrowth(name, float(rate or 1), 303) for name, _, rate in grown)
    name = "".join(step.label for step in steps[:depth])
    finding = Finding(
        verdict=verdict,
        because="grew in 20 of 20 further rounds",
        fingerprint="3f9a2c",
        owner=name if is_owned else None,
        owner_type=owner_type or steps[depth - 1].type,
        length=0 if entries is None else 303,
        path=steps,
        depth=depth,
        types=known,
        key_shape=keys,
        sites=(Site("app.py", 10, "leak", line),) if line else (),
        per_unit=Rate(objects=1.0, bytes=56.0),
        entries_per_unit=entries,
    )
    return Seen(finding, rates or {"fds": 0.0, "threads": 0.0, "native_bytes": 0.0})


def _step(text: str) -> Step:
    label, _, kind = text.rpartition(": ")
    return Step(label, kind)


# What ``leakdiff check`` says of each plant: the first finding of its report.
REPORTED: Mapping[str, tuple[str, Seen]] = {
    "dict_by_request_id": (
        "unbounded-module-cache",
        seen(
            "app: module ─ ._orders: dict ─ [*]: app.Order",
            types=("app.Order list str"),
            keys="str 'req-' + 8 hex",
        ),
    ),
    "dict_of_str_to_bytes": (
        "unbounded-module-cache",
        seen(
            "app: module ─ ._etags: dict",
            types=("bytes str"),
            keys="str 11 characters",
        ),
    ),
    "set_of_strings": (
        "unbounded-module-cache",
        seen(
            "app: module ─ ._seen_tokens: set",
            types=("str"),
            keys="str 'token-' + 32 digits",
        ),
    ),
    "deque_without_maxlen": (
        "only-grows",
        seen(
            "app: module ─ ._events: collections.deque ─ [*]: app.Event",
            types=("app.Event"),
        ),
    ),
    "queue_nobody_drains": (
        "queue-not-drained",
        seen(
            "app: module ─ ._outbox: queue.Queue ─ .queue: collections.deque ─ [*]: app.Mail",
            depth=3,
            types=("app.Mail"),
        ),
    ),
    "simple_queue_nobody_drains": (
        "queue-not-drained",
        seen(
            "app: module ─ ._backlog: _queue.SimpleQueue ─  entries: list ─ [*]: app.Event",
            depth=3,
            types=("app.Event"),
        ),
    ),
    "linked_list": (
        "only-grows",
        seen(
            "app: module ─ ._history: app.History ─ .head: app.Node ─ .before: app.Node",
            depth=3,
            types=("app.Node"),
            entries=None,
        ),
    ),
    "list_rebuilt": (
        "only-grows",
        seen(
            "app: module ─ ._basket: app.Basket ─ .items: list ─ [*]: app.Item",
            depth=3,
            types=("app.Item"),
            entries=None,
        ),
    ),
    "asyncio_queue_nobody_drains": (
        "queue-not-drained",
        seen(
            "app: module ─ ._log: app.Log ─ .lines: asyncio.queues.Queue ─ ._queue: collections.deque ─ [*]: app.Line",
            depth=4,
            types=("app.Line"),
        ),
    ),
    "executor_backlog": (
        "queue-not-drained",
        seen(
            "app: module ─ ._sender: app.Sender ─ .executor: "
            "concurrent.futures.thread.ThreadPoolExecutor ─ ._work_queue: _queue.SimpleQueue ─  entries: "
            "list ─ [*]: concurrent.futures.thread._WorkItem",
            depth=5,
            types=(
                "_thread.RLock collections.deque concurrent.futures._base.Future "
                "concurrent.futures.thread._WorkItem app.Mail"
            ),
            rates={"native_bytes": 602.3},
        ),
    ),
    "instance_attribute_list": (
        "only-grows",
        seen(
            "app: module ─ ._mailbox: app.Mailbox ─ .letters: list ─ [*]: app.Letter",
            depth=3,
            types=("app.Letter"),
        ),
    ),
    "class_attribute_list": (
        "only-grows",
        seen(
            "app.Auditor: class ─ .trail: list ─ [*]: app.Visit",
            types=("app.Visit"),
        ),
    ),
    "slots_instance": (
        "only-grows",
        seen(
            "app: module ─ ._ledger: app.Ledger ─ .rows: list ─ [*]: app.Row",
            depth=3,
            types=("app.Row"),
        ),
    ),
    "listener_never_removed": (
        "listener-never-removed",
        seen(
            "app: module ─ ._bus: app.Bus ─ .listeners: list ─ [*]: method ─ [*]: app.Connection",
            depth=3,
            types=("app.Connection list method"),
        ),
    ),
    "exceptions_kept": (
        "exception-kept",
        seen(
            "app: module ─ ._failures: list ─ [*]: ConnectionError ─ [*]: traceback ─ .tb_next: "
            "traceback ─ .tb_frame: frame ─  local download: app.Download",
            types=("app.Download frame*2.1 traceback*2 tuple ConnectionError"),
        ),
    ),
    "instance_cache": (
        "unbounded-instance-cache",
        seen(
            "app: module ─ ._geocoder: app.Geocoder ─ .found: dict ─ [*]: tuple",
            depth=3,
            types=("list str tuple"),
            keys="str 16 characters",
        ),
    ),
    "class_cache": (
        "unbounded-class-cache",
        seen(
            "app.Tariff: class ─ .known: dict ─ [*]: app.Tariff",
            types=("app.Tariff list str"),
            keys="str 'place-' + 4 digits",
        ),
    ),
    "signal_receiver": (
        "listener-never-removed",
        seen(
            "app: module ─ ._order_paid: app.Signal ─ .receivers: list ─ [*]: tuple ─ [*]: method ─ "
            ".__self__: app.Checkout",
            depth=3,
            types=("app.Checkout int list method tuple"),
        ),
    ),
    "done_callbacks": (
        "listener-never-removed",
        seen(
            "app: module ─ ._server: app.Server ─ .stopped: _asyncio.Future ─  → list: list ─ [*]: tuple "
            "─ [*]: _contextvars.Context",
            depth=4,
            types=("_contextvars.Context app.Request list method tuple"),
        ),
    ),
    "exception_raised_again": (
        "exception-kept",
        seen(
            "app: module ─ ._NOT_THERE: app.NotThereError ─ .__traceback__: traceback ─ .tb_next: traceback",
            depth=3,
            types=("traceback*2 frame*1.1"),
            entries=None,
        ),
    ),
    "mutable_default_argument": (
        "mutable-default",
        seen(
            "app: module ─ .compile_rule: function compile_rule ─ .__defaults__['compiled']: list ─ [*]: app.Rule",
            depth=3,
            types=("app.Rule"),
        ),
    ),
    "closure_variable": (
        "closure-grows",
        seen(
            "app: module ─ ._record: function make_recorder.<locals>.record ─  closure readings: list ─ "
            "[*]: app.Reading",
            depth=3,
            types=("app.Reading"),
        ),
    ),
    "lru_cache_unbounded": (
        "unbounded-lru-cache",
        seen(
            "app: module ─ .find_price: functools._lru_cache_wrapper ─  cache: dict ─ [*]: list",
            depth=3,
            types=("list str"),
            keys="str 'article-' + 4 digits",
        ),
    ),
    "cache_on_method": (
        "lru-cache-on-method",
        seen(
            "app.Invoice: class ─ .total: functools._lru_cache_wrapper ─  cache: dict ─  key: tuple ─ [*]: app.Invoice",
            depth=3,
            types=("app.Invoice float*4 list tuple"),
            keys="tuple(app.Invoice)",
        ),
    ),
    "closure_cache": (
        "closure-grows",
        seen(
            "app: module ─ .divisors: function remembering.<locals>.remembered ─  closure results: dict ─ [*]: list",
            depth=3,
            types=("int list"),
            keys="int sequential",
        ),
    ),
    "thread_frame_local": (
        "thread-accumulates",
        seen(
            "hoard() in thread 'Thread-1 (hoard)': frame ─  local kept: list ─ [*]: app.Job",
            types=("app.Job"),
        ),
    ),
    "generator_local": (
        "task-accumulates",
        seen(
            "app: module ─ ._chart: generator chart() ─  local ticks: list ─ [*]: app.Tick",
            depth=3,
            types=("app.Tick"),
            entries=2,
        ),
    ),
    "coroutine_local": (
        "task-accumulates",
        seen(
            "app: module ─ ._keeping: app.Feed ─ .consumer: _asyncio.Task ─  coroutine keep_all(): "
            "coroutine keep_all() ─  local by_number: dict ─ [*]: app.Quote",
            depth=5,
            types=("app.Quote int"),
            keys="int sequential",
        ),
    ),
    "pending_tasks": (
        "pending-task",
        seen(
            "app: module ─ ._inbox: app.Inbox ─ .closing: asyncio.locks.Event ─ ._waiters: "
            "collections.deque ─ [*]: _asyncio.Future",
            depth=4,
            types=("_asyncio.Future _asyncio.FutureIter _asyncio.Task _contextvars.Context app.Message"),
        ),
    ),
    "context_variable": (
        "context-variable",
        seen(
            "app: module ─ ._trace_context: _contextvars.Context ─  variable trace: list ─ [*]: app.Span",
            depth=3,
            types=("app.Span"),
        ),
    ),
    "thread_local_list": (
        "thread-local",
        seen(
            "app: module ─ ._local: _thread._local ─ .queries: list ─ [*]: app.Query",
            depth=3,
            types=("app.Query"),
        ),
    ),
    "futures_pending": (
        "pending-future",
        seen(
            "app: module ─ ._client: app.Client ─ .waiting: dict ─ [*]: _asyncio.Future",
            depth=3,
            types=("_asyncio.Future int"),
            keys="int sequential",
        ),
    ),
    "timers_pending": (
        "pending-timer",
        seen(
            "app: module ─ ._server: app.Server ─ .loop: asyncio.unix_events._UnixSelectorEventLoop ─ "
            "._scheduled: list ─ [*]: asyncio.events.TimerHandle",
            depth=4,
            types=("_contextvars.Context asyncio.events.TimerHandle app.Request float list"),
        ),
    ),
    "greenlets_pending": (
        "pending-greenlet",
        seen(
            "app: module ─ ._started: list ─ [*]: greenlet.greenlet",
            types=("greenlet.greenlet app.Order list"),
            rates={"native_bytes": 1434.1},
        ),
    ),
    "exit_stack": (
        "never-exited",
        seen(
            "app: module ─ ._until_the_end: contextlib.ExitStack ─ ._exit_callbacks: collections.deque ─ "
            "[*]: tuple ─ [*]: method ─ .__self__: contextlib._GeneratorContextManager",
            depth=3,
            types=("contextlib._GeneratorContextManager app.Workspace generator list method"),
        ),
    ),
    "generators_suspended": (
        "never-exited",
        seen(
            "app: module ─ ._reading: list ─ [*]: generator read() ─ [*]: app.Page",
            types=("app.Page generator list list_iterator"),
        ),
    ),
    "bytearray_growing": (
        "large-global",
        seen(
            "app: module ─ ._access_log: bytearray",
            entries=None,
        ),
    ),
    "array_growing": (
        "large-global",
        seen(
            "app: module ─ ._samples: array.array",
            entries=None,
        ),
    ),
    "bytes_io_growing": (
        "large-global",
        seen(
            "app: module ─ ._recording: _io.BytesIO",
            entries=None,
        ),
    ),
    "string_io_growing": (
        "large-global",
        seen(
            "app: module ─ ._transcript: _io.StringIO",
            entries=None,
        ),
    ),
    "bytes_replaced_by_larger": (
        "large-global",
        seen(
            "app: module ─ ._ledger: bytes",
            entries=None,
        ),
    ),
    "str_growing_attribute": (
        "growing-buffer",
        seen(
            "app: module ─ ._chat: app.Chat ─ .history: str",
            depth=3,
            entries=None,
        ),
    ),
    "atexit_registry": (
        "atexit-registry",
        seen(
            "atexit callbacks: interpreter ─ [*]: tuple ─ [*]: app.Connection",
            depth=1,
            types=("app.Connection list tuple"),
            owner_type="atexit",
            entries=None,
            line="atexit.register(close, Connection())",
        ),
    ),
    "finalize_registry": (
        "finalize-registry",
        seen(
            "weakref.finalize: class ─ ._registry: dict ─ [*]: weakref.finalize._Info",
            types=("weakref.ReferenceType weakref.finalize weakref.finalize._Info builtin_function_or_method int"),
            keys="weakref.finalize",
        ),
    ),
    "sys_modules_entries": (
        "only-grows",
        seen(
            "sys.modules: interpreter ─ [*]: module",
            depth=1,
            types=("module str"),
            keys="str 'leakdiff_plant_' + 11 characters",
        ),
    ),
    "classes_kept": (
        "class-in-a-loop",
        seen(
            "app: module ─ ._row_types: list ─ [*]: class app.SelectedRow",
            types=("tuple*2 dict type"),
            rates={"native_bytes": 1753.4},
        ),
    ),
    "warning_registry": (
        "warning-registry",
        seen(
            "app: module ─ .__warningregistry__: dict",
            types=("bool tuple"),
            keys="tuple(str, type, int)",
        ),
    ),
    "linecache_entries": (
        "linecache",
        seen(
            "linecache: module ─ .cache: dict ─ [*]: tuple",
            types=("str*3 list tuple"),
            keys="str 16 characters",
        ),
    ),
    "loggers_by_name": (
        "logger-per-name",
        seen(
            "app: module ─ ._logger: logging.Logger ─ .manager: logging.Manager ─ .loggerDict: dict ─ "
            "[*]: logging.PlaceHolder ─ .loggerMap: dict ─  key: logging.Logger",
            depth=6,
            types=("logging.Logger list*2 NoneType dict str"),
            keys="logging.Logger",
        ),
    ),
    "handlers_on_logger": (
        "listener-never-removed",
        seen(
            "app: module ─ ._logger: logging.Logger ─ .handlers: list ─ [*]: logging.NullHandler",
            depth=3,
            types=("logging.NullHandler list"),
        ),
    ),
    "threads_never_joined": (
        "threads-never-joined",
        seen(
            "threading: module ─ ._active: dict ─ [*]: app.Watcher",
            types=("_thread.lock*4 collections.deque*2 threading.Condition*2 threading.Event*2 app.Watcher"),
            keys="int",
            rates={"threads": 1.0, "native_bytes": 2688.0},
        ),
    ),
    "files_never_closed": (
        "never-closed",
        seen(
            "app: module ─ ._open_files: list ─ [*]: _io.BufferedReader",
            types=("_io.BufferedReader _io.FileIO dict"),
            rates={"fds": 1.0, "native_bytes": 4168.7},
        ),
    ),
    "raw_descriptors": (
        "never-closed",
        seen(
            "native: file descriptors, no referrer: native",
            depth=1,
            is_owned=False,
            owner_type="file descriptors",
            entries=None,
            rates={"fds": 1.0},
        ),
    ),
    "thread_timers": (
        "pending-timer",
        seen(
            "threading: module ─ ._active: dict ─ [*]: threading.Timer",
            types=("_thread.lock*4 collections.deque*2 threading.Condition*2 threading.Event*2 threading.Timer"),
            keys="int",
            rates={"threads": 1.0, "native_bytes": 2688.0},
        ),
    ),
    "sockets_never_closed": (
        "never-closed",
        seen(
            "app: module ─ ._connections: dict ─ [*]: tuple ─ [*]: socket.socket",
            types=("socket.socket*2 int tuple"),
            keys="int sequential",
            rates={"fds": 2.0},
        ),
    ),
    "connections_never_closed": (
        "never-closed",
        seen(
            "app: module ─ ._pool: app.Pool ─ .opened: list ─ [*]: sqlite3.Connection",
            depth=3,
            types=(
                "functools._lru_cache_wrapper functools._lru_list_elem sqlite3.Connection "
                "sqlite3.Statement weakref.ReferenceType"
            ),
            rates={"native_bytes": 17246.5},
        ),
    ),
    "cursors_never_closed": (
        "never-closed",
        seen(
            "app: module ─ ._database: app.Database ─ .asked: list ─ [*]: sqlite3.Cursor",
            depth=3,
            types=("sqlite3.Cursor sqlite3.Statement tuple*2"),
            rates={"native_bytes": 1757.1},
        ),
    ),
    "leaked_reference_to_str": (
        "leaked-references",
        seen(
            "native: leaked references, no referrer: native",
            depth=1,
            is_owned=False,
            owner_type="leaked references",
            entries=None,
            verdict=Verdict.NATIVE,
        ),
    ),
    "leaked_reference_to_object": (
        "leaked-references",
        seen(
            "no referrer: held by C code: native ─ app.Token: app.Token ─ .parts: list",
            depth=1,
            types=("app.Token list"),
            is_owned=False,
            owner_type="app.Token",
            entries=None,
            verdict=Verdict.NATIVE,
        ),
    ),
    "malloc_sixteen": (
        "native-heap",
        seen(
            "native: C heap, no referrer: native",
            depth=1,
            is_owned=False,
            owner_type="C heap",
            entries=None,
            verdict=Verdict.NATIVE,
        ),
    ),
    "numpy_object_cycle": (
        "uncollectable-cycle",
        seen(
            "no referrer: held by C code: native ─ app.Cell: app.Cell ─ .grid: app.Grid ─ [*]: "
            "numpy.ndarray ─ [*]: app.Cell",
            depth=1,
            types=("app.Cell*4 app.Grid numpy.ndarray"),
            is_owned=False,
            owner_type="app.Cell",
            entries=None,
            verdict=Verdict.NATIVE,
        ),
    ),
    "garbage_saved": (
        "uncollectable-cycle",
        seen(
            "gc: module ─ .garbage: list ─ [*]: app.Session",
            types=("app.Session cell method function*0.3 set*0.3"),
            entries=2,
        ),
    ),
    "one_in_a_thousand": (
        "only-grows",
        seen(
            "app: module ─ ._slow_queries: list ─ [*]: app.SlowQuery",
            types=("app.SlowQuery"),
            entries=0.000992,
        ),
    ),
}
