"""Shapes with tasks, futures, timers and queues of asyncio."""

from __future__ import annotations

from mutation_shapes import Draw, Shape, Sketch, removals, sketch
from mutation_shapes_parts import async_driver

TASKS_KEPT = """
import asyncio

$running = set()


async def $work(number):
    await asyncio.sleep(0)
    return [number]


def $spawn(number):
    task = asyncio.get_running_loop().create_task($work(number))
    $running.add(task)  #put
    @@
    return task


async def $handle(number):
    await $spawn(number)
"""


def tasks_kept(draw: Draw) -> Sketch:
    """Keep tasks from being collected, and let them go when they are done."""
    fix = "task.add_done_callback($running.discard)"
    breaks = {
        "callback deleted": "",
        "callback in an if": f"if {draw.share()}:\n    {fix}",
        "forgets another": "task.add_done_callback(lambda done: $running.discard(number))",
    }
    return sketch(draw, TASKS_KEPT, fix=fix, breaks=breaks, owner=("$running",), driver=async_driver(draw))


NEVER_CANCELLED = """
import asyncio

$alarms = MAKE


async def $watch(number):
    rows = [number]
    await WAITING
    return rows


async def $offer(number):
    watcher = asyncio.create_task($watch(number))  #put
    await asyncio.sleep(0)
    @@


async def $decide(number):
    await asyncio.sleep(0)
    if SHARE:
        raise LookupError(number)


async def $handle(number):
    try:
        await $offer(number)
    except LookupError:
        pass
"""


def never_cancelled(draw: Draw) -> Sketch:
    """Start a watcher beside the work, and cancel it when the work is over."""
    waiting = draw.tagged(
        "waits on",
        {
            "event": "$alarm.wait()",
            "queue": "$inbox.get()",
            "future": "asyncio.get_running_loop().create_future()",
            "sleep": "asyncio.sleep(3600)",
            "condition": "$wait_for_news()",
        },
    )
    body = NEVER_CANCELLED.replace("WAITING", waiting).replace("SHARE", draw.share())
    if "create_future" in waiting:
        body = body.replace(waiting, "$promise(number)")
        body += (
            "\n\ndef $promise(number):\n    $alarms[number] = promise = asyncio.get_running_loop().create_future()\n"
        )
        body += "    promise.add_done_callback(lambda done: $alarms.pop(number, None))\n    return promise\n"
    body += "\n\n$alarm = asyncio.Event()\n$inbox = asyncio.Queue()\n$news = asyncio.Condition()\n"
    body += "\n\nasync def $wait_for_news():\n    async with $news:\n        await $news.wait()\n"
    body = body.replace("MAKE", "{}")
    tried = "try:\n    await $decide(number)\nfinally:\n    "
    fix = f"{tried}watcher.cancel()"
    breaks = {
        "cancel out of the finally": "await $decide(number)\nwatcher.cancel()",
        "cancel deleted": "await $decide(number)",
        "cancel in an if": f"{tried}if watcher.done():\n        watcher.cancel()",
    }
    owner = {
        "$alarm.wait()": ("$alarm", "_waiters"),
        "$inbox.get()": ("$inbox", "_getters"),
        "asyncio.sleep(3600)": ("_scheduled", "$watch"),
        "$wait_for_news()": ("$news", "_waiters"),
    }.get(waiting, ("$alarms",))
    driven = async_driver(draw, one_loop=True)
    return sketch(draw, body, fix=fix, breaks=breaks, owner=owner, driver=driven)


REPLIES = """
import asyncio


class $Client:
    def __init__(self):
        self.$expected = {}

    async def call(self, number):
        reply = asyncio.get_running_loop().create_future()
        self.$expected[number] = reply  #put
        self.transmit(number)
        try:
            return await asyncio.wait_for(reply, 5 if number % 3 else 0)
        except TimeoutError:
            return None
        finally:
            self.sent(number)

    def transmit(self, number):
        if number % 3:
            asyncio.get_running_loop().call_soon(self.receive, number)

    def receive(self, number):
        reply = self.$expected.get(number)
        if reply is not None and not reply.done():
            reply.set_result({"number": number})

    def sent(self, number):
        $count[0] += 1
        @@


$count = [0]
$client = $Client()


async def $handle(number):
    await $client.call(number)
"""


