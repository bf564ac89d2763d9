"""Shapes around what comes with Python: documents, settings, registries, errors."""

from __future__ import annotations

from mutation_shapes import Draw, Shape, Sketch, removals, sketch
from mutation_shapes_parts import driver

WARNED = """
import warnings

warnings.simplefilter("default")
warnings.showwarning = lambda *args, **more: None


def $check(number):
    @@


def $handle(number):
    $check(number)
"""


def warned(draw: Draw) -> Sketch:
    """Warn with one text, or with the number in it."""
    fix = 'warnings.warn("deprecated option used")'
    breaks = {"text with a number": 'warnings.warn(f"deprecated option {number} used")'}
    return sketch(draw, WARNED, fix=fix, breaks=breaks, owner=("__warningregistry__",), driver=driver(draw))


ELEMENTS = """
import xml.etree.ElementTree as tree

$report = tree.Element("report")


def $write(number):
    row = tree.SubElement($report, "row", id=str(number))  #put
    row.text = f"text {number}"
    return row


def $flush(number, row):
    tree.tostring(row)
    @@


def $handle(number):
    $flush(number, $write(number))
"""


def elements(draw: Draw) -> Sketch:
    """Write rows of a document and take them off it."""
    fix = draw.pick("$report.remove(row)", "$report.clear()")
    one_by_one = "remove" in fix  # a clear() makes up for those before it that were left out
    breaks = removals(draw, fix) if one_by_one else {"removal deleted": ""}
    breaks["clears the row"] = "row.clear()"
    return sketch(draw, ELEMENTS, fix=fix, breaks=breaks, owner=("$report",), driver=driver(draw))


SETTINGS = """
import configparser

$settings = configparser.ConfigParser()


def $load(number):
    $settings[f"job {number}"] = {"number": str(number), "mode": "fast"}  #put


def $unload(number):
    $unloaded[0] += 1
    @@


$unloaded = [0]


def $handle(number):
    $load(number)
    $unload(number)
"""


def settings(draw: Draw) -> Sketch:
    """Add a section to the settings for a job."""
    fix = '$settings.remove_section(f"job {number}")'
    breaks = removals(draw, fix, wrong='$settings.remove_section(f"job-{number}")')
    return sketch(draw, SETTINGS, fix=fix, breaks=breaks, owner=("$settings",), driver=driver(draw))


SCHEDULE = """
import sched

$clock = [0.0]
$agenda = sched.scheduler(lambda: $clock[0], lambda seconds: None)


def $plan(number):
    return $agenda.enter(1000, 1, print, (number,))  #put


def $handle(number):
    event = $plan(number)
    $clock[0] += 0.001
    @@
"""


def schedule(draw: Draw) -> Sketch:
    """Plan an event far away, and cancel it."""
    fix = "$agenda.cancel(event)"
    return sketch(draw, SCHEDULE, fix=fix, breaks=removals(draw, fix), owner=("$agenda", "_queue"), driver=driver(draw))


FILTERS = """
import contextlib
import warnings


def $quiet(number):
    @@
        warnings.filterwarnings("ignore", message=f"job {number}")  #put
        return number


def $handle(number):
    $quiet(number)
"""


def warning_filters(draw: Draw) -> Sketch:
    """Filter warnings for the time of a block."""
    fix = "with warnings.catch_warnings():"
    breaks = {"nothing restores": "with contextlib.nullcontext():", "restored in an if": "if number > 0:"}
    driven = driver(draw, same_thread=True)
    return sketch(draw, FILTERS, fix=fix, breaks=breaks, owner=("filters",), driver=driven)


MODULES = """
import sys
import types


def $load(number):
    module = types.ModuleType(f"plugin_{number}")
    sys.modules[module.__name__] = module  #put
    return module


def $unload(number, module):
    module.unloaded = True
    @@


def $handle(number):
    $unload(number, $load(number))
"""


def modules(draw: Draw) -> Sketch:
    """Load a module for a unit, and take it out of ``sys.modules``."""
    fix = "del sys.modules[module.__name__]"
    breaks = removals(draw, fix, wrong="sys.modules.pop(module, None)")
    return sketch(draw, MODULES, fix=fix, breaks=breaks, owner=("modules",), driver=driver(draw, same_thread=True))


DISPATCH = """
import functools


@functools.singledispatch
def $show(value):
    return "value"


$Known = type("$Known", (), {})
$show.register($Known, lambda value: "known")


def $extend(number):
    @@


def $handle(number):
    $extend(number)
"""


def dispatch(draw: Draw) -> Sketch:
    """Register an implementation for a type, or for a type of each unit."""
    fix = "$show.register($Known, lambda value: number)"
    breaks = {"a type for each": '$show.register(type(f"Kind{number}", (), {}), lambda value: number)'}
    return sketch(draw, DISPATCH, fix=fix, breaks=breaks, owner=("$show", "registry"), driver=driver(draw))


ERRORS = """
import traceback

$failures = []


def $risky(number):
    rows = [number] * 10
    raise RuntimeError(f"unit {number}", rows)


def $handle(number):
    try:
        $risky(number)
    except RuntimeError as error:
        $failures.append(KEEP)  #put
        @@
"""


def errors_kept(draw: Draw) -> Sketch:
    """Keep the latest failures."""
    keep = draw.tagged(
        "keeps", {"the error": "error", "its text": "traceback.format_exc()", "its trace": "error.__traceback__"}
    )
    fix = "del $failures[:-10]"
    breaks = {"trim deleted": "", "trims a copy": "$failures[:].pop()", "trim in an if": f"if number < 0:\n    {fix}"}
    body = ERRORS.replace("KEEP", keep)
    return sketch(draw, body, fix=fix, breaks=breaks, owner=("$failures",), driver=driver(draw))


COOKIES = """
import http.cookiejar

$jar = http.cookiejar.CookieJar()


def $cookie(number):
    return http.cookiejar.Cookie(
        0, "session", str(number), None, False, f"host{number}.test", True, False, "/", True,
        False, None, True, None, None, {},
    )


def $visit(number):
    $jar.set_cookie($cookie(number))  #put


def $handle(number):
    $visit(number)
    @@
"""


def cookies(draw: Draw) -> Sketch:
    """Visit hosts with a cookie jar."""
    fix = draw.pick('$jar.clear(f"host{number}.test")', "$jar.clear()")
    breaks = {"clear deleted": "", "clears what expired": "$jar.clear_expired_cookies()"}
    return sketch(draw, COOKIES, fix=fix, breaks=breaks, owner=("$jar", "_cookies"), driver=driver(draw))


ABSTRACT = """
import abc


class $Shape(abc.ABC):
    $drawn = []

    @abc.abstractmethod
    def draw(self, number): ...

    @classmethod
    def forget(cls, shape):
        cls.$drawn.remove(shape)  #gone


class $Circle($Shape):
    def draw(self, number):
        self.number = number
        $Shape.$drawn.append(self)  #put
        return self

    def erase(self):
        number = self.number
        @@


def $handle(number):
    $Circle().draw(number).erase()
"""


def abstract(draw: Draw) -> Sketch:
    """Keep drawn shapes on their abstract base class."""
    fix = "$Shape.forget(self)"
    return sketch(draw, ABSTRACT, fix=fix, breaks=removals(draw, fix), owner=("$drawn",), driver=driver(draw))


SHAPES: tuple[tuple[Shape, int], ...] = (
    (warned, 1),
    (elements, 2),
    (settings, 1),
    (schedule, 1),
    (warning_filters, 1),
    (modules, 1),
    (dispatch, 1),
    (errors_kept, 3),
    (cookies, 1),
    (abstract, 2),
)
