"""Shapes with listeners, callbacks, handlers and registrations that somebody must take back."""

from __future__ import annotations

from mutation_shapes import Draw, Shape, Sketch, removals, sketch
from mutation_shapes_parts import async_driver, driver

BUS = """
import collections


class $Bus:
    def __init__(self):
        self.$listeners = MAKE

    def subscribe(self, topic, listener):
        ADD  #put

    def unsubscribe(self, topic, listener):
        REMOVE  #gone


$bus = $Bus()


class $View:
    def __init__(self, number):
        self.number = number
        self.rows = [number]
        self.callback = CALLBACK
        $bus.subscribe("changed", self.callback)

    def refresh(self, *args):
        self.rows.append(args)

    def close(self):
        number = self.number
        self.rows = None
        @@


def $handle(number):
    view = $View(number)
    view.close()
"""


def bus(draw: Draw) -> Sketch:
    """Subscribe views to a bus that outlives them."""
    adds = {
        "list": ("[]", "self.$listeners.append((topic, listener))", "self.$listeners.remove((topic, listener))"),
        "lists by topic": (
            "collections.defaultdict(list)",
            "self.$listeners[topic].append(listener)",
            "self.$listeners[topic].remove(listener)",
        ),
        "sets by topic": (
            "{}",
            "self.$listeners.setdefault(topic, set()).add(listener)",
            "self.$listeners[topic].discard(listener)",
        ),
        "dict by listener": ("{}", "self.$listeners[listener] = topic", "self.$listeners.pop(listener, None)"),
        "tuple": (
            "()",
            "self.$listeners += ((topic, listener),)",
            "self.$listeners = tuple(each for each in self.$listeners if each[1] is not listener)",
        ),
    }
    make, add, remove = adds[draw.tagged("container", {name: name for name in adds})]
    callback = draw.tagged("callback", {"method": "self.refresh", "lambda": "lambda *args: self.refresh(*args)"})
    body = BUS.replace("MAKE", make).replace("ADD", add).replace("REMOVE", remove).replace("CALLBACK", callback)
    fix = '$bus.unsubscribe("changed", self.callback)'
    breaks = removals(draw, fix)
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$listeners",), driver=driver(draw))


WEAK_METHODS = """
import weakref


class $Signal:
    def __init__(self):
        self.$receivers = []

    def connect(self, receiver):
        @@

    def send(self, value):
        alive = []
        for reference in self.$receivers:
            receiver = reference()
            if receiver is not None:
                receiver(value)
                alive.append(reference)
        self.$receivers = alive


class $Strong:
    def __init__(self, target):
        self.target = target

    def __call__(self):
        return self.target


$signal = $Signal()


class $Panel:
    def __init__(self, number):
        self.number = number
        $signal.connect(self.update)

    def update(self, value):
        self.value = value


def $handle(number):
    panel = $Panel(number)
    if number % 16 == 0:
        $signal.send(number)
"""


def weak_methods(draw: Draw) -> Sketch:
    """Connect bound methods weakly, or strongly by mistake."""
    fix = "self.$receivers.append(weakref.WeakMethod(receiver))"
    breaks = {
        "weak to strong": "self.$receivers.append($Strong(receiver))",
        "a lambda": "self.$receivers.append(lambda: receiver)",
    }
    driven = driver(draw, same_thread=True)
    return sketch(draw, WEAK_METHODS, fix=fix, breaks=breaks, owner=("$receivers",), driver=driven)


FUTURE_CALLBACKS = """
import MODULE


class $Shutdown:
    def __init__(self):
        self.$stopped = MAKE

    def watch(self, callback):
        self.$stopped.add_done_callback(callback)  #put

    def unwatch(self, callback):
        @@


$shutdown = None


def $prepare():
    global $shutdown
    $shutdown = $Shutdown()


class $Connection:
    def __init__(self, number):
        self.number = number
        self.buffer = bytearray(100)

    def abort(self, future):
        self.buffer.clear()


ASYNCdef $handle(number):
    if $shutdown is None:
        $prepare()
    connection = $Connection(number)
    abort = connection.abort
    $shutdown.watch(abort)
    $shutdown.unwatch(abort)
"""


