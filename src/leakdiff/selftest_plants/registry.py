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
        expect: The verdict on the leak, ``"LEAK"`` or ``"NATIVE"``. None when there
            is no leak to run and only the twin exists.
        owner: Text that the owner or the path of the first finding must contain.
            None when no Python object owns the growth: to name one is a defect.
        units: Calls of the workload in a round.
        twin_expect: The verdicts on the twin that are right.
        needs: An optional module without which the plant cannot run.
        module: The dotted name of the module to import.
    """

    name: str
    what: str
    expect: str | None
    owner: str | None
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
    ),
    Plant(
        name="dict_of_str_to_bytes",
        what="dict of str to bytes, untracked by gc up to 3.13",
        expect="LEAK",
        owner="_etags",
    ),
    Plant(
        name="set_of_strings",
        what="set of strings",
        expect="LEAK",
        owner="_seen_tokens",
    ),
    Plant(
        name="deque_without_maxlen",
        what="deque without maxlen; the twin's is full",
        expect="LEAK",
        owner="_events",
    ),
    Plant(
        name="queue_nobody_drains",
        what="queue.Queue that nobody drains",
        expect="LEAK",
        owner="_outbox",
    ),
    Plant(
        name="simple_queue_nobody_drains",
        what="queue.SimpleQueue that nobody drains",
        expect="LEAK",
        owner="_backlog",
    ),
    Plant(
        name="linked_list",
        what="linked list whose head is replaced every time",
        expect="LEAK",
        owner="head",
    ),
    Plant(
        name="list_rebuilt",
        what="list built anew under the same attribute",
        expect="LEAK",
        owner="items",
    ),
)

_ATTRIBUTES: Final = (
    Plant(
        name="instance_attribute_list",
        what="list on an instance attribute",
        expect="LEAK",
        owner="letters",
    ),
    Plant(
        name="class_attribute_list",
        what="list on a class attribute",
        expect="LEAK",
        owner="trail",
    ),
    Plant(
        name="slots_instance",
        what="list in a slot of an instance without __dict__",
        expect="LEAK",
        owner="rows",
    ),
    Plant(
        name="listener_never_removed",
        what="listener never removed: bound methods in a list",
        expect="LEAK",
        owner="listeners",
    ),
    Plant(
        name="exceptions_kept",
        what="exceptions kept with their tracebacks",
        expect="LEAK",
        owner="_failures",
    ),
)

_FUNCTIONS: Final = (
    Plant(
        name="mutable_default_argument",
        what="mutable default argument",
        expect="LEAK",
        owner="compile_rule",
    ),
    Plant(
        name="closure_variable",
        what="list in a closure",
        expect="LEAK",
        owner="readings",
    ),
    Plant(
        name="lru_cache_unbounded",
        what="lru_cache(maxsize=None); the twin's is bounded and full",
        expect="LEAK",
        owner="find_price",
    ),
    Plant(
        name="cache_on_method",
        what="functools.cache on a method",
        expect="LEAK",
        owner="total",
    ),
)

_FRAMES: Final = (
    Plant(
        name="thread_frame_local",
        what="local variable of a running thread",
        expect="LEAK",
        owner="kept",
    ),
    Plant(
        name="generator_local",
        what="local variable of a suspended generator",
        expect="LEAK",
        owner="ticks",
    ),
    Plant(
        name="coroutine_local",
        what="local variable of a coroutine in a long-lived task",
        expect="LEAK",
        owner="by_number",
    ),
    Plant(
        name="pending_tasks",
        what="asyncio tasks pending for ever",
        expect="LEAK",
        owner="closing",
    ),
    Plant(
        name="thread_local",
        what="list in a threading.local",
        expect="LEAK",
        owner="breadcrumbs",
    ),
    Plant(
        name="context_variable",
        what="list in a context variable",
        expect="LEAK",
        owner="trace",
    ),
)

_GROWN_IN_PLACE: Final = (
    Plant(
        name="bytearray_growing",
        what="bytearray that only grows",
        expect="LEAK",
        owner="_access_log",
    ),
    Plant(
        name="array_growing",
        what="array.array that only grows",
        expect="LEAK",
        owner="_samples",
    ),
    Plant(
        name="bytes_io_growing",
        what="io.BytesIO that only grows",
        expect="LEAK",
        owner="_recording",
    ),
    Plant(
        name="string_io_growing",
        what="io.StringIO that only grows",
        expect="LEAK",
        owner="_transcript",
    ),
    Plant(
        name="bytes_replaced_by_larger",
        what="bytes replaced by larger bytes under the same name",
        expect="LEAK",
        owner="_ledger",
    ),
    Plant(
        name="str_growing_attribute",
        what="str that grows under the same attribute",
        expect="LEAK",
        owner="history",
    ),
)

_REGISTRIES: Final = (
    Plant(
        name="atexit_registry",
        what="function registered with atexit for every unit",
        expect="NATIVE",
        owner=None,
    ),
    Plant(
        name="finalize_registry",
        what="weakref.finalize on an object that does not end",
        expect="LEAK",
        owner="_registry",
    ),
    Plant(
        name="sys_modules_entries",
        what="modules entered into sys.modules",
        expect="LEAK",
        owner="modules",
    ),
    Plant(
        name="classes_kept",
        what="classes made in a loop and kept",
        expect="LEAK",
        owner="_row_types",
        twin_expect=("STABLE", "CHURN"),
    ),
)

# Few units: a process has no more than some thousand threads or descriptors.
_RESOURCES: Final = (
    Plant(
        name="threads_never_joined",
        what="threads that wait for ever",
        expect="LEAK",
        owner="_active",
        units=11,
    ),
    Plant(
        name="files_never_closed",
        what="open files kept in a list",
        expect="LEAK",
        owner="_open_files",
        units=11,
    ),
    Plant(
        name="raw_descriptors",
        what="descriptors from os.open, with no Python object",
        expect="LEAK",
        owner=None,
        units=11,
    ),
)

_NATIVE: Final = (
    Plant(
        name="leaked_reference_to_str",
        what="reference to a str that C code never gives back",
        expect="NATIVE",
        owner=None,
    ),
    Plant(
        name="leaked_reference_to_object",
        what="reference to an object that C code never gives back",
        expect="NATIVE",
        owner=None,
    ),
    Plant(
        name="malloc_sixteen",
        what="malloc(16) without free",
        expect="NATIVE",
        owner=None,
    ),
    Plant(
        name="numpy_object_cycle",
        what="reference cycle through a numpy object array",
        expect="NATIVE",
        owner=None,
        needs="numpy",
    ),
)

_SLOW: Final = (
    Plant(
        name="one_in_a_thousand",
        what="one object in 1,000 units",
        expect="LEAK",
        owner="_slow_queries",
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
    *_SLOW,
    *_STILL_FILLING,
)
"""Every plant, family by family, in the order in which the self-test runs them."""
