"""How each cause shows itself: one rule for each, the surest first.

A rule reads the steps of the path (labels and types), what grows and the rates; names of the standard library are
all it knows by heart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import attrs

from leakdiff.model.code import CodeSite
from leakdiff.model.heap import Step
from leakdiff.model.native import C_HEAP, FROZEN, HIDDEN_CYCLE, UNCOLLECTED
from leakdiff.model.owner import AT_EXIT
from leakdiff.model.report import Finding, Verdict
from leakdiff.model.signals import LEAST_BLOCKS, LEAST_NATIVE

ENTRY = "[*]"
_EACH = 0.3  # of a type to an entry: fewer are not part of every entry
_THREADS_TO_ENTRIES = 0.5
_LEAST_CONNECTION = 256.0  # native bytes that an open SQLite connection or cursor takes, at least

_SETS = ("set", "frozenset")
_PLAIN = ("tuple", "list", "dict", "set", "frozenset", "collections.OrderedDict", "collections.deque")
_WITH_BUFFER = ("_io.BytesIO", "_io.StringIO")
_FUTURES = ("_asyncio.Future", "asyncio.futures.Future", "concurrent.futures._base.Future")
_TASKS = ("_asyncio.Task", "asyncio.tasks.Task")
_AWAITED = ("_asyncio.FutureIter",)  # between a coroutine that waits and what it waits for
_TIMERS = ("asyncio.events.TimerHandle", "threading.Timer", "sched.Event")
_GREENLETS = ("greenlet.greenlet", "gevent.greenlet.Greenlet", "gevent._gevent_cgreenlet.Greenlet")
_QUEUES = {  # the types that are queues, and where each keeps what waits
    "queue.Queue": ".queue",
    "queue.LifoQueue": ".queue",
    "queue.PriorityQueue": ".queue",
    "asyncio.queues.Queue": "._queue",
    "asyncio.queues.LifoQueue": "._queue",
    "asyncio.queues.PriorityQueue": "._queue",
    "multiprocessing.queues.Queue": "._buffer",
    "multiprocessing.queues.JoinableQueue": "._buffer",
    "_queue.SimpleQueue": " entries",
}
_EXIT_STACKS = ("contextlib.ExitStack", "contextlib.AsyncExitStack")
_SUSPENDED = ("generator", "async_generator")
_WITH_DESCRIPTOR = (
    "_io.FileIO",
    "_io.BufferedReader",
    "_io.BufferedWriter",
    "_io.BufferedRandom",
    "_io.TextIOWrapper",
    "socket.socket",
    "_socket.socket",
    "ssl.SSLSocket",
    "mmap.mmap",
    "select.epoll",
    "subprocess.Popen",
    "posix.ScandirIterator",
    "multiprocessing.connection.Connection",
)
_WITH_MEMORY = ("sqlite3.Connection", "sqlite3.Cursor", "sqlite3.Blob")
_LOGGING = ("logging.Manager", "logging.PlaceHolder")
_LOGGERS = ("logging.Logger", "logging.RootLogger")
_LRU_CACHE = "functools._lru_cache_wrapper"
_METHODS = ("method", "weakref.WeakMethod")
_CALLABLES = (*_METHODS, "functools.partial", "builtin_function_or_method")
_CALLED_SO = re.compile(r"(listener|handler|callback|receiver|subscri|observer|hook|watcher)s?", re.IGNORECASE)
_OF_ONE = ("del", "pop", "remove", "discard")  # removals of one entry by its key or value
_FIRST_OF_KEY = re.compile(r"tuple\(([\w.<>]+\.[\w<>]+)[,)]")


@attrs.frozen
class Growing:
    """A finding as the rules read it.

    Attributes:
        finding: The finding.
        rates: Rates of the whole process by signal.
        way: Steps from the root to the owner, without the entries at its end (``_seen`` for ``_seen[*]``) and without
            the buffer of a file in memory.
        below: Steps from the owner to what grows.
    """

    finding: Finding
    rates: Mapping[str, float]
    way: tuple[Step, ...]
    below: tuple[Step, ...]

    @property
    def root(self) -> Step:
        """The first step; its type is the kind of root."""
        return self.way[0] if self.way else Step("", "")

    @property
    def name(self) -> str:
        """The label under which the owner is kept."""
        return self.way[-1].label if self.way else ""

    @property
    def holder(self) -> str:
        """The type of what keeps the owner under that label; the kind of root at the top."""
        return self.way[-2].type if len(self.way) > 1 else ""

    @property
    def rate(self) -> float:
        """Entries per unit, or else objects of the most numerous type."""
        counted = self.finding.entries_per_unit
        return counted or max((growth.per_unit for growth in self.finding.types), default=0.0)

    def has_each(self, *names: str) -> bool:
        """Tell whether an object of one of these types comes with every entry."""
        least = _EACH * self.rate
        return any(growth.name in names and growth.per_unit >= least > 0 for growth in self.finding.types)

    def passes(self, *names: str) -> bool:
        """Tell whether the path to the owner goes through one of these types."""
        return any(step.type in names for step in self.way)

    def is_at(self, root: str, label: str) -> bool:
        """Tell whether the owner stands under a name of one module or class."""
        return len(self.way) == 2 and self.root.label == root and self.name == label

    @property
    def is_owned(self) -> bool:
        """Whether a Python object owns it."""
        return self.finding.owner is not None

    @property
    def is_buffer(self) -> bool:
        """Whether it grows in bytes alone: a text, a buffer, an array."""
        grows_alone = not self.finding.types and self.finding.entries_per_unit is None
        return self.is_owned and grows_alone and self.finding.owner_type not in _PLAIN

    @property
    def has_keys(self) -> bool:
        """Whether its entries are found by key or are members of a set."""
        return self.finding.key_shape is not None or self.finding.owner_type in _SETS


Rule = Callable[[Growing], bool]


def growing(finding: Finding, rates: Mapping[str, float]) -> Growing:
    """Cut a finding's path where the rules look at it."""
    owner, below = finding.path[: finding.depth], finding.path[finding.depth :]
    end = len(owner)
    while end > 1 and (owner[end - 1].label == ENTRY or owner[end - 2].type in _WITH_BUFFER):
        end -= 1
    return Growing(finding, rates, owner[:end], below)


