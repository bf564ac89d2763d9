"""Measuring C calls, each in a fresh interpreter: what is named, what it leaves, and what is put back."""

from __future__ import annotations

import sys

import pytest

from fresh import run_fresh

SEES_ALL_CALLS = pytest.mark.skipif(sys.version_info < (3, 12), reason="a profile function does not see such calls")

_START = """
import ctypes, gc, json, sys, threading
from leakdiff.capture.calls import CallMeter

def measured(work, lines=()):
    work()
    gc.collect()
    gc.disable()
    with CallMeter(lines) as meter:
        work()
    gc.enable()
    return {cost.function: cost for cost in meter.costs()}
"""


def test_a_call_that_leaves_nothing_counts_as_nothing() -> None:
    """What measuring itself allocates is not booked, also not on a C function that calls back into Python."""
    script = """
numbers = list(range(1000))

def back(number):
    return len("")

def work():
    for _ in range(50):
        sorted(numbers, key=back)

found = measured(work)
print(json.dumps([found["len"].calls, found["len"].blocks, found["sorted"].all_blocks, found["sorted"].calls]))
"""
    calls, inside, around, outer = run_fresh(_START + script)

    assert (calls, inside, outer) == (50_000, 0, 50)
    assert 0 <= around <= 150  # the lists it returns, which are alive when it does


def test_memory_that_a_c_function_keeps_is_booked_on_it() -> None:
    """A method that fills a list leaves what the list grew by, to the byte."""
    script = """
kept = []

def work():
    for _ in range(100):
        kept.append(bytes.fromhex("00" * 2000))

found = measured(work)
cost = found["bytes.fromhex"]
print(json.dumps([cost.module, cost.calls, cost.blocks, cost.bytes // 100]))
"""
    module, calls, blocks, each = run_fresh(_START + script)

    assert (module, calls, blocks) == ("builtins", 100, 100)
    assert 2000 <= each <= 2100


def test_calls_inside_a_call_count_for_themselves_and_as_part_of_it() -> None:
    """Own growth goes to the inner function, the whole also to the outer one."""
    script = """
kept = []

def back(_):
    kept.append(bytes.fromhex("00" * 2000))
    return 0

def work():
    sorted(range(50), key=back)

found = measured(work)
print(json.dumps([found["bytes.fromhex"].blocks, found["sorted"].blocks, found["sorted"].all_blocks]))
"""
    inner, own, whole = run_fresh(_START + script)

    assert inner == 50
    assert own <= 5
    assert 50 <= whole <= 60


def test_a_foreign_function_on_a_known_line_is_named_on_every_version() -> None:
    """A profile function does not see calls of objects: those on the lines in question are traced."""
    script = """
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p

def work():
    for _ in range(50):
        library.malloc(5000)  # glibc keeps freed chunks of up to 1032 bytes and counts them as used

line = work.__code__.co_firstlineno + 2
found = measured(work, {(__file__, line)})
print(json.dumps([found["malloc"].calls, found["malloc"].bytes // 50, found["malloc"].line[1] == line]))
"""
    calls, each, is_there = run_fresh(_START + script)

    assert calls == 50
    assert 5000 <= each <= 5032
    assert is_there


def test_arguments_made_for_a_call_do_not_hide_what_it_keeps() -> None:
    """The call lets go of a temporary as large as what it leaves: both are measured together."""
    script = """
library = ctypes.CDLL(None)
library.strdup.restype = ctypes.c_void_p

def work():
    for _ in range(50):
        library.strdup(b"x" * 2500)

line = work.__code__.co_firstlineno + 2
found = measured(work, {(__file__, line)})
print(found["strdup"].bytes // 50)
"""
    assert 2501 <= run_fresh(_START + script) <= 2550


@SEES_ALL_CALLS
def test_references_that_a_call_keeps_are_counted() -> None:
    """More references to the argument after the call than before: it keeps one each time."""
    script = """
keep = ctypes.pythonapi.Py_IncRef
keep.argtypes = [ctypes.py_object]

def work():
    for _ in range(50):
        keep(object())
        len([])

found = measured(work)
print(json.dumps([found["Py_IncRef"].references, found["len"].references]))
"""
    assert run_fresh(_START + script) == [50, 0]


