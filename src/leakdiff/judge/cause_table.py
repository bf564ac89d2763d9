"""The kinds of mistake that make a process grow: why each does, and what to do about it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from leakdiff.model.cause import Cause

_CAUSES: Final = (
    Cause(
        slug="unbounded-module-cache",
        title="Map or cache in a module that is never emptied",
        why="A name of a module lives as long as the process. Every new key adds an entry, and none is taken out.",
        fix="remove the entry on every path (try/finally), or bound the map (maxsize, TTL)",
        pattern="""\
orders = {}

def serve(number, order):
    orders[number] = order
    try:
        return handle(order)
    finally:
        del orders[number]
""",
    ),
    Cause(
        slug="unbounded-class-cache",
        title="Map or cache on a class that is never emptied",
        why="An attribute of a class is shared by all its instances and outlives each of them.",
        fix="give each instance its own map, hold the values weakly, or bound the map",
        pattern="""\
import weakref

class Tariff:
    known = weakref.WeakValueDictionary()
""",
    ),
    Cause(
        slug="unbounded-instance-cache",
        title="Map or cache on a long-lived object that is never emptied",
        why="The object lives as long as the process, and so does every entry of its map: new keys only add to it.",
        fix="remove the entry when its work is done, or bound the map and throw the oldest entry out",
        pattern="""\
def remember(self, key, value):
    self.found[key] = value
    if len(self.found) > self.max_found:
        del self.found[next(iter(self.found))]
""",
    ),
    Cause(
        slug="mutable-default",
        title="Mutable default argument",
        why="The default is made once, when the function is defined, and lives as long as the function.",
        fix="default to None, and make the container inside the function",
        pattern="""\
def compile_rule(source, compiled=None):
    if compiled is None:
        compiled = []
    compiled.append(source)
    return compiled
""",
    ),
    Cause(
        slug="closure-grows",
        title="Container in a closure that is never emptied",
        why="A variable of the enclosing function lives as long as the inner function, and only that can reach it.",
        fix="bound it where it is made (deque with maxlen, lru_cache), or keep it on an object that can be emptied",
        pattern="""\
import collections

def make_recorder():
    readings = collections.deque(maxlen=1000)
    return readings.append
""",
    ),
    Cause(
        slug="lru-cache-on-method",
        title="Method with lru_cache or cache: its keys hold self",
        why="The cache belongs to the class, and self is part of every key, so each instance stays with its result.",
        fix="keep the result on the instance (functools.cached_property), or cache a function of plain values",
        pattern="""\
import functools

class Invoice:
    @functools.cached_property
    def total(self):
        return sum(self.lines)
""",
    ),
    Cause(
        slug="unbounded-lru-cache",
        title="Cache of a function without a bound (lru_cache, cache)",
        why="Without a maxsize nothing is ever thrown out: every new argument adds an entry.",
        fix="give it a maxsize: functools.lru_cache(maxsize=1000)",
        pattern="""\
import functools

@functools.lru_cache(maxsize=1000)
def find_price(article):
    return look_up(article)
""",
    ),
    Cause(
        slug="listener-never-removed",
        title="Listener, handler, receiver or callback never removed",
        why="What is listened to lives long, and holds every listener with the object its method belongs to.",
        fix="remove the listener when its owner is done (try/finally), "
        "or hold it by weakref.WeakMethod and drop dead ones",
        pattern="""\
bus.subscribe(connection.deliver)
try:
    connection.serve()
finally:
    bus.unsubscribe(connection.deliver)
""",
    ),
    Cause(
        slug="thread-accumulates",
        title="Thread accumulates in a local variable",
        why="The function never returns, so its local variables live as long as the thread.",
        fix="empty the local after each round of the loop, or bound it",
        pattern="""\
def work(jobs):
    while (batch := jobs.get()) is not None:
        done = []
        for job in batch:
            done.append(job.run())
        report(done)
""",
    ),
    Cause(
        slug="task-accumulates",
        title="Task, generator or greenlet accumulates in a local variable",
        why="While it is suspended its local variables live on, and its loop never ends.",
        fix="empty the local after each round of the loop, or bound it",
        pattern="""\
async def consume(quotes):
    latest = {}
    async for quote in quotes:
        latest[quote.symbol] = quote
        if quote.is_last:
            del latest[quote.symbol]
""",
    ),
    Cause(
        slug="pending-task",
        title="Tasks pending for ever",
        why="Each task waits for something that does not come, nobody cancels it, and it keeps all it works on.",
        fix="cancel the task when its result is no longer wanted, or give it a timeout (asyncio.timeout, TaskGroup)",
        pattern="""\
import asyncio

