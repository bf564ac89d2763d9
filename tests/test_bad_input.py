"""Whatever is wrong with what leakdiff is given, it says so in one sentence, ends with 2 and leaves nothing behind."""

from __future__ import annotations

import json
import os
import stat
import textwrap
from pathlib import Path

import pytest

from fresh import Ended, check_fresh, run_fresh, shell, shell_interrupted, write_module

SMALL = ("--units", "29", "--patience", "0.05")

# Says at the end of the process what the check left behind.
WATCHED = """
import atexit, gc, sys, threading, tracemalloc


def left_behind():
    changed = {
        "gc off": not gc.isenabled(),
        "thresholds": gc.get_threshold() != thresholds,
        "frozen": gc.get_freeze_count() > frozen,
        "tracing": tracemalloc.is_tracing(),
        "profiled": sys.getprofile() is not None or sys.gettrace() is not None,
        "threads": threading.active_count() - 1,
    }
    print("left behind:", sorted(name for name, value in changed.items() if value), file=sys.stderr)


atexit.register(left_behind)
thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
"""


def said(ended: Ended) -> str:
    """Return the sentence of the command line, without its slug."""
    (sentence,) = [line for line in ended.err.splitlines() if line.startswith("leakdiff: ")]
    return sentence.removeprefix("leakdiff: ").partition(" [")[0]