# -- what no Python object owns --------------------------------------------------------------------


def registered_at_exit(seen: Growing) -> bool:
    """Claim it where ``atexit`` counts more, or where the line that made them registers with it."""
    if seen.finding.owner == AT_EXIT:
        return True
    native = seen.finding.native
    called = native is not None and any(call.function.startswith("atexit.") for call in native.calls)
    told = any("atexit.register(" in site.code for site in seen.finding.sites)
    return seen.finding.verdict is Verdict.NATIVE and (called or told)


def cycle_not_freed(seen: Growing) -> bool:
    """Claim it for ``gc.garbage``, and for objects without a holder that lead back to themselves by way of others."""
    if seen.is_owned:
        return seen.root.label == "gc" and len(seen.way) > 1 and seen.way[1].label == ".garbage"
    native = seen.finding.native
    if native is not None:
        return native.kind in (HIDDEN_CYCLE, FROZEN)
    if seen.finding.owner_type == UNCOLLECTED:
        return True
    kinds = [step.type for step in seen.finding.path[1:]]
    return len(set(kinds)) > 2 and kinds[0] == kinds[-1]


def descriptors_left_open(seen: Growing) -> bool:
    """Claim it for descriptors that no object holds."""
    return not seen.is_owned and seen.finding.owner_type == "file descriptors"


def freed_but_not_given_back(seen: Growing) -> bool:
    """Claim it where the process grows, and nothing that is in use does."""
    used = seen.rates.get("blocks"), seen.rates.get("native_bytes")
    if seen.is_owned or seen.rates.get("rss", 0.0) <= 0 or used[0] is None or used[1] is None:
        return False
    return used[0] < LEAST_BLOCKS and used[1] < LEAST_NATIVE