def test_nothing_of_a_hostile_object_runs() -> None:
    """Callables, their types and metaclasses are named without their equality, hash, repr, names or attributes."""
    script = """
calls = []

class Meta(type):
    def __eq__(cls, other): calls.append("meta eq"); return NotImplemented
    def __hash__(cls): calls.append("meta hash"); return 1
    def __getattribute__(cls, name): calls.append(name); return type.__getattribute__(cls, name)

class Hostile(dict, metaclass=Meta):
    def __eq__(self, other): calls.append("eq"); return NotImplemented
    def __hash__(self): calls.append("hash"); return 1
    def __repr__(self): calls.append("repr"); return ""
    def __getattr__(self, name): calls.append(name); raise AttributeError(name)
    __class__ = property(lambda self: calls.append("class"))

one = Hostile()
update, length = one.update, len

def work():
    for _ in range(5):
        update(a=1)
        length(one)
        Hostile()

first, line = work.__code__.co_firstlineno, __file__
work()
calls.clear()
work()
plain = list(calls)
calls.clear()
with CallMeter({(line, first + 2), (line, first + 3), (line, first + 4)}) as meter:
    work()
seen = [cost.function for cost in meter.costs()]
print(json.dumps([calls == plain, "dict.update" in seen, "len" in seen]))
"""
    assert run_fresh(_START + script) == [True, True, True]


def test_a_profile_function_of_somebody_else_is_left_alone() -> None:
    """Where one is in use, nothing is measured and the reason is given."""
    script = """
def theirs(*_):
    pass

sys.setprofile(theirs)
with CallMeter() as meter:
    len([])
kept = sys.getprofile() is theirs
sys.setprofile(None)
print(json.dumps([meter.refusal, kept, meter.costs()]))
"""
    assert run_fresh(_START + script) == ["a profile function is in use", True, []]


@SEES_ALL_CALLS
def test_without_a_free_tool_nothing_is_measured() -> None:
    """Six tools of sys.monitoring in use are somebody else's."""
    script = """
for tool in range(6):
    if sys.monitoring.get_tool(tool) is None:
        sys.monitoring.use_tool_id(tool, "theirs")
with CallMeter() as meter:
    len([])
print(json.dumps([meter.refusal, meter.costs()]))
"""
    assert run_fresh(_START + script) == ["all tools of sys.monitoring are in use", []]


def test_everything_is_put_back_when_the_work_raises() -> None:
    """Profile function, trace function and tool are gone after an exception, for new threads as well."""
    script = """
def work():
    [].append(1)
    raise OSError

try:
    with CallMeter({(__file__, work.__code__.co_firstlineno + 1)}):
        work()
except OSError:
    pass
tools = [sys.monitoring.get_tool(tool) for tool in range(6)] if sys.version_info >= (3, 12) else []
hooks = [sys.getprofile(), sys.gettrace(), threading.getprofile(), threading.gettrace()]
print(json.dumps([hooks, "leakdiff" in tools]))
"""
    assert run_fresh(_START + script) == [[None] * 4, False]


def test_another_trace_function_stays() -> None:
    """A debugger or coverage traces on: only calls that need tracing are missed."""
    script = """
def theirs(frame, event, argument):
    return theirs

sys.settrace(theirs)
with CallMeter({(__file__, 1)}) as meter:
    len([])
kept = sys.gettrace() is theirs
sys.settrace(None)
print(json.dumps([kept, [cost.function for cost in meter.costs() if cost.function == "len"]]))
"""
    assert run_fresh(_START + script) == [True, ["len"]]


def test_generators_and_exceptions_in_calls_do_not_confuse_the_books() -> None:
    """Calls that end by an exception are closed, and a suspended generator's go on where they were."""
    script = """
def each():
    for number in range(3):
        yield len(str(number))

def work():
    for _ in range(20):
        try:
            int("no")
        except ValueError:
            pass
        list(each())

found = measured(work)
print(json.dumps([found["len"].calls, abs(found["len"].blocks) <= 1]))
"""
    assert run_fresh(_START + script) == [60, True]


def test_threads_that_book_at_the_same_time_do_not_disturb_each_other() -> None:
    """New lines are numbered by many threads at once, and every call is booked; nothing is raised in their code."""
    script = """
sys.setswitchinterval(1e-6)
source = "\\n".join(f"def f{i}():\\n    len(''); abs(1); chr(65)" for i in range(200))
errors = []

def run(number):
    space = {}
    exec(compile(source, f"/work{number}.py", "exec"), space)
    try:
        for i in range(200):
            space[f"f{i}"]()
    except BaseException as error:
        errors.append(repr(error))

with CallMeter() as meter:
    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
lines = {cost.line for cost in meter.costs() if cost.line[0].startswith("/work")}
print(json.dumps([errors, meter.missed, len(lines)]))
"""
    assert run_fresh(_START + script) == [[], 0, 8 * 200]