def asyncio_future_callbacks(draw: Draw) -> Sketch:
    """Add callbacks to a future that lives as long as the program."""
    make = "asyncio.get_running_loop().create_future()"
    body = FUTURE_CALLBACKS.replace("MODULE", "asyncio").replace("MAKE", make).replace("ASYNC", "async ")
    fix = "self.$stopped.remove_done_callback(callback)"
    breaks = {
        "removal deleted": "pass",
        "removal in an if": f"if self.$stopped.done():\n    {fix}",
        "wrong callback": "self.$stopped.remove_done_callback(lambda future: callback(future))",
    }
    driven = async_driver(draw)
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$stopped",), driver=driven)


LOG_HANDLERS = """
import io
import logging

$log = logging.getLogger("LOGGER")
$log.propagate = False


class $Run:
    def __init__(self, number):
        self.number = number
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)

    def start(self):
        $log.addHandler(self.handler)  #put

    def stop(self):
        number = self.number
        self.handler.flush()
        @@


def $handle(number):
    run = $Run(number)
    run.start()
    run.stop()
"""


def log_handlers(draw: Draw) -> Sketch:
    """Add a handler to a logger for each run."""
    body = LOG_HANDLERS.replace("LOGGER", draw.pick("runs", "app.jobs", "audit"))
    fix = "$log.removeHandler(self.handler)"
    breaks = removals(draw, fix)
    breaks["only closed"] = "self.handler.close()"
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$log", "handlers"), driver=driver(draw))


LOG_FILTERS = """
import logging

$log = logging.getLogger(__name__)
$log.addHandler(logging.NullHandler())


class $Tagging(logging.Filter):
    def __init__(self, number):
        super().__init__()
        self.tag = f"request {number}"

    def filter(self, record):
        record.tag = self.tag
        return True


def $handle(number):
    tagging = $Tagging(number)
    $log.addFilter(tagging)  #put
    @@


def $respond(number):
    if SHARE:
        raise OSError(number)
"""


def log_filters(draw: Draw) -> Sketch:
    """Add a filter to a logger for the time of a request."""
    body = LOG_FILTERS.replace("SHARE", draw.share())
    tried = "try:\n    $respond(number)\nexcept OSError:\n    "
    fix = f"{tried}pass\n$log.removeFilter(tagging)"
    breaks = {
        "returns before the removal": f"{tried}return\n$log.removeFilter(tagging)",
        "removal deleted": f"{tried}pass",
    }
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$log", "filters"), driver=driver(draw))


LOGGERS = """
import logging

logging.getLogger().addHandler(logging.NullHandler())


class $Job:
    def __init__(self, number):
        self.number = number
        @@
        self.log.debug("job %s made", number)  #put


def $handle(number):
    $Job(number)
"""


def loggers_by_name(draw: Draw) -> Sketch:
    """Take one logger for all jobs, or one by the name of each."""
    fix = 'self.log = logging.getLogger("jobs")'
    breaks = {
        "name with a number": 'self.log = logging.getLogger(f"jobs.{number}")',
        "child by number": 'self.log = logging.getLogger("jobs").getChild(str(number))',
    }
    return sketch(draw, LOGGERS, fix=fix, breaks=breaks, owner=("loggerDict",), driver=driver(draw))


AT_EXIT = """
import atexit


class $Scratch:
    def __init__(self, number):
        self.number = number
        self.pages = [bytes(100)]
        atexit.register(self.remove)  #put

    def remove(self):
        self.pages.clear()

    def close(self):
        number = self.number
        self.remove()
        @@


def $handle(number):
    scratch = $Scratch(number)
    scratch.close()
"""


def at_exit(draw: Draw) -> Sketch:
    """Register clean-up at exit, and take it back when it is done early."""
    fix = "atexit.unregister(self.remove)"
    return sketch(draw, AT_EXIT, fix=fix, breaks=removals(draw, fix), owner=("atexit",), driver=driver(draw))


FINALIZERS = """
import weakref

$anchor = type("$Anchor", (), {})()


class $Lease:
    def __init__(self, number):
        self.number = number
        self.state = {"number": number}
        self.finalizer = weakref.finalize($anchor, self.state.clear)  #put

    def release(self):
        number = self.number
        @@


def $handle(number):
    $Lease(number).release()
"""