def c_heap_grows(seen: Growing) -> bool:
    """Claim it for memory in use that is not Python's."""
    return not seen.is_owned and seen.finding.verdict is Verdict.NATIVE and seen.finding.owner_type == C_HEAP


def references_leaked(seen: Growing) -> bool:
    """Claim it for what is alive without a holder and is none of the above."""
    return not seen.is_owned and seen.finding.verdict is Verdict.NATIVE


# -- registries of the interpreter -----------------------------------------------------------------


def finalizers_stay(seen: Growing) -> bool:
    """Claim it for the registry of ``weakref.finalize``, and for that of ``multiprocessing``."""
    return seen.is_at("weakref.finalize", "._registry") or seen.is_at("multiprocessing.util", "._finalizer_registry")


def warnings_remembered(seen: Growing) -> bool:
    """Claim it for the registry of any module."""
    return seen.name == ".__warningregistry__" or seen.is_at("warnings", ".onceregistry")


def source_remembered(seen: Growing) -> bool:
    """Claim it for what ``linecache`` holds."""
    return seen.is_at("linecache", ".cache")


def logger_for_each(seen: Growing) -> bool:
    """Claim it for the manager's loggers by name, and for the children of one."""
    return seen.passes(*_LOGGING) or (seen.has_each("logging.Logger") and seen.name in (".loggerDict", ".loggerMap"))


# -- functions -------------------------------------------------------------------------------------


def cache_holds_self(seen: Growing) -> bool:
    """Claim it for a cache in a class whose keys begin with an object that has a class of its own.

    A class method's keys begin with the class, whose type is a metaclass: that is no instance.
    """
    if not cache_without_bound(seen) or "classmethod" in [step.type for step in seen.way]:
        return False
    at = next(number for number, step in enumerate(seen.way) if step.type == _LRU_CACHE)
    in_class = seen.way[at - 1].type == "class" or seen.way[at - 1].type.startswith("class ")
    first = _FIRST_OF_KEY.match(seen.finding.key_shape or "")
    of_same = seen.has_each(seen.way[at - 1].label if seen.way[at - 1].type == "class" else "")
    return in_class and (first is not None or of_same)


def cache_without_bound(seen: Growing) -> bool:
    """Claim it for the entries of an ``lru_cache`` that has no bound, not for what a result holds."""
    return _LRU_CACHE in (seen.finding.owner_type, seen.holder) and seen.finding.bound is None


def default_argument(seen: Growing) -> bool:
    """Claim it for a default, and for the attributes of one."""
    return any(step.label.startswith((".__defaults__[", ".__kwdefaults__[")) for step in seen.way[-2:])


def variable_of_closure(seen: Growing) -> bool:
    """Claim it for a container that is itself the variable."""
    return seen.name.startswith(" closure ") and seen.is_owned and not seen.is_buffer


# -- what waits ------------------------------------------------------------------------------------


def queue_fills(seen: Growing) -> bool:
    """Claim it for the entries of a queue; not for those who wait for it."""
    if seen.finding.owner_type == "_queue.SimpleQueue":
        return True
    return _QUEUES.get(seen.holder) == seen.name and seen.is_owned


def tasks_wait(seen: Growing) -> bool:
    """Claim it for tasks of which it is seen that they wait."""
    return seen.has_each(*_TASKS) and (bool(seen.finding.waiting) or seen.has_each(*_AWAITED))


def timers_wait(seen: Growing) -> bool:
    """Claim it for timers of event loops, threads and schedulers."""
    return seen.has_each(*_TIMERS)


def greenlets_wait(seen: Growing) -> bool:
    """Claim it for greenlets kept."""
    return seen.has_each(*_GREENLETS) or bool(seen.below and seen.below[0].type in _GREENLETS)


