"""A heap of a chosen size, the steps that are run on it, and the clocks: what the measurements share."""

from __future__ import annotations

import ctypes
import gc
import itertools
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

UNITS = 101
_PER_ORDER = 8  # tracked objects of an order, itself included
_PER_SHARD = 1_000


# --- The heap that was there before ---------------------------------------------------------------


class Line:
    """One line of an order, with slots."""

    __slots__ = ("amount", "article", "order")

    def __init__(self, order: Order, article: str, amount: int) -> None:
        self.order, self.article, self.amount = order, article, amount


class Order:
    """An order with lines that point back at it, a history of tuples, and dicts."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.customer = f"customer-{number % 5_000}"
        self.lines = [Line(self, f"article-{number % 977}", 1), Line(self, "postage", number % 7)]
        self.totals = {"net": [number, number * 2], "lines": self.lines}
        self.history = [("created", self.totals)]
        self.labels = {"region": "north", "channel": str(number)}  # atoms only: untracked up to 3.13


HEAP: dict[str, dict[int, Order]] = {}


def build_heap(objects: int) -> int:
    """Fill the module's heap and return how many objects gc tracks then."""
    orders = max(0, objects - len(gc.get_objects())) // _PER_ORDER
    gc.disable()
    for number in range(orders):
        shard = HEAP.setdefault(f"shard-{number // _PER_SHARD}", {})
        shard[number] = Order(number)
    gc.enable()
    gc.collect()
    return len(gc.get_objects())


# --- Steps ----------------------------------------------------------------------------------------


class Request:
    """What a unit of work makes."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.body = {"id": number, "path": ["orders", str(number)]}


inflight: dict[str, Request] = {}
slow_requests: list[Request] = []
_numbers = itertools.count(1)


def clean(units: int) -> None:
    """Serve requests and forget them."""
    for number in itertools.islice(_numbers, units):
        key = f"req-{number:08x}"
        inflight[key] = Request(number)
        del inflight[key]


def leaking(units: int) -> None:
    """Serve requests and keep each under its id."""
    for number in itertools.islice(_numbers, units):
        inflight[f"req-{number:08x}"] = Request(number)


def rarely_leaking(units: int) -> None:
    """Serve requests and keep every thousandth."""
    for number in itertools.islice(_numbers, units):
        request = Request(number)
        if number % 1_000 == 0:
            slow_requests.append(request)


_malloc = ctypes.CDLL(None).malloc
_malloc.argtypes, _malloc.restype = [ctypes.c_size_t], ctypes.c_void_p


def leak_malloc(units: int) -> None:
    """Take 16 bytes from C a unit, and forget their address."""
    for _ in range(units):
        _malloc(16)


# --- Clocks ---------------------------------------------------------------------------------------


def cpu_of(work: Callable[..., object], *args: object) -> float:
    """Return the CPU seconds of this process while something runs."""
    started = time.process_time()
    work(*args)
    return time.process_time() - started


class PeakMemory:
    """The most memory this process takes above what it has now, in bytes."""

    def __init__(self) -> None:
        gc.collect()
        self._can_reset = _reset_peak()
        self._before = _memory_now()

    def extra(self) -> int:
        """Return the peak so far beyond the start."""
        peak = _status("VmHWM") if self._can_reset else _peak_ever()
        return max(0, peak - self._before)


def _reset_peak() -> bool:
    """Let Linux count the peak anew: ru_maxrss still knows what building the heap took."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status(field: str) -> int:
    for text in Path("/proc/self/status").read_text().splitlines():
        if text.startswith(field + ":"):
            return int(text.split()[1]) * 1024
    raise LookupError(field)


def _memory_now() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _peak_ever() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


Span = tuple[float, float]


class StallWatch:
    """A thread that wants to run every millisecond, and knows when it could not."""

    def __init__(self, worth: float = 0.003) -> None:
        self.gaps: list[Span] = []
        self.spent: list[float] = []  # CPU seconds of the process in each gap: less where the machine was busy
        self.places: list[str] = []
        self.collections: list[Span] = []
        self._worth = worth
        self._stop = threading.Event()
        self._started = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Tick while the block runs; note each collection as well."""
        thread = threading.Thread(target=self._tick, args=(threading.get_ident(),), name="ticker")
        gc.callbacks.append(self._note_collection)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            gc.callbacks.remove(self._note_collection)

    def longest(self) -> float:
        """Return the longest gap, in seconds."""
        return max((end - begin for begin, end in self.gaps), default=0.0)

    def longest_outside_collections(self) -> tuple[float, str]:
        """Return the longest gap without the collections in it, and where the work was at its end."""
        own = [(self._without_collections(gap), place) for gap, place in zip(self.gaps, self.places, strict=True)]
        return max(own, default=(0.0, ""))

    def longest_of_ours(self) -> float:
        """Return the longest gap outside collections in which this process ran, rather than others on its CPU."""
        own = (min(self._without_collections(gap), spent) for gap, spent in zip(self.gaps, self.spent, strict=True))
        return max(own, default=0.0)

    def longest_collection(self) -> float:
        """Return how long the longest collection took, in seconds."""
        return max((end - begin for begin, end in self.collections), default=0.0)

    def _without_collections(self, gap: Span) -> float:
        begin, end = gap
        inside = sum(max(0.0, min(end, stop) - max(begin, start)) for start, stop in self.collections)
        return end - begin - inside

    def _tick(self, watched: int) -> None:
        last, spent = time.perf_counter(), time.process_time()
        while not self._stop.is_set():
            time.sleep(0.001)
            now, spent_now = time.perf_counter(), time.process_time()
            if now - last > self._worth:
                self.gaps.append((last, now))
                self.spent.append(spent_now - spent)
                self.places.append(_place_of(watched))
            last, spent = now, spent_now

    def _note_collection(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._started = time.perf_counter()
        else:
            self.collections.append((self._started, time.perf_counter()))


def _place_of(thread: int) -> str:
    """Say where a thread is, by file, line and function."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the only way to another thread's frame
    if frame is None:
        return ""
    code = frame.f_code
    return f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name}"