def slug(ended: Ended) -> str:
    """Return the slug that ends the sentence."""
    (sentence,) = [line for line in ended.err.splitlines() if line.startswith("leakdiff: ")]
    return sentence.rpartition("[")[2].rstrip("]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a workload that is fine."""
    write_module(tmp_path, "step = lambda: None\nvalue = 7\n\n\ndef two(one, other):\n    pass\n")
    return tmp_path


MISTAKES = [
    (
        ("missing.py",),
        "target-not-found",
        "The file missing.py was not found: there is no such file. Give the path of a Python file.",
    ),
    (
        (".",),
        "target-not-found",
        "The module '.' was not found: it cannot be imported from here. Give FILE.py or package.module:callable.",
    ),
    (
        ("app.py:other",),
        "target-not-found",
        "The step 'other' was not found: app.py has no such name. Define it, or name another: app.py:CALLABLE.",
    ),
    (
        ("nowhere.at.all:step",),
        "target-not-found",
        (
            "The module 'nowhere.at.all' was not found: it cannot be imported from here. "
            "Give FILE.py or package.module:callable."
        ),
    ),
    (
        ("app.py", "--setup", "prepare"),
        "target-not-found",
        "The setup 'prepare' was not found: app.py has no such name. Define it, or name another: app.py:CALLABLE.",
    ),
    (
        ("app.py:value",),
        "bad-callable",
        "step cannot be used: it is a int; give the name of a function.",
    ),
    (
        ("app.py:two",),
        "bad-callable",
        "step cannot be used: it is a callable that requires one, other; it takes the number of units, or nothing.",
    ),
    (
        ("app.py", "--rounds", "0"),
        "bad-option",
        "rounds=0 cannot work: rounds must be a whole number of at least 2.",
    ),
    (
        ("app.py", "--units", "0"),
        "bad-option",
        "units=0 cannot work: units must be a whole number of at least 1.",
    ),
    (
        ("app.py", "--warmup", "-1"),
        "bad-option",
        "warmup=-1 cannot work: warmup must be a whole number of at least 0.",
    ),
    (
        ("app.py", "--patience", "nan"),
        "bad-option",
        "patience=nan cannot work: patience must be a number above 0.",
    ),
]


@pytest.mark.parametrize(("arguments", "expected", "sentence"), MISTAKES)
def test_a_mistake_gets_its_own_sentence(
    folder: Path, arguments: tuple[str, ...], expected: str, sentence: str
) -> None:
    """What is missing or cannot work is named, with what to do, on standard error; the status is 2."""
    ended = shell(folder, "check", *arguments)

    assert (ended.code, ended.out) == (2, "")
    assert said(ended) == sentence
    assert slug(ended) == expected


def test_an_option_that_is_no_number_is_refused(folder: Path) -> None:
    """The usual sentence of a command line, and 2."""
    ended = shell(folder, "check", "app.py", "--rounds", "many")

    assert ended.code == 2
    assert "argument --rounds: invalid int value: 'many'" in ended.err


BROKEN = {
    "it imports what is missing": ("import no_such_module_anywhere\n", "ModuleNotFoundError"),
    "it raises": ("def prepare():\n    raise ZeroDivisionError('first')\n\n\nprepare()\n", "ZeroDivisionError"),
    "it is no Python": ("def step(:\n", "SyntaxError"),
    "it exits": ("import sys\n\nsys.exit(0)\n", "SystemExit"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_imported_shows_why(tmp_path: Path, name: str) -> None:
    """The user's own traceback comes first, then the sentence."""
    source, error = BROKEN[name]
    write_module(tmp_path, source)
    ended = shell(tmp_path, "check", "app.py")

    assert (ended.code, ended.out) == (2, "")
    assert said(ended).startswith(f"app.py could not be imported: it raised {error}")
    assert slug(ended) == "target-import-failed"
    assert "app.py" in ended.err.partition("leakdiff: ")[0] or error == "SystemExit"


# -- a step that fails -----------------------------------------------------------------------------

PER_ROUND = """
calls = 0


def step(units):
    global calls
    calls += 1
    if calls == 5:  # two rounds of warm-up, then the third
        fail()


def fail():
    raise ERROR
"""
PER_UNIT = """
calls = 0


def step():
    global calls
    calls += 1
    if calls == 4 * 29 + 17:
        fail()


def fail():
    raise ERROR
"""


def test_a_step_that_raises_is_reported_with_round_and_unit(tmp_path: Path) -> None:
    """A step called once per unit says which; the traceback is kept and nothing left behind."""
    write_module(tmp_path, WATCHED + PER_UNIT.replace("ERROR", "ValueError('no such driver')"))
    ended = shell(tmp_path, "check", "app.py", *SMALL)

    assert (ended.code, ended.out) == (2, "")
    assert said(ended) == (
        "step raised ValueError in round 3 of 5, unit 17; the traceback is its cause. Growth cannot be measured on "
        "a workload that fails: catch the error in the step if it belongs to the work."
    )
    assert "    fail()\n" in ended.err
    assert "ValueError: no such driver\n" in ended.err
    assert "left behind: []" in ended.err


def test_a_step_that_is_given_all_units_is_reported_with_its_round(tmp_path: Path) -> None:
    """Which unit it was cannot be known, and the sentence says so."""
    write_module(tmp_path, WATCHED + PER_ROUND.replace("ERROR", "ValueError('no such driver')"))
    ended = shell(tmp_path, "check", "app.py", *SMALL)

    assert ended.code == 2
    assert said(ended).startswith(
        "step raised ValueError in round 3 of 5 (the unit is not known: the step is given all units at once);"
    )
    assert "ValueError: no such driver\n" in ended.err
    assert "left behind: []" in ended.err


ODD_ERRORS = {
    "SystemExit": "SystemExit(0)",
    "GeneratorExit": "GeneratorExit()",
    "StopIteration": "StopIteration()",
    "CancelledError": "__import__('asyncio').CancelledError()",
    "Unprintable": "type('Unprintable', (Exception,), dict.fromkeys(['__str__', '__repr__'], lambda self: 1 / 0))()",
    "ExceptionGroup": "ExceptionGroup('two', [ValueError(1), KeyError(2)])",
}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("name", ODD_ERRORS)
def test_whatever_a_step_raises_is_an_error_of_the_step(tmp_path: Path, name: str, is_async: bool) -> None:  # noqa: FBT001
    """An exception that would end a program, a loop or a task is the step's failure like any other."""
    source = PER_UNIT.replace("ERROR", ODD_ERRORS[name])
    write_module(tmp_path, source.replace("def step", "async def step") if is_async else source)
    ended = shell(tmp_path, "check", "app.py", *SMALL)
    raised = "RuntimeError" if is_async and name == "StopIteration" else name  # PEP 479

    assert (ended.code, ended.out) == (2, "")
    assert said(ended).startswith(f"step raised {raised} in round 3 of 5, unit 17;")


@pytest.mark.parametrize("role", ["setup", "teardown"])
def test_setup_and_teardown_that_raise_are_named(tmp_path: Path, role: str) -> None:
    """The sentence says which of the three callables failed."""
    write_module(tmp_path, WATCHED + f"def step():\n    pass\n\n\ndef {role}():\n    raise KeyError('x')\n")
    ended = shell(tmp_path, "check", "app.py", *SMALL)

    assert (ended.code, ended.out) == (2, "")
    assert said(ended).startswith(f"{role} raised KeyError in {role}; the traceback is its cause.")
    assert "left behind: []" in ended.err


def test_teardown_runs_after_a_step_that_raised(tmp_path: Path) -> None:
    """What setup made can be put away, also when the step failed."""
    write_module(tmp_path, PER_UNIT.replace("ERROR", "ValueError()") + "def teardown():\n    print('torn down')\n")
    ended = shell(tmp_path, "check", "app.py", *SMALL)

    assert (ended.code, ended.out) == (2, "torn down\n")
    assert said(ended).startswith("step raised ValueError in round 3 of 5, unit 17;")


# -- a step that never returns ---------------------------------------------------------------------

ENDLESS = {
    "asleep": ("def step(units):", "time.sleep(600)"),
    "busy": ("def step(units):", "while True: pass"),
    "awaiting": ("async def step(units):", "await asyncio.Event().wait()"),
    "joining a thread": ("def step(units):", "threading.Event().wait()"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_ctrl_c_gives_the_report_of_the_rounds_so_far(tmp_path: Path, name: str) -> None:
    """A step that never returns is interrupted: what was measured is reported, and nothing stays behind."""
    head, wait = ENDLESS[name]
    source = f"""
import asyncio, time

_kept = []
calls = 0


{head}
    global calls
    calls += 1
    for _ in range(units):
        _kept.append([calls])
    if calls == 5:
        print("ready", file=sys.stderr, flush=True)
        {wait}


def teardown():
    print("torn down", file=sys.stderr)
"""
    write_module(tmp_path, WATCHED + source)
    ended = shell_interrupted(tmp_path, "check", "app.py", "--json", "report.json", *SMALL)
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))

    assert ended.code == 2, ended.err
    assert ended.out.startswith("leakdiff: INCONCLUSIVE  interrupted in round 3 of 5 after 2 measured rounds")
    assert report["verdict"] == "INCONCLUSIVE"
    assert [measured["objects"] for measured in report["rounds"]] == [29, 29]
    assert "torn down" in ended.err
    assert "left behind: []" in ended.err
    assert "Traceback" not in ended.err


def test_ctrl_c_in_setup_is_a_report_without_rounds(tmp_path: Path) -> None:
    """Nothing was measured, and the report says so."""
    source = """
import time


def setup():
    print("ready", file=sys.stderr, flush=True)
    time.sleep(600)


def step():
    pass
"""
    write_module(tmp_path, WATCHED + source)
    ended = shell_interrupted(tmp_path, "check", "app.py", *SMALL)

    assert ended.code == 2
    assert ended.out == "leakdiff: INCONCLUSIVE  interrupted in setup after 0 measured rounds\n"
    assert "left behind: []" in ended.err


def test_ctrl_c_while_the_file_is_imported_is_one_sentence(tmp_path: Path) -> None:
    """There is nothing to report yet, and no traceback of leakdiff's to read."""
    write_module(tmp_path, "import sys, time\nprint('ready', file=sys.stderr, flush=True)\ntime.sleep(600)\n")
    ended = shell_interrupted(tmp_path, "check", "app.py")

    assert (ended.code, ended.out) == (2, "")
    assert said(ended) == "interrupted before there was a result"
    assert "Traceback" not in ended.err


# -- interpreters ----------------------------------------------------------------------------------

INTERPRETERS = {
    "PyPy": ("sys.implementation.name = 'pypy'\nplatform.python_implementation = lambda: 'PyPy'", "PyPy 3."),
    "an old CPython": ("sys.version_info = (3, 10, 4)", "CPython 3."),
    "no GIL": ("sys._is_gil_enabled = lambda: False", "a free-threaded build of CPython 3."),
}


@pytest.mark.parametrize("name", INTERPRETERS)
def test_another_interpreter_is_refused(name: str) -> None:
    """Where the heap cannot be read exactly, leakdiff says what it needs and what it saw, and does not run the step."""
    change, saw = INTERPRETERS[name]
    script = f"""
import contextlib, io, json, platform, sys
from leakdiff.cli import main

with open("other.py", "w") as file:
    file.write("def step():\\n    print('ran')\\n")
{change}
err, out = io.StringIO(), io.StringIO()
with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
    code = main(["check", "other.py"])
print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""
    code, out, err = run_fresh(script)

    assert (code, out) == (2, "")
    assert err.startswith(f"leakdiff: leakdiff reads the heap of CPython 3.11 or newer with the GIL; this is {saw}")
    assert err.endswith("Run it under such an interpreter. [unsupported-interpreter]\n")


# -- a process in an unusual state -----------------------------------------------------------------

LEAKY = """
import gc, threading, tracemalloc

_kept = {}
_numbers = iter(range(10**9))


def step(units):
    for _ in range(units):
        number = next(_numbers)
        _kept[f"req-{number:08x}"] = [number]
"""


def test_gc_disabled_by_the_program_is_no_obstacle() -> None:
    """The leak is found, garbage is not taken for one, and gc stays off."""
    source = LEAKY + textwrap.dedent("""
        gc.disable()
        leak = step


        class Node:
            def __init__(self):
                self.me = self


        def step(units):
            leak(units)
            for _ in range(units):
                Node()


        def after():
            return gc.isenabled()
        """)
    answer = check_fresh(source)

    assert answer.blamed == ("LEAK", "app._kept")
    assert answer.accused == ["app._kept"]
    assert answer.after is False


FROZEN = """
_ballast = [[number] for number in range(20_000)]
gc.collect()
gc.freeze()
_frozen = gc.get_freeze_count()


def after():
    return [_frozen, gc.get_freeze_count(), list(gc.get_threshold())]
"""


def test_a_heap_frozen_by_someone_else_stays_frozen() -> None:
    """The leak is found and owned, a note says by what other means, and the frozen objects stay frozen."""
    answer = check_fresh(LEAKY + FROZEN)
    before, now, thresholds = answer.after

    assert answer.blamed == ("LEAK", "app._kept")
    assert "the heap was frozen by someone else (gc.freeze)" in answer.notes
    assert 0.99 * before <= now <= before  # a few of them died
    assert thresholds == [700, 10, 10] or thresholds[0] == 2000


def test_a_clean_step_on_a_frozen_heap_is_stable() -> None:
    """Cycles that come and go are told from what stays, though nothing may be frozen or thawed."""
    source = FROZEN.replace("_ballast", "import gc\n_ballast") + textwrap.dedent("""
        class Node:
            def __init__(self):
                self.me = self


        def step(units):
            for _ in range(units):
                Node()
        """)
    answer = check_fresh(source)
    before, now, _ = answer.after

    assert answer.verdict == "STABLE"
    assert 0.99 * before <= now <= before


def test_a_step_that_collects_on_a_frozen_heap_is_measured_or_refused(tmp_path: Path) -> None:
    """A full collection ages what is new: the leak is found all the same, or a sentence says what is in the way."""
    source = WATCHED + LEAKY + FROZEN + "\nleak = step\n\n\ndef step(units):\n    leak(units)\n    gc.collect()\n"
    write_module(tmp_path, source)
    ended = shell(tmp_path, "check", "app.py", *SMALL)
    refused = "frozen by someone else (gc.freeze) and the step ran a full collection" in ended.err

    assert (ended.code == 2 and refused) or ended.out.startswith("leakdiff: LEAK  app._kept")
    assert "left behind: ['frozen']" in ended.err  # by the program, and still


def test_tracemalloc_with_other_settings_is_used_and_left_on() -> None:
    """Tracing that was on keeps its frames and its traces, and a note says it was used."""
    source = LEAKY + textwrap.dedent("""
        tracemalloc.start(3)
        _early = [object() for _ in range(5)]


        def after():
            traced = tracemalloc.get_object_traceback(_early[0])
            return [tracemalloc.is_tracing(), tracemalloc.get_traceback_limit(), traced is not None]
        """)
    answer = check_fresh(source)

    assert answer.blamed == ("LEAK", "app._kept")
    assert answer.after == [True, 3, True]
    assert answer.notes == "tracemalloc was already on with 3 frame(s); it was used and left as it was"


# -- forks and threads -----------------------------------------------------------------------------


def test_a_step_whose_child_ends_by_itself_is_measured(tmp_path: Path) -> None:
    """Forking is the work of some steps: a child that ends inside the step is no trouble."""
    source = """
        import os


        def step(units):
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
    """
    write_module(tmp_path, source)
    ended = shell(tmp_path, "check", "app.py", *SMALL)

    assert ended.code == 0, ended.err
    assert ended.out.startswith("leakdiff: STABLE  nothing grew in 5 rounds of 29 units (145 units)\n")
    assert ended.err == ""


FORKING = """
import os

parent = os.getpid()


def step(units):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    else:
        ENDING
"""


@pytest.mark.parametrize("ending", ["return", "raise ValueError('in the child')", "raise SystemExit(0)"])
def test_a_step_that_returns_in_a_child_is_an_error(tmp_path: Path, ending: str) -> None:
    """The child says once what it is and ends; the parent does not pass for clean, and nobody measures twice."""
    source = WATCHED.replace("atexit.register(left_behind)", "") + FORKING.replace("ENDING", ending)
    write_module(tmp_path, source + "\n\ndef teardown():\n    print('torn down by', os.getpid() == parent)\n")
    ended = shell(tmp_path, "check", "app.py", "--json", "report.json", *SMALL)

    assert "the step returned in a forked child process in warm-up round 1 of 2" in ended.err
    assert ended.code == 2
    assert "torn down by False" not in ended.out
    assert ended.out.count("leakdiff: ") <= 1
    assert not (tmp_path / "report.json").exists()


def test_threads_that_go_on_allocating_are_named_as_the_obstacle() -> None:
    """A thread that fills a list of its own, whatever the step does: its list is named, or the thread is."""
    source = """
    import threading, time

    _log = []


    def write():
        while True:
            _log.append([time.monotonic()])
            time.sleep(0.0002)


    def step(units):
        if threading.active_count() == 1:
            threading.Thread(target=write, daemon=True).start()
        time.sleep(0.01)
    """
    answer = check_fresh(source)

    if answer.verdict == "INCONCLUSIVE":
        assert "a thread goes on allocating" in answer.because
    else:
        assert answer.blamed == ("LEAK", "app._log")


def test_threads_that_come_and_go_are_no_leak() -> None:
    """Threads that allocate all the time and keep nothing accuse nobody."""
    source = """
    import threading, time

    _stop = threading.Event()


    def churn():
        while not _stop.is_set():
            rows = [[number] for number in range(200)]
            time.sleep(0.0005)
            del rows


    def step(units):
        if threading.active_count() == 1:
            for _ in range(2):
                threading.Thread(target=churn, daemon=True).start()
        time.sleep(0.005)


    def teardown():
        _stop.set()
    """
    answer = check_fresh(source)

    assert answer.verdict in ("STABLE", "INCONCLUSIVE")
    assert answer.accused == []


def test_a_leak_is_found_while_threads_allocate_and_let_go() -> None:
    """Churn in other threads does not hide what the step keeps."""
    source = LEAKY + textwrap.dedent("""
        import time

        leak = step


        def churn():
            while True:
                rows = [[number] for number in range(50)]
                time.sleep(0.001)
                del rows


        def step(units):
            if threading.active_count() == 1:
                threading.Thread(target=churn, daemon=True).start()
            leak(units)
            time.sleep(0.002)
        """)
    answer = check_fresh(source, units=101)

    assert answer.blamed == ("LEAK", "app._kept")


# -- where the report goes -------------------------------------------------------------------------

UNWRITABLE = ["no/such/folder/report.json", "app.py/report.json", "reports"]


@pytest.mark.parametrize("place", UNWRITABLE)
def test_a_report_that_cannot_be_written_leaves_no_half_of_it(folder: Path, place: str) -> None:
    """The text is printed all the same; the place is named; the folder is as it was."""
    (folder / "reports").mkdir()
    before = listing(folder)
    ended = shell(folder, "check", "app.py", "--json", place, *SMALL)

    assert ended.code == 2
    assert ended.out.startswith("leakdiff: STABLE")
    assert said(ended).startswith(f"{place} could not be written: ")
    assert said(ended).endswith("Nothing was left behind.")
    assert listing(folder) == before


def listing(folder: Path) -> list[str]:
    """Return every path below a folder, but for Python's own cache."""
    return sorted(str(path) for path in folder.rglob("*") if "__pycache__" not in path.parts)


def test_an_older_report_is_replaced_as_a_whole(folder: Path) -> None:
    """The new report takes the place of the old one, and nothing else appears beside it."""
    (folder / "report.json").write_text("old", encoding="utf-8")
    ended = shell(folder, "check", "app.py", "--json", "report.json", *SMALL)

    assert ended.code == 0
    assert json.loads((folder / "report.json").read_text("utf-8"))["verdict"] == "STABLE"
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {"app.py", "report.json"}


def test_a_link_to_a_report_stays_a_link(folder: Path) -> None:
    """Where the path is a symbolic link, what it points to is written."""
    (folder / "real.json").write_text("old", encoding="utf-8")
    (folder / "report.json").symlink_to("real.json")
    shell(folder, "check", "app.py", "--json", "report.json", *SMALL)

    assert (folder / "report.json").is_symlink()
    assert json.loads((folder / "real.json").read_text("utf-8"))["verdict"] == "STABLE"


def test_a_pipe_is_written_to_and_not_replaced(folder: Path) -> None:
    """``--json >(jq .)`` and ``--json /dev/stdout`` name no regular file: they are written, never replaced."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        ended = shell(folder, "check", "app.py", "--json", "pipe", *SMALL)
        received = os.read(reader, 65536)
    finally:
        os.close(reader)

    assert ended.code == 0, ended.err
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert json.loads(received)["verdict"] == "STABLE"


def test_json_on_standard_output_is_nothing_but_json(folder: Path) -> None:
    """``--json -`` writes the report to standard output, alone."""
    ended = shell(folder, "check", "app.py", "--json", "-", *SMALL)

    assert ended.code == 0
    assert json.loads(ended.out)["format"] == 1