def futures_kept(seen: Growing) -> bool:
    """Claim it where the entries themselves are futures or tasks."""
    return bool(seen.below) and seen.below[0].type in (*_FUTURES, *_TASKS)


def threads_stay(seen: Growing) -> bool:
    """Claim it for the running threads' own list, and for whoever holds as many thread objects as threads run."""
    if seen.root.label == "threading" and seen.name in ("._active", "._limbo", "._shutdown_locks"):
        return True
    as_many = seen.rates.get("threads", 0.0) >= _THREADS_TO_ENTRIES * seen.rate > 0
    return as_many and seen.has_each("threading.Thread", "_thread._ThreadHandle", "threading.Event")


# -- what is not closed or removed -----------------------------------------------------------------


def stack_never_left(seen: Growing) -> bool:
    """Claim it for what an ``ExitStack`` is to leave, and for entries that are or hold a suspended generator."""
    if seen.holder in _EXIT_STACKS or seen.has_each(*_SUSPENDED):
        return True
    return seen.has_each("coroutine") and not seen.has_each(*_TASKS)


def left_open(seen: Growing) -> bool:
    """Claim it for entries with something open: what has a descriptor only if descriptors grow with them."""
    if seen.has_each(*_WITH_DESCRIPTOR):
        return seen.rates.get("fds", seen.rate) >= _EACH * seen.rate
    return seen.has_each(*_WITH_MEMORY) and seen.rates.get("native_bytes", _LEAST_CONNECTION) >= _LEAST_CONNECTION


def exceptions_stay(seen: Growing) -> bool:
    """Claim it where a traceback comes with every entry, or is what grows."""
    return seen.is_owned and (seen.finding.owner_type == "traceback" or seen.has_each("traceback"))


def listeners_stay(seen: Growing) -> bool:
    """Claim it for entries that are to be called: methods, or any callable under a name that says so."""
    if seen.holder in _FUTURES or (seen.holder in _LOGGERS and seen.name == ".handlers"):
        return True
    entry = _entry_of(seen.below, seen.finding.key_shape)
    if entry in _METHODS or (entry in ("functools.partial", "function") and not seen.has_keys):
        return True
    is_called_so = any(_CALLED_SO.search(step.label) for step in seen.way[1:])
    return is_called_so and (entry in (*_CALLABLES, "function") or seen.has_each(*_CALLABLES, "function"))


def _entry_of(below: Sequence[Step], key_shape: str | None) -> str:
    """Return the type of what an entry is or, where that is a plain container, of what stands in it."""
    if key_shape in _METHODS:
        return "method"
    kinds = [step.type for step in below[:3]]
    entry = next((kind for kind in kinds if kind not in _PLAIN), "")
    return "function" if entry.startswith("function ") else entry


def classes_made(seen: Growing) -> bool:
    """Claim it where the entries are classes, or each brings one along."""
    entry = _entry_of(seen.below, None)
    return entry.startswith("class ") or seen.has_each("type", "abc.ABCMeta", "enum.EnumType")


# -- what lives as long as something that runs -----------------------------------------------------


def variable_of_context(seen: Growing) -> bool:
    """Claim it for the value of a context variable."""
    return seen.name.startswith(" variable ") or (seen.root.type == "context" and len(seen.way) == 2)


def value_of_thread(seen: Growing) -> bool:
    """Claim it for a value of a ``threading.local``."""
    return seen.holder == "_thread._local" or seen.holder.endswith(" (thread-local)")


def local_of_thread(seen: Growing) -> bool:
    """Claim it for a local of a function that runs in another thread."""
    return seen.root.type == "frame" and " in thread " in seen.root.label and _is_local(seen.way)


def local_of_suspended(seen: Growing) -> bool:
    """Claim it for a local of a coroutine, generator or greenlet."""
    if seen.name.startswith(" greenlet local "):
        return True
    return _is_local(seen.way) and seen.holder.startswith(("coroutine ", "generator ", "async_generator "))


