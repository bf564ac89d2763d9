"""The list of planted leaks: what each is, and what leakdiff must say about it."""

from __future__ import annotations

from typing import Final

import attrs

_PACKAGE: Final = "leakdiff.selftest_plants"


def _module_of(plant: Plant) -> str:
    return f"{_PACKAGE}.{plant.name}"


@attrs.frozen(kw_only=True)
class Plant:
    """One planted leak, its clean twin, and the truth about both.

    Attributes:
        name: The plant's name, which is also its module's.
        what: What leaks, in a few words.
        expect: The verdict on the leak, ``"LEAK"`` or ``"NATIVE"``; ``"STABLE"`` where
            memory is high without a leak. None when only the twin exists.
        owner: Text that the owner or the path of the first finding must contain.
            None when no Python object owns the growth: to name one is a defect.
        cause: The slug of the cause of the first finding; None where none is claimed.
        units: Calls of the workload in a round.
        twin_expect: The verdicts on the twin that are right.
        needs: An optional module without which the plant cannot run.
        module: The dotted name of the module to import.
    """

    name: str
    what: str
    expect: str | None
    owner: str | None
    cause: str | None = None
    units: int = 101
    twin_expect: tuple[str, ...] = ("STABLE",)
    needs: str | None = None
    module: str = attrs.field(default=attrs.Factory(_module_of, takes_self=True))

    @property
    def leak(self) -> str | None:
        """The leak as ``leakdiff check`` takes it, or None without a leak."""
        return None if self.expect is None else f"{self.module}:leak"

    @property
    def clean(self) -> str:
        """The twin as ``leakdiff check`` takes it."""
        return f"{self.module}:clean"


_CONTAINERS: Final = (
    Plant(
        name="dict_by_request_id",
        what="dict keyed by request id",
        expect="LEAK",
        owner="_orders",
        cause="unbounded-module-cache",
    ),
    Plant(
        name="dict_of_str_to_bytes",
        what="dict of str to bytes, untracked by gc up to 3.13",
        expect="LEAK",
        owner="_etags",
        cause="unbounded-module-cache",
    ),
    Plant(
        name="set_of_strings",
        what="set of strings",
        expect="LEAK",
        owner="_seen_tokens",
        cause="unbounded-module-cache",
    ),
    Plant(
        name="deque_without_maxlen",
        what="deque without maxlen; the twin's is full",
        expect="LEAK",
        owner="_events",
        cause="only-grows",
    ),
    Plant(
        name="queue_nobody_drains",
        what="queue.Queue that nobody drains",
        expect="LEAK",
        owner="_outbox",
        cause="queue-not-drained",
    ),
    Plant(
        name="simple_queue_nobody_drains",
        what="queue.SimpleQueue that nobody drains",
        expect="LEAK",
        owner="_backlog",
        cause="queue-not-drained",
    ),
    Plant(
        name="linked_list",
        what="linked list whose head is replaced every time",
        expect="LEAK",
        owner="head",
        cause="only-grows",
    ),
    Plant(
        name="list_rebuilt",
        what="list built anew under the same attribute",
        expect="LEAK",
        owner="items",
        cause="only-grows",
    ),
    Plant(
        name="conditional_removal",
        what="dict of orders in flight, removed from in one branch only",
        expect="LEAK",
        owner="_in_flight",
        cause="removal-not-always",
    ),
    Plant(
        name="asyncio_queue_nobody_drains",
        what="asyncio.Queue that nobody drains",
        expect="LEAK",
        owner="lines",
        cause="queue-not-drained",
    ),
    Plant(
        name="executor_backlog",
        what="work submitted to an executor that is stuck",
        expect="LEAK",
        owner="_work_queue",
        cause="queue-not-drained",
    ),
)

