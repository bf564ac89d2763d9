"""Shapes with threads, timers, executors, queues between threads, and thread-locals."""

from __future__ import annotations

from mutation_shapes import Draw, Shape, Sketch, removals, sketch
from mutation_shapes_parts import driver

TIMERS = """
import threading


class $Guard:
    def __init__(self, number):
        self.number = number
        self.timer = threading.Timer(600, self.alarm)
        self.timer.daemon = True
        self.timer.start()  #put

    def alarm(self):
        self.number = None

    def finish(self):
        number = self.number
        @@


def $handle(number):
    if number % 8 == 0:
        $Guard(number).finish()
"""


def timers(draw: Draw) -> Sketch:
    """Guard work with a timer thread, and cancel it."""
    fix = "self.timer.cancel()\nself.timer.join()"
    breaks = {"cancel deleted": "", "cancel in an if": "if number % 16:\n    self.timer.cancel()"}
    owner = ("_active", "_dangling", "$Guard", "Timer", "_shutdown_locks", "_limbo")
    return sketch(draw, TIMERS, fix=fix, breaks=breaks, owner=owner, driver=driver(draw, same_thread=True))


WORKER_LOCAL = """
import queue
import threading

$inbox = queue.Queue()


def $summarise(rows):
    return sum(number for number, _ in rows)


def $serve():
    $batch = []
    total = 0
    while True:
        number = $inbox.get()
        $batch.append((number, str(number)))  #put
        if len($batch) >= SIZE:
            total += $summarise($batch)
            @@
        $inbox.task_done()


def setup():
    threading.Thread(target=$serve, daemon=True).start()


def $handle(number):
    $inbox.put(number)
    $inbox.join()
"""


def worker_local(draw: Draw) -> Sketch:
    """Batch in a local of a worker thread."""
    size = draw.between(4, 30)
    body = WORKER_LOCAL.replace("SIZE", str(size))
    breaks = {
        "batch not cleared": "",
        "cleared in an if": "if total < 0:\n    $batch.clear()",
        "empties a copy": "$batch[:].clear()",
    }
    driven = driver(draw, same_thread=True)
    needs = ("$handle", "setup")
    return sketch(draw, body, fix="$batch.clear()", breaks=breaks, owner=("$batch",), driver=driven, needs=needs)


NOT_DRAINED = """
import queue

$results = MAKE


def $produce(number):
    $results.put(ITEM)  #put


def $collect():
    $rounds[0] += 1
    @@


$rounds = [0]


def $handle(number):
    $produce(number)
    $collect()
"""


def results_not_drained(draw: Draw) -> Sketch:
    """Put results into a queue that a collector empties."""
    make = draw.tagged(
        "container",
        {
            "Queue": "queue.Queue()",
            "SimpleQueue": "queue.SimpleQueue()",
            "LifoQueue": "queue.LifoQueue()",
            "PriorityQueue": "queue.PriorityQueue()",
        },
    )
    fix = "while not $results.empty():\n    $results.get()"
    breaks = {
        "drain deleted": "",
        "drained in an if": "if $results.qsize() == 0:\n    $results.get_nowait()",
        "drained too rarely": "if $rounds[0] % 4 == 0:\n    $results.get()",
    }
    body = NOT_DRAINED.replace("MAKE", make).replace("ITEM", draw.pick("(number, [number])", "(number, bytes(300))"))
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$results",), driver=driver(draw))


FUTURES = """
import concurrent.futures

$pool = concurrent.futures.ThreadPoolExecutor(2)


class $Backlog:
    def __init__(self):
        self.$futures = MAKE

    def submit(self, number):
        future = $pool.submit(divmod, number, 7)
        self.$futures.ADD(future)  #put
        return future

    def settle(self, future):
        future.result()
        @@


$backlog = $Backlog()


def $handle(number):
    $backlog.settle($backlog.submit(number))
"""


def futures_kept(draw: Draw) -> Sketch:
    """Keep submitted futures until they are settled."""
    make, add = (("[]", "append"), ("set()", "add"))[draw.between(0, 1)]
    body = FUTURES.replace("MAKE", make).replace("ADD", add)
    fix = "self.$futures.remove(future)"
    breaks = {"removal deleted": "", "removal in an if": f"if future.cancelled():\n    {fix}"}
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$futures",), driver=driver(draw, same_thread=True))