async def first_of(*tasks):
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return done.pop().result()
""",
    ),
    Cause(
        slug="pending-future",
        title="Futures or tasks kept for ever",
        why="Futures are kept until somebody resolves and forgets them, and for these nobody does.",
        fix="forget the future once it is done or its time is up (add_done_callback, try/finally with a timeout)",
        pattern="""\
import asyncio

async def ask(self, number):
    self.waiting[number] = asyncio.get_running_loop().create_future()
    try:
        async with asyncio.timeout(30):
            return await self.waiting[number]
    finally:
        del self.waiting[number]
""",
    ),
    Cause(
        slug="pending-timer",
        title="Timers never cancelled",
        why="A timer keeps its callback and the arguments until it fires, also when the work is long done.",
        fix="cancel the timer as soon as the work is done (try/finally)",
        pattern="""\
timer = loop.call_later(3600, request.give_up)
try:
    serve(request)
finally:
    timer.cancel()
""",
    ),
    Cause(
        slug="pending-greenlet",
        title="Greenlets never switched to again",
        why="A greenlet that is switched away from keeps its whole stack until it goes on or is killed.",
        fix="kill the greenlet when its result is no longer wanted, or give what it waits for a timeout",
        pattern="""\
def serve(greenlet_to_run, timeout):
    try:
        return greenlet_to_run.get(timeout=timeout)
    finally:
        greenlet_to_run.kill()
""",
    ),
    Cause(
        slug="queue-not-drained",
        title="Queue that nobody drains",
        why="More is put into the queue than is taken out, and it has no size at which producers would have to wait.",
        fix="bound the queue (maxsize) so that producers wait, or add consumers and see that none is stuck",
        pattern="""\
import queue

outbox = queue.Queue(maxsize=1000)
""",
    ),
    Cause(
        slug="large-global",
        title="Large text or buffer in a global that only grows",
        why="Each unit adds to one object under a name of a module or class, and nothing ever cuts it.",
        fix="write it out and start anew once it is large, or stream it instead of keeping it",
        pattern="""\
def log(line):
    buffer.extend(line)
    if len(buffer) > 65536:
        file.write(buffer)
        buffer.clear()
""",
    ),
    Cause(
        slug="growing-buffer",
        title="Text or buffer that only grows",
        why="Each unit adds to one text or buffer of an object that lives on, and nothing ever cuts it.",
        fix="keep only the end of it, or write it out and start anew once it is large",
        pattern="""\
def say(self, line):
    self.history = (self.history + line)[-10000:]
""",
    ),
    Cause(
        slug="never-closed",
        title="File, socket, connection or cursor never closed",
        why="What is open keeps a descriptor, buffers or memory of C code until somebody closes it.",
        fix="close what is opened on every path (with statement)",
        pattern="""\
import contextlib

with open(path) as file, contextlib.closing(connect()) as connection:
    load(file, connection)
""",
    ),
    Cause(
        slug="exception-kept",
        title="Exception kept with its traceback and locals",
        why="An exception holds its traceback, that the frames, and those every local variable they had.",
        fix="keep what you need of it as text (traceback.format_exception), or clear it: error.with_traceback(None)",
        pattern="""\
import traceback

def attempt(job, failures):
    try:
        job()
    except ConnectionError as error:
        failures.append("".join(traceback.format_exception(error)))
""",
    ),
    Cause(
        slug="never-exited",
        title="Generator, coroutine or context manager never closed",
        why="A suspended generator keeps its frame with all locals; an ExitStack keeps all that was entered on it.",
        fix="read generators to the end or close them, and leave context managers with the unit (with statement)",
        pattern="""\
import contextlib

def serve(request):
    with contextlib.ExitStack() as stack:
        workspace = stack.enter_context(make_workspace())
        return request.run(workspace)
""",
    ),
    Cause(
        slug="thread-local",
        title="Thread-local that only grows",
        why="Each thread has its own value, which lives as long as the thread: in a pool, as long as the process.",
        fix="reset the value at the start or end of each unit",
        pattern="""\
def serve(request):
    local.queries = []
    try:
        return handle(request)
    finally:
        local.queries.clear()
""",
    ),
    Cause(
        slug="context-variable",
        title="Context variable that only grows",
        why="All contexts copied from one share its value, so what is appended to it stays for all of them.",
        fix="set a new value for each unit, and reset it by its token",
        pattern="""\
def serve(request):
    token = trace.set([])
    try:
        return handle(request)
    finally:
        trace.reset(token)
""",
    ),
    Cause(
        slug="warning-registry",
        title="Warnings with ever new texts",
        why="A module's __warningregistry__ remembers the text of every warning it gave, so as not to repeat it.",
        fix="let the text not vary (no ids or values in it), or filter the warning with action 'ignore' or 'always'",
        pattern="""\
import warnings