def _is_local(way: Sequence[Step]) -> bool:
    return len(way) > 1 and way[-1].label.startswith(" local ")


# -- where it is kept ------------------------------------------------------------------------------


def buffer_in_global(seen: Growing) -> bool:
    """Claim it for a text or buffer under a name of a module or class."""
    return seen.is_buffer and len(seen.way) == 2 and seen.root.type in ("module", "class")


def buffer_grows(seen: Growing) -> bool:
    """Claim it for every other text or buffer."""
    return seen.is_buffer


def removed_in_branch(seen: Growing) -> bool:
    """Claim it where what is put in is taken out as well, but not always.

    Throwing old entries out, or all of them, is another matter: that is not the removal of what was put in. Nor is a
    removal in a function that nobody calls.
    """
    code = seen.finding.code
    if code is None or code.bound is not None:
        return False
    return any(_is_missed(gone) for gone in code.gones)


def _is_missed(gone: CodeSite) -> bool:
    """Tell whether a removal of one entry surely stands in a branch, or after a way out."""
    in_branch = gone.only.startswith(("only if ", "only except ", "not if ")) and "len(" not in gone.only
    in_branch = in_branch and "which nothing in" not in gone.only
    return gone.is_sure and in_branch and gone.how in _OF_ONE


def map_in_module(seen: Growing) -> bool:
    """Claim it for what has keys and stands under a name of a module."""
    return seen.has_keys and len(seen.way) == 2 and seen.root.type == "module"


def map_on_class(seen: Growing) -> bool:
    """Claim it for what has keys and is an attribute of a class."""
    is_attribute = seen.holder == "class" or seen.holder.startswith("class ")
    return seen.has_keys and seen.name.startswith(".") and is_attribute


def map_on_instance(seen: Growing) -> bool:
    """Claim it for what has keys and is an attribute of any other object; not for weak mappings."""
    is_instance = "." in seen.holder and not seen.holder.startswith(("weakref.", "_weakrefset."))
    return seen.has_keys and seen.name.startswith(".") and is_instance


def grows_all_the_same(seen: Growing) -> bool:
    """Claim it for every owner that leaks."""
    return seen.is_owned and seen.finding.verdict is Verdict.LEAK


RULES: tuple[tuple[str, Rule], ...] = (
    ("atexit-registry", registered_at_exit),
    ("uncollectable-cycle", cycle_not_freed),
    ("never-closed", descriptors_left_open),
    ("native-heap", c_heap_grows),
    ("leaked-references", references_leaked),
    ("fragmentation", freed_but_not_given_back),
    ("finalize-registry", finalizers_stay),
    ("warning-registry", warnings_remembered),
    ("linecache", source_remembered),
    ("logger-per-name", logger_for_each),
    ("lru-cache-on-method", cache_holds_self),
    ("unbounded-lru-cache", cache_without_bound),
    ("mutable-default", default_argument),
    ("queue-not-drained", queue_fills),
    ("exception-kept", exceptions_stay),
    ("pending-task", tasks_wait),
    ("pending-timer", timers_wait),
    ("threads-never-joined", threads_stay),
    ("pending-greenlet", greenlets_wait),
    ("never-exited", stack_never_left),
    ("never-closed", left_open),
    ("listener-never-removed", listeners_stay),
    ("class-in-a-loop", classes_made),
    ("pending-future", futures_kept),
    ("context-variable", variable_of_context),
    ("thread-local", value_of_thread),
    ("thread-accumulates", local_of_thread),
    ("task-accumulates", local_of_suspended),
    ("closure-grows", variable_of_closure),
    ("large-global", buffer_in_global),
    ("growing-buffer", buffer_grows),
    ("removal-not-always", removed_in_branch),
    ("unbounded-module-cache", map_in_module),
    ("unbounded-class-cache", map_on_class),
    ("unbounded-instance-cache", map_on_instance),
    ("only-grows", grows_all_the_same),
)
"""Every rule with the slug of its cause, in the order in which they are asked; the first that fits is right."""