_ATTRIBUTES: Final = (
    Plant(
        name="instance_attribute_list",
        what="list on an instance attribute",
        expect="LEAK",
        owner="letters",
        cause="only-grows",
    ),
    Plant(
        name="class_attribute_list",
        what="list on a class attribute",
        expect="LEAK",
        owner="trail",
        cause="only-grows",
    ),
    Plant(
        name="slots_instance",
        what="list in a slot of an instance without __dict__",
        expect="LEAK",
        owner="rows",
        cause="only-grows",
    ),
    Plant(
        name="listener_never_removed",
        what="listener never removed: bound methods in a list",
        expect="LEAK",
        owner="listeners",
        cause="listener-never-removed",
    ),
    Plant(
        name="exceptions_kept",
        what="exceptions kept with their tracebacks",
        expect="LEAK",
        owner="_failures",
        cause="exception-kept",
    ),
    Plant(
        name="instance_cache",
        what="dict on an instance, a cache without a bound",
        expect="LEAK",
        owner="found",
        cause="unbounded-instance-cache",
    ),
    Plant(
        name="class_cache",
        what="dict on a class, a cache without a bound",
        expect="LEAK",
        owner="known",
        cause="unbounded-class-cache",
    ),
    Plant(
        name="signal_receiver",
        what="signal receiver never disconnected: tuples with bound methods",
        expect="LEAK",
        owner="receivers",
        cause="listener-never-removed",
    ),
    Plant(
        name="done_callbacks",
        what="callback on a future that is never done",
        expect="LEAK",
        owner="stopped",
        cause="listener-never-removed",
    ),
    Plant(
        name="exception_raised_again",
        what="one exception raised again: its traceback grows",
        expect="LEAK",
        owner="_NOT_THERE",
        cause="exception-kept",
    ),
)

_FUNCTIONS: Final = (
    Plant(
        name="mutable_default_argument",
        what="mutable default argument",
        expect="LEAK",
        owner="compile_rule",
        cause="mutable-default",
    ),
    Plant(
        name="closure_variable",
        what="list in a closure",
        expect="LEAK",
        owner="readings",
        cause="closure-grows",
    ),
    Plant(
        name="lru_cache_unbounded",
        what="lru_cache(maxsize=None); the twin's is bounded and full",
        expect="LEAK",
        owner="find_price",
        cause="unbounded-lru-cache",
    ),
    Plant(
        name="cache_on_method",
        what="functools.cache on a method",
        expect="LEAK",
        owner="total",
        cause="lru-cache-on-method",
    ),
    Plant(
        name="closure_cache",
        what="dict in the closure of a decorator, a cache without a bound",
        expect="LEAK",
        owner="results",
        cause="closure-grows",
    ),
)

_FRAMES: Final = (
    Plant(
        name="thread_frame_local",
        what="local variable of a running thread",
        expect="LEAK",
        owner="kept",
        cause="thread-accumulates",
    ),
    Plant(
        name="generator_local",
        what="local variable of a suspended generator",
        expect="LEAK",
        owner="ticks",
        cause="task-accumulates",
    ),
    Plant(
        name="coroutine_local",
        what="local variable of a coroutine in a long-lived task",
        expect="LEAK",
        owner="by_number",
        cause="task-accumulates",
    ),
    Plant(
        name="pending_tasks",
        what="asyncio tasks pending for ever",
        expect="LEAK",
        owner="closing",
        cause="pending-task",
    ),
    Plant(
        name="thread_local",
        what="list in a threading.local",
        expect="LEAK",
        owner="breadcrumbs",
        cause="thread-local",
    ),
    Plant(
        name="context_variable",
        what="list in a context variable",
        expect="LEAK",
        owner="trace",
        cause="context-variable",
    ),
    Plant(
        name="thread_local_list",
        what="list in a plain threading.local",
        expect="LEAK",
        owner="queries",
        cause="thread-local",
    ),
    Plant(
        name="futures_pending",
        what="asyncio futures pending for ever, by number",
        expect="LEAK",
        owner="waiting",
        cause="pending-future",
    ),
    Plant(
        name="timers_pending",
        what="timers of an event loop, never cancelled",
        expect="LEAK",
        owner="_scheduled",
        cause="pending-timer",
        twin_expect=("STABLE", "CHURN"),
    ),
    Plant(
        name="greenlets_pending",
        what="greenlets never switched to again",
        expect="LEAK",
        owner="_started",
        cause="pending-greenlet",
        needs="greenlet",
    ),
    Plant(
        name="exit_stack",
        what="context managers on an ExitStack that stays open",
        expect="LEAK",
        owner="_until_the_end",
        cause="never-exited",
    ),
    Plant(
        name="generators_suspended",
        what="generators kept half read",
        expect="LEAK",
        owner="_reading",
        cause="never-exited",
    ),
)