def replies(draw: Draw) -> Sketch:
    """Wait for replies by number, and forget those that were answered or given up."""
    fix = "del self.$expected[number]"
    breaks = removals(draw, fix, wrong="self.$expected.pop(str(number), None)")
    breaks["removal in an if"] = "if self.$expected[number].cancelled():\n    del self.$expected[number]"
    return sketch(draw, REPLIES, fix=fix, breaks=breaks, owner=("$expected",), driver=async_driver(draw))


LOOP_TIMERS = """
import asyncio


class $Attempt:
    def __init__(self, number):
        self.number = number
        self.payload = bytes(200)
        self.timer = asyncio.get_running_loop().call_later(900, self.expire)  #put

    def expire(self):
        self.payload = None

    def succeed(self):
        number = self.number
        @@


async def $handle(number):
    attempt = $Attempt(number)
    await asyncio.sleep(0)
    attempt.succeed()
"""


def loop_timers(draw: Draw) -> Sketch:
    """Arm a timeout on the loop, and cancel it when the attempt succeeds."""
    fix = "self.timer.cancel()"
    breaks = removals(draw, fix, rest="")
    driven = async_driver(draw, one_loop=True)
    return sketch(draw, LOOP_TIMERS, fix=fix, breaks=breaks, owner=("_scheduled",), driver=driven)


CONSUMER = """
import asyncio

$inbox = None


async def $consume():
    while True:
        message = await $inbox.get()
        @@
        $inbox.task_done()


async def setup():
    global $inbox, $consumer
    $inbox = asyncio.Queue()
    $consumer = asyncio.create_task($consume())


def $apply(message):
    $totals["seen"] += message["number"] % 7


$totals = {"seen": 0}


async def $handle(number):
    await $inbox.put({"number": number, "rows": [number]})
    await $inbox.join()
"""


def consumer_hoards(draw: Draw) -> Sketch:
    """Consume messages in a task: handle each, or collect them in a local."""
    body = CONSUMER.replace("    while True", "    $backlog = []\n    while True")
    breaks = {
        "hoards in a local": "$apply(message)\n$backlog.append(message)  #put",
        "flush never reached": "$backlog.append(message)  #put\nif len($backlog) > 10**7:\n    $backlog.clear()",
    }
    fix = "$apply(message)"
    driven = async_driver(draw, one_loop=True)
    needs = ("$handle", "setup")
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$backlog",), driver=driven, needs=needs)


NOT_DRAINED = """
import asyncio


class $Feed:
    def __init__(self):
        self.$events = asyncio.Queue()
        self.seen = 0

    async def publish(self, number):
        await self.$events.put((number, str(number)))  #put

    async def drain(self):
        await asyncio.sleep(0)
        @@


$feed = $Feed()


async def $handle(number):
    await $feed.publish(number)
    await $feed.drain()
"""


def not_drained(draw: Draw) -> Sketch:
    """Publish into a queue that a consumer drains."""
    fix = "while not self.$events.empty():\n    self.seen += self.$events.get_nowait()[0] % 2"
    breaks = {
        "drain deleted": "",
        "drained in an if": "if self.$events.full():\n    self.seen += self.$events.get_nowait()[0] % 2",
        "drained too rarely": "self.seen += 1\nif self.seen % 3 == 0:\n    self.$events.get_nowait()",
    }
    return sketch(draw, NOT_DRAINED, fix=fix, breaks=breaks, owner=("$events",), driver=async_driver(draw))


STREAMS = """
import asyncio

$open_streams = set()


class $Stream:
    def __init__(self, number):
        self.number = number

    async def rows(self):
        $open_streams.add(self)  #put
        try:
            for row in range(self.number % 5 + 3):
                yield row
        finally:
            $open_streams.discard(self)


$kept = []


async def $first(number):
    rows = $Stream(number).rows()
    async for row in rows:
        break
    @@
    return row


async def $handle(number):
    await $first(number)
"""