def finalizers(draw: Draw) -> Sketch:
    """Tie a finalizer to something that never dies, and detach it."""
    fix = draw.pick("self.finalizer.detach()", "self.finalizer()")
    breaks = removals(draw, fix, rest="pass")
    return sketch(
        draw,
        FINALIZERS,
        fix=fix,
        breaks=breaks,
        owner=("finalize", "_registry", "_finalizer_registry"),
        driver=driver(draw),
    )


EXIT_STACK = """
import contextlib

$resources = contextlib.ExitStack()


class $Cursor:
    def __init__(self, number):
        self.number = number
        self.rows = [number]

    def close(self):
        self.rows = None


def $query(number):
    @@
        cursor = stack.enter_context(contextlib.closing($Cursor(number)))  #put
        return cursor.rows[0]


def $handle(number):
    $query(number)
"""


def exit_stack(draw: Draw) -> Sketch:
    """Enter into a stack of the call, or by mistake into the program's."""
    breaks = {"the stack of the program": "for stack in [$resources]:"}
    fix = "with contextlib.ExitStack() as stack:"
    return sketch(
        draw, EXIT_STACK, fix=fix, breaks=breaks, owner=("$resources", "_exit_callbacks"), driver=driver(draw)
    )


MOCKS = """
import unittest.mock

$gateway = unittest.mock.Mock()
$gateway.charge.return_value = "ok"


def $pay(number):
    return $gateway.charge({"number": number}, amount=number * 2)  #put


def $handle(number):
    $pay(number)
    if number % EVERY == 0:
        @@
"""


def mocks(draw: Draw) -> Sketch:
    """Use a mock as a stub and reset what it remembers."""
    body = MOCKS.replace("EVERY", str(draw.between(3, 20)))
    breaks = {"reset deleted": "pass", "resets another": "$gateway.refund.reset_mock()"}
    return sketch(draw, body, fix="$gateway.reset_mock()", breaks=breaks, owner=("$gateway",), driver=driver(draw))


PLUGINS = """
class $Plugin:
    $known = {}

    def __init_subclass__(cls):
        super().__init_subclass__()
        $Plugin.$known[cls.__name__] = cls  #put


def $render(number):
    @@
    return kind.__name__


$Table = type("$Table", ($Plugin,), {})


def $handle(number):
    $render(number)
"""


def plugin_classes(draw: Draw) -> Sketch:
    """Register subclasses, one of which is made for each unit."""
    breaks = {"a class for each": 'kind = type(f"Report{number}", ($Plugin,), {"number": number})'}
    return sketch(draw, PLUGINS, fix="kind = $Table", breaks=breaks, owner=("$known",), driver=driver(draw))


MIDDLEWARE = """
class $Pipeline:
    def __init__(self):
        self.$stages = [str.strip]

    def run(self, text):
        for stage in self.$stages[:3]:
            text = stage(text)
        return text


$pipeline = $Pipeline()


class $Scoped:
    def __init__(self, stage):
        self.stage = stage

    def __enter__(self):
        $pipeline.$stages.append(self.stage)  #put

    def __exit__(self, kind, error, trace):
        @@


def $handle(number):
    try:
        with $Scoped(lambda text: f"{text}{number}"):
            if SHARE:
                raise IndexError(number)
            $pipeline.run(" a ")
    except IndexError:
        pass
"""


def middleware(draw: Draw) -> Sketch:
    """Append a stage to a pipeline for the time of a block."""
    fix = "$pipeline.$stages.remove(self.stage)"
    breaks = {
        "removal deleted": "pass",
        "not after errors": f"if error is None:\n    {fix}",
        "empties a copy": "list($pipeline.$stages).remove(self.stage)",
    }
    body = MIDDLEWARE.replace("SHARE", draw.share())
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$stages",), driver=driver(draw))


SHAPES: tuple[tuple[Shape, int], ...] = (
    (bus, 5),
    (weak_methods, 2),
    (asyncio_future_callbacks, 2),
    (log_handlers, 2),
    (log_filters, 2),
    (loggers_by_name, 1),
    (at_exit, 2),
    (finalizers, 2),
    (exit_stack, 1),
    (mocks, 1),
    (plugin_classes, 1),
    (middleware, 2),
)