_GROWN_IN_PLACE: Final = (
    Plant(
        name="bytearray_growing",
        what="bytearray that only grows",
        expect="LEAK",
        owner="_access_log",
        cause="large-global",
    ),
    Plant(
        name="array_growing",
        what="array.array that only grows",
        expect="LEAK",
        owner="_samples",
        cause="large-global",
    ),
    Plant(
        name="bytes_io_growing",
        what="io.BytesIO that only grows",
        expect="LEAK",
        owner="_recording",
        cause="large-global",
    ),
    Plant(
        name="string_io_growing",
        what="io.StringIO that only grows",
        expect="LEAK",
        owner="_transcript",
        cause="large-global",
    ),
    Plant(
        name="bytes_replaced_by_larger",
        what="bytes replaced by larger bytes under the same name",
        expect="LEAK",
        owner="_ledger",
        cause="large-global",
    ),
    Plant(
        name="str_growing_attribute",
        what="str that grows under the same attribute",
        expect="LEAK",
        owner="history",
        cause="growing-buffer",
    ),
)

_REGISTRIES: Final = (
    Plant(
        name="atexit_registry",
        what="function registered with atexit for every unit",
        expect="LEAK",
        owner="atexit callbacks",
        cause="atexit-registry",
    ),
    Plant(
        name="finalize_registry",
        what="weakref.finalize on an object that does not end",
        expect="LEAK",
        owner="_registry",
        cause="finalize-registry",
    ),
    Plant(
        name="sys_modules_entries",
        what="modules entered into sys.modules",
        expect="LEAK",
        owner="modules",
        cause="only-grows",
    ),
    Plant(
        name="classes_kept",
        what="classes made in a loop and kept",
        expect="LEAK",
        owner="_row_types",
        cause="class-in-a-loop",
        twin_expect=("STABLE", "CHURN"),
    ),
    Plant(
        name="warning_registry",
        what="warnings with a text of their own each",
        expect="LEAK",
        owner="__warningregistry__",
        cause="warning-registry",
    ),
    Plant(
        name="linecache_entries",
        what="generated source entered into linecache",
        expect="LEAK",
        owner="linecache.cache",
        cause="linecache",
    ),
    Plant(
        name="loggers_by_name",
        what="logger with a name of its own for every unit",
        expect="LEAK",
        owner="loggerDict",
        cause="logger-per-name",
    ),
    Plant(
        name="handlers_on_logger",
        what="handler added to a logger for every unit",
        expect="LEAK",
        owner="handlers",
        cause="listener-never-removed",
    ),
)