FUTURE_CALLBACK = """
import concurrent.futures

$pool = concurrent.futures.ThreadPoolExecutor(1)
$active = {}


def $run(number):
    if SHARE:
        raise ValueError(number)
    return number


def $finished(number, future):
    @@


def $handle(number):
    future = $pool.submit($run, number)
    $active[number] = future  #put
    future.add_done_callback(lambda done: $finished(number, done))
    concurrent.futures.wait([future])
    $pool.submit(int).result()
"""


def future_callback(draw: Draw) -> Sketch:
    """Forget a job in the callback of its future."""
    body = FUTURE_CALLBACK.replace("SHARE", draw.share())
    fix = "del $active[number]\nreturn future.exception() is None"
    breaks = {
        "reads the result first": "future.result()\ndel $active[number]",
        "early return": "if future.exception():\n    return\ndel $active[number]",
        "wrong key": "$active.pop(future, None)",
    }
    # A callback that raises is logged; nobody reads that log here.
    body = "import logging\n\nlogging.getLogger('concurrent.futures').disabled = True\n" + body
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$active",), driver=driver(draw, same_thread=True))


THREAD_LOCAL = """
import threading


class $State(threading.local):
    def __init__(self):
        self.$stack = []


$state = $State()


def $push(number):
    $state.$stack.append({"number": number, "rows": [number]})  #put


def $pop(number):
    @@


def $compute(number):
    if SHARE:
        raise ArithmeticError(number)


def $handle(number):
    $push(number)
    try:
        $compute(number)
    except ArithmeticError:
        pass
    $pop(number)
"""


def thread_local_stack(draw: Draw) -> Sketch:
    """Push and pop on a stack of the thread."""
    body = THREAD_LOCAL.replace("SHARE", "number % 5 == 0")
    fix = "$state.$stack.pop()"
    breaks = removals(draw, fix, rest="pass")
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$stack",), driver=driver(draw))


LOCKS = """
import threading

$locks = {}
$guard = threading.Lock()


def $acquire(number):
    with $guard:
        lock = $locks.setdefault(f"account-{number}", threading.Lock())  #put
    lock.acquire()
    return lock


def $release(number, lock):
    lock.release()
    with $guard:
        $released[0] += 1
        @@


$released = [0]


def $handle(number):
    lock = $acquire(number)
    try:
        $balance[number % 8] += 1
    finally:
        $release(number, lock)


$balance = [0] * 8
"""


def locks_by_key(draw: Draw) -> Sketch:
    """Make a lock for each account, and drop it when it is free."""
    fix = 'del $locks[f"account-{number}"]'
    breaks = removals(draw, fix, wrong="$locks.pop(number, None)")
    return sketch(draw, LOCKS, fix=fix, breaks=breaks, owner=("$locks",), driver=driver(draw))


STOPPED = """
import threading


class $Worker:
    def __init__(self, number):
        self.number = number
        self.rows = [number]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()  #put

    def run(self):
        self.stop.wait()

    def close(self):
        @@


def $handle(number):
    if number % 10 == 0:
        $Worker(number).close()
"""


def threads_never_stopped(draw: Draw) -> Sketch:
    """Start a thread for some units, and stop it."""
    fix = "self.stop.set()\nself.thread.join()"
    breaks = {"stop deleted": "pass", "joins without stopping": "self.thread.join(0.0001)"}
    owner = ("_active", "_dangling", "$Worker", "Thread", "_shutdown_locks", "run")
    return sketch(draw, STOPPED, fix=fix, breaks=breaks, owner=owner, driver=driver(draw, same_thread=True))


RESULTS_BY_THREAD = """
import threading


class $Metrics:
    def __init__(self):
        self.lock = threading.Lock()
        self.$spans = {}

    def begin(self, number):
        with self.lock:
            self.$spans[(threading.get_ident(), number)] = [number, 0.5]  #put

    def end(self, number):
        with self.lock:
            @@


$metrics = $Metrics()


def $handle(number):
    $metrics.begin(number)
    $metrics.end(number)
"""


def spans(draw: Draw) -> Sketch:
    """Keep spans by thread and number under a lock."""
    fix = "del self.$spans[(threading.get_ident(), number)]"
    breaks = removals(draw, fix, wrong="self.$spans.pop(number, None)", rest="pass")
    return sketch(draw, RESULTS_BY_THREAD, fix=fix, breaks=breaks, owner=("$spans",), driver=driver(draw))


SHAPES: tuple[tuple[Shape, int], ...] = (
    (timers, 1),
    (worker_local, 3),
    (results_not_drained, 3),
    (futures_kept, 2),
    (future_callback, 2),
    (thread_local_stack, 2),
    (locks_by_key, 2),
    (threads_never_stopped, 1),
    (spans, 2),
)