def async_generators(draw: Draw) -> Sketch:
    """Leave an async generator early, and close it."""
    breaks = {
        "kept open": "$kept.append(rows)  #put",
        "closed in an if": "if row:\n    await rows.aclose()\nelse:\n    $kept.append(rows)",
    }
    fix = "await rows.aclose()"
    owner = ("$kept", "$open_streams")
    return sketch(draw, STREAMS, fix=fix, breaks=breaks, owner=owner, driver=async_driver(draw))


WAITERS = """
import asyncio


class $Gate:
    def __init__(self):
        self.$waiting = []
        self.is_open = False

    async def enter(self):
        ticket = asyncio.get_running_loop().create_future()
        self.$waiting.append(ticket)  #put
        try:
            await asyncio.wait_for(ticket, 0)
        except TimeoutError:
            @@


$gate = $Gate()


async def $handle(number):
    await $gate.enter()
"""


def waiters(draw: Draw) -> Sketch:
    """Queue up waiters that give up."""
    fix = "self.$waiting.remove(ticket)"
    breaks = {"removal deleted": "pass", "removal in an if": f"if not ticket.cancelled():\n    {fix}"}
    return sketch(draw, WAITERS, fix=fix, breaks=breaks, owner=("$waiting",), driver=async_driver(draw))


CONTEXT = """
import contextvars

$trail = contextvars.ContextVar("$trail", default=())


async def $audit(number):
    token = $trail.set($trail.get() + (f"unit {number}",))  #put
    @@


async def $inner(number):
    if SHARE:
        raise KeyError(number)


async def $handle(number):
    try:
        await $audit(number)
    except KeyError:
        pass
"""


BY_HAND = """
import itertools

$numbers = itertools.count()


def step(n):
    for _ in range(n):
        try:
            $handle(next($numbers)).send(None)
        except StopIteration:
            pass
"""


def context_trail(draw: Draw) -> Sketch:
    """Extend a trail in a context variable, and reset it."""
    fix = "try:\n    await $inner(number)\nfinally:\n    $trail.reset(token)"
    breaks = {
        "reset out of the finally": "await $inner(number)\n$trail.reset(token)",
        "reset deleted": "await $inner(number)",
    }
    body = CONTEXT.replace("SHARE", draw.share())
    draw.tags.append("style by hand, in one context")
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$trail",), driver=BY_HAND)


SUBSCRIBERS = """
import asyncio


class $Hub:
    def __init__(self):
        self.$mailboxes = {}

    def open(self, number):
        mailbox = asyncio.Queue()
        self.$mailboxes[number] = mailbox  #put
        return mailbox

    def close(self, number):
        $closed[0] += 1
        @@

    async def broadcast(self, message):
        for mailbox in list(self.$mailboxes.values())[-5:]:
            await mailbox.put(message)


$closed = [0]
$hub = $Hub()


async def $handle(number):
    mailbox = $hub.open(number)
    try:
        await $hub.broadcast([number])
        await mailbox.get()
    finally:
        $hub.close(number)
"""


def subscribers(draw: Draw) -> Sketch:
    """Give each subscriber a queue for the time it listens."""
    fix = "del self.$mailboxes[number]"
    breaks = removals(draw, fix, wrong="self.$mailboxes.pop(self, None)")
    return sketch(draw, SUBSCRIBERS, fix=fix, breaks=breaks, owner=("$mailboxes",), driver=async_driver(draw))


SHAPES: tuple[tuple[Shape, int], ...] = (
    (tasks_kept, 3),
    (never_cancelled, 5),
    (replies, 3),
    (loop_timers, 2),
    (consumer_hoards, 2),
    (not_drained, 2),
    (async_generators, 2),
    (waiters, 2),
    (context_trail, 2),
    (subscribers, 2),
)