# Few units: a process has no more than some thousand threads or descriptors.
_RESOURCES: Final = (
    Plant(
        name="threads_never_joined",
        what="threads that wait for ever",
        expect="LEAK",
        owner="_active",
        cause="threads-never-joined",
        units=11,
    ),
    Plant(
        name="files_never_closed",
        what="open files kept in a list",
        expect="LEAK",
        owner="_open_files",
        cause="never-closed",
        units=11,
    ),
    Plant(
        name="raw_descriptors",
        what="descriptors from os.open, with no Python object",
        expect="LEAK",
        owner=None,
        cause="never-closed",
        units=11,
    ),
    Plant(
        name="thread_timers",
        what="threading.Timer never cancelled",
        expect="LEAK",
        owner="_active",
        cause="pending-timer",
        units=11,
    ),
    Plant(
        name="sockets_never_closed",
        what="sockets kept in a dict",
        expect="LEAK",
        owner="_connections",
        cause="never-closed",
        units=11,
    ),
    Plant(
        name="connections_never_closed",
        what="SQLite connections kept in a list",
        expect="LEAK",
        owner="opened",
        cause="never-closed",
        units=11,
    ),
    Plant(
        name="cursors_never_closed",
        what="SQLite cursors kept half read",
        expect="LEAK",
        owner="asked",
        cause="never-closed",
    ),
)

_NATIVE: Final = (
    Plant(
        name="leaked_reference_to_str",
        what="reference to a str that C code never gives back",
        expect="NATIVE",
        owner=None,
        cause="leaked-references",
    ),
    Plant(
        name="leaked_reference_to_object",
        what="reference to an object that C code never gives back",
        expect="NATIVE",
        owner=None,
        cause="leaked-references",
    ),
    Plant(
        name="malloc_sixteen",
        what="malloc(16) without free",
        expect="NATIVE",
        owner=None,
        cause="native-heap",
    ),
    Plant(
        name="numpy_object_cycle",
        what="reference cycle through a numpy object array",
        expect="NATIVE",
        owner=None,
        cause="uncollectable-cycle",
        needs="numpy",
    ),
)

_CYCLES: Final = (
    Plant(
        name="garbage_saved",
        what="cycles kept in gc.garbage by a debugging flag",
        expect="LEAK",
        owner="garbage",
        cause="uncollectable-cycle",
    ),
    Plant(
        name="cycles_with_gc_disabled",
        what="cycles made while gc is disabled",
        expect="LEAK",
        owner=None,
        cause="uncollectable-cycle",
    ),
    Plant(
        name="cycles_frozen",
        what="cycles that gc.freeze() hides",
        expect="NATIVE",
        owner=None,
        cause="uncollectable-cycle",
    ),
    Plant(
        name="cycle_through_datetime",
        what="cycle through the time zone of a datetime",
        expect="NATIVE",
        owner=None,
        cause="uncollectable-cycle",
    ),
)

# High is not leaking: neither is judged a leak.
_NO_LEAK: Final = (
    Plant(
        name="fragmentation",
        what="peaks that leave the heap full of holes, which the next peak fills",
        expect="STABLE",
        owner=None,
    ),
)

_SLOW: Final = (
    Plant(
        name="one_in_a_thousand",
        what="one object in 1,000 units",
        expect="LEAK",
        owner="_slow_queries",
        cause="only-grows",
        units=1_009,
    ),
)

_STILL_FILLING: Final = (
    Plant(
        name="filling_deque",
        what="deque(maxlen=100_000) that is still filling",
        expect=None,
        owner="_recent_events",
        twin_expect=("FILLING",),
    ),
    Plant(
        name="filling_lru_cache",
        what="lru_cache(maxsize=100_000) that is still filling",
        expect=None,
        owner="find_price",
        twin_expect=("FILLING",),
    ),
    Plant(
        name="filling_queue",
        what="queue.Queue(maxsize=100_000) that is still filling",
        expect=None,
        owner="_outbox",
        twin_expect=("FILLING",),
    ),
)

PLANTS: Final[tuple[Plant, ...]] = (
    *_CONTAINERS,
    *_ATTRIBUTES,
    *_FUNCTIONS,
    *_FRAMES,
    *_GROWN_IN_PLACE,
    *_REGISTRIES,
    *_RESOURCES,
    *_NATIVE,
    *_CYCLES,
    *_NO_LEAK,
    *_SLOW,
    *_STILL_FILLING,
)
"""Every plant, family by family, in the order in which the self-test runs them."""