warnings.filterwarnings("ignore", message="order .* has no name")
""",
    ),
    Cause(
        slug="linecache",
        title="Generated source kept in linecache",
        why="Code generated under a file name of its own leaves its source in linecache.cache for tracebacks.",
        fix="generate each class or function once and reuse it, or delete its linecache entry with it",
        pattern="""\
import functools

@functools.lru_cache(maxsize=100)
def row_type(columns):
    return make_class("Row", columns)
""",
    ),
    Cause(
        slug="logger-per-name",
        title="Logger with a name of its own for every unit",
        why="logging keeps every logger that was ever asked for by name, with its handlers, until the process ends.",
        fix="ask for one logger, and put what differs into the message, extra= or a LoggerAdapter",
        pattern="""\
import logging

log = logging.getLogger("jobs")

def run(job):
    log.info("started", extra={"job": job})
""",
    ),
    Cause(
        slug="atexit-registry",
        title="Function registered with atexit for every unit",
        why="The interpreter keeps every registered function with its arguments until the process ends.",
        fix="register one function once, and let it look at what is still open",
        pattern="""\
import atexit

open_connections = set()

@atexit.register
def close_all():
    while open_connections:
        open_connections.pop().close()
""",
    ),
    Cause(
        slug="finalize-registry",
        title="Finalizers (weakref.finalize) on objects that do not end",
        why="A finalizer stays registered, with its function and arguments, until its object is freed or it is called.",
        fix="call or detach the finalizer when the unit is done, or tie it to an object of the unit",
        pattern="""\
import weakref

def borrow(server, lease):
    give_back = weakref.finalize(server, lease.close)
    try:
        lease.use()
    finally:
        give_back()
""",
    ),
    Cause(
        slug="class-in-a-loop",
        title="Class made for every unit",
        why="A class is a large object in cycles with its own parts, and registries by name or by base keep it.",
        fix="make each class once and reuse it by what it is made of, or use one class with values that differ",
        pattern="""\
import functools

@functools.lru_cache(maxsize=100)
def row_type(columns):
    return type("Row", (), dict.fromkeys(columns))
""",
    ),
    Cause(
        slug="uncollectable-cycle",
        title="Reference cycle that gc cannot free",
        why="Only the collector frees cycles, and it is off, is set to keep them, or cannot see through a C object.",
        fix="break the cycle by hand (a weakref to the parent), leave gc on, and clear gc.garbage and debug flags",
        pattern="""\
import weakref

class Cell:
    def __init__(self, grid):
        self._grid = weakref.ref(grid)
""",
    ),
    Cause(
        slug="threads-never-joined",
        title="Threads that never end",
        why="Each thread waits for ever, and keeps its stack and everything its functions hold.",
        fix="tell the threads to stop and join them, or reuse a few through a pool",
        pattern="""\
from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(max_workers=8) as pool:
    results = list(pool.map(handle, requests))
""",
    ),
    Cause(
        slug="removal-not-always",
        title="Entries that are removed under a condition only",
        why="The code takes entries out, but only in a branch, and those for which it is not taken stay.",
        fix="move the removal out of the branch, so that it runs on every path (try/finally)",
        pattern="""\
def match(number, ride):
    in_flight[number] = ride
    try:
        return ask_driver(ride)
    finally:
        del in_flight[number]
""",
    ),
    Cause(
        slug="fragmentation",
        title="Fragmentation: free memory that the allocator cannot give back",
        why="The process grows while neither Python's blocks nor the C heap in use do: what is free is in holes.",
        fix="avoid peaks (stream, smaller batches), set MALLOC_ARENA_MAX=2, or try another allocator such as jemalloc",
        pattern="""\
def load(rows, store):
    for row in rows:
        store(row)
""",
    ),
    Cause(
        slug="native-heap",
        title="Memory that C code allocates and never frees",
        why="The C heap grows while Python's own memory does not: no Python object holds it, so none can free it.",
        fix="call what the documentation says frees it (close, free, release), or report it to the extension",
        pattern="""\
import contextlib

with contextlib.closing(parse(page)) as document:
    read(document)
""",
    ),
    Cause(
        slug="leaked-references",
        title="References that C code leaked",
        why="Objects live on though nothing visible refers to them: C code took a reference and never gave it back.",
        fix="report it to the extension with the lines above; until it is mended, restart workers now and then",
        pattern="""\
import multiprocessing

with multiprocessing.Pool(maxtasksperchild=1000) as pool:
    results = pool.map(handle, requests)
""",
    ),
    Cause(
        slug="only-grows",
        title="Container that only grows",
        why="Entries are put in for every unit and none is taken out, and nothing bounds it.",
        fix="take out what is done with, or keep only the newest (deque with maxlen)",
        pattern="""\
import collections

events = collections.deque(maxlen=1000)
""",
    ),
)

CAUSES: Final = MappingProxyType({cause.slug: cause for cause in _CAUSES})
"""Every cause by its slug."""