def test_an_error_while_booking_does_not_reach_the_program() -> None:
    """The call is missed and counted as such; what a signal handler raises in the middle goes on."""
    script = """
from leakdiff.capture.ledger import Ledger

begin = Ledger._begin

def fails_once_with(error):
    def failing(*_):
        Ledger._begin = begin
        raise error
    return failing

with CallMeter() as meter:
    Ledger._begin = fails_once_with(KeyError())
    len([])
try:
    with CallMeter():
        Ledger._begin = fails_once_with(TimeoutError())
        len([])
except TimeoutError:
    went_on = True
print(json.dumps([meter.missed, went_on]))
"""
    assert run_fresh(_START + script) == [1, True]


def test_a_suspended_generator_is_left_as_it_was() -> None:
    """Its frame lives on after the block, without our trace function and with the flags it had."""
    script = """
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p

def service():
    while True:
        yield
        library.malloc(5000)

going = service()

def work():
    next(going)

line = service.__code__.co_firstlineno + 3
found = measured(lambda: [work() for _ in range(20)], {(__file__, line)})
frame = going.gi_frame
print(json.dumps([found["malloc"].calls, frame.f_trace, frame.f_trace_lines, frame.f_trace_opcodes]))
"""
    assert run_fresh(_START + script) == [20, None, True, False]


def test_threads_that_go_on_after_the_block_are_left_alone() -> None:
    """They take back profile and trace function themselves, and nothing of the books stays alive."""
    script = """
from leakdiff.capture.ledger import Ledger

started, ended = threading.Event(), threading.Event()
hooks = []

def inner():
    started.set()
    ended.wait()

def work():
    inner()
    len([])
    for _ in range(3):
        pass
    frame = sys._getframe()
    hooks.append([sys.getprofile(), sys.gettrace(), frame.f_trace, frame.f_trace_lines, frame.f_trace_opcodes])

with CallMeter({(__file__, work.__code__.co_firstlineno + 2)}) as meter:
    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
del meter
gc.collect()
left = [type(one).__name__ for one in gc.get_objects() if type(one) in (Ledger, CallMeter)]
ended.set()
thread.join()
print(json.dumps([left, hooks]))
"""
    assert run_fresh(_START + script) == [[], [[None, None, None, True, False]]]


def test_functions_that_the_program_sets_meanwhile_stay() -> None:
    """Only our own profile and trace functions are taken back."""
    script = """
def theirs(*_):
    pass

with CallMeter({(__file__, 1)}):
    sys.setprofile(theirs), sys.settrace(theirs)
    threading.setprofile(theirs), threading.settrace(theirs)
kept = [sys.getprofile(), sys.gettrace(), threading.getprofile(), threading.gettrace()]
sys.setprofile(None), sys.settrace(None)
print(json.dumps([one is theirs for one in kept]))
"""
    assert run_fresh(_START + script) == [True] * 4


@SEES_ALL_CALLS
def test_a_tool_that_somebody_else_takes_first_stays_theirs() -> None:
    """Between the choice of a tool and its use a debugger took it: that is a refusal, and no tool is freed."""
    script = """
meter = CallMeter()
for tool in range(6):
    sys.monitoring.use_tool_id(tool, f"debugger {tool}")
with meter:
    len([])
names = [sys.monitoring.get_tool(tool) for tool in range(6)]
print(json.dumps([meter.refusal, meter.costs(), names == [f"debugger {tool}" for tool in range(6)]]))
"""
    assert run_fresh(_START + script) == ["somebody else took the tool of sys.monitoring", [], True]


def test_a_module_is_not_asked_whether_it_is_true() -> None:
    """A module may be of a class of the user's own, which may define that."""
    script = """
import _heapq, types
from leakdiff.capture.cfunctions import c_function

asked = []

class Lazy(types.ModuleType):
    def __bool__(self): asked.append("bool"); return False
    def __len__(self): asked.append("len"); return 0

_heapq.__class__ = Lazy
_heapq.heappush.__module__ = None
print(json.dumps([c_function(_heapq.heappush), asked]))
"""
    assert run_fresh(_START + script) == [["_heapq.heappush", "_heapq"], []]
