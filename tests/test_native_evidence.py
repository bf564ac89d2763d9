"""The evidence for native leaks: C functions, extensions, reference counts, and commands that show it again."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from fresh import run_fresh
from leakdiff.capture.extensions import Extension, find_extensions
from leakdiff.capture.native import Stays, likeliest, reproduce, untracked_references
from leakdiff.capture.workload import Workload

_START = """
import ctypes, itertools, json, os, sys
from leakdiff.capture import native
from leakdiff.capture.tiers import Bench, native_lines, warm_up
from leakdiff.capture.workload import Workload
from leakdiff.options import make_options

library = ctypes.CDLL(None)
library.strdup.restype = ctypes.c_void_p
keep = ctypes.pythonapi.Py_IncRef
keep.argtypes = [ctypes.py_object]

def bench_of(step):
    bench = Bench(Workload(step), make_options(units=53))
    warm_up(bench)
    return bench

def told(evidence):
    calls = [[call.function, call.module, round(call.calls), round(call.bytes)] for call in evidence.calls]
    print(json.dumps([calls, evidence.references]))
"""


def test_a_leak_of_the_c_heap_names_line_and_function() -> None:
    """The line that leaves bytes on the C heap, and the C function called there that does."""
    script = """
def step():
    text = "-".join(["ab"] * 400).encode()
    library.strdup(text)
    return len(text)

bench = bench_of(step)
lines = native.likeliest(native_lines(bench, 1216.0), 1216.0)
assert lines[0][0][1] == step.__code__.co_firstlineno + 2, lines
told(native.native_evidence(bench, native.C_HEAP, native.Stays(0.0, 1216.0), dict(lines)))
"""
    ((function, module, calls, size),), references = run_fresh(_START + script)

    assert (function, module, calls, references) == ("strdup", "_ctypes", 1, "")
    assert 1200 <= size <= 1216


def test_a_leaked_reference_to_a_string_names_what_keeps_it_where_that_can_be_seen() -> None:
    """From 3.12 on it is seen that references grow; what makes the string is never blamed for it."""
    script = """
def step():
    text = "-".join(["ab"] * 400)
    keep(text)

bench = bench_of(step)
lines = {(__file__, step.__code__.co_firstlineno + 1)}
told(native.native_evidence(bench, native.LEAKED_REFERENCES, native.Stays(1.0, 1248.0), lines))
"""
    calls, references = run_fresh(_START + script)

    assert [call[0] for call in calls] == (["Py_IncRef"] if sys.version_info >= (3, 12) else [])
    assert references.startswith("1.00 blocks of about 1,248 bytes per unit; gc does not track such objects")


def test_lines_that_leave_descriptors_open_are_counted() -> None:
    """Net per line: what is opened and closed again does not show."""
    script = """
def step():
    os.close(os.open(os.devnull, os.O_RDONLY))
    os.open(os.devnull, os.O_RDONLY)

print(json.dumps(native.descriptor_lines(bench_of(step), 1.0)))
"""
    (((_, line), per_unit),) = run_fresh(_START + script)

    assert (line, per_unit) == (_START.count("\n") + 4, 1.0)


def test_a_function_in_use_as_profiler_is_noted_not_replaced() -> None:
    """The evidence stands without the C function, and the report says why."""
    script = """
def theirs(*_):
    pass

def step():
    library.strdup(b"x" * 2000)

bench = bench_of(step)
sys.setprofile(theirs)
evidence = native.native_evidence(bench, native.C_HEAP, native.Stays(0.0, 2000.0), ())
sys.setprofile(None)
print(json.dumps([evidence.calls, bench.notes]))
"""
    note = "the C function behind the growth was not looked for: a profile function is in use"

    assert run_fresh(_START + script) == [[], [note]]


def test_references_to_an_orphan_are_counted_against_what_refers_to_it() -> None:
    """One reference more than the heap shows: C code leaked it."""
    script = """
from leakdiff.capture.tiers import deep_rounds
from leakdiff.ownership.accumulate import find_accumulations

class Kept:
    pass

def step():
    one = Kept()
    one.inner = Kept()
    keep(one)

bench = bench_of(step)
deep = deep_rounds(bench, 3, 2.0, 0.0)
found = [item for item in find_accumulations(deep.newborn.as_graph(3, deep.units)) if item.orphan]
print(json.dumps([native.orphan_references(deep.newborn, item) for item in found]))
"""
    assert run_fresh(_START + script) == ["reference count 1, 0 visible referrers"]


def test_an_extension_is_traced_to_the_distribution_that_installed_it() -> None:
    """By the files that distributions installed; the standard library and what nobody claims have none."""
    psutil = pytest.importorskip("psutil")
    found = find_extensions(["psutil._psutil_linux", "_ctypes", "builtins", "no_such_module"])

    assert found["psutil._psutil_linux"].distribution == f"psutil {psutil.__version__}"
    assert found["psutil._psutil_linux"].file
    assert found["_ctypes"].distribution == ""
    assert found["builtins"] == found["no_such_module"] == Extension()


def test_tracing_an_extension_imports_nothing_and_leaves_nothing() -> None:
    """It runs in somebody's process: no module is loaded, and the heap is as it was."""
    script = """
import gc, json, sys
import psutil._psutil_linux
from leakdiff.capture.extensions import find_extensions

for _ in range(100):  # the standard library keeps what it has seen, up to a bound
    find_extensions(["psutil._psutil_linux", "no_such_module"])
modules = set(sys.modules)
gc.collect()
before = sys.getallocatedblocks()
for _ in range(20):
    find_extensions(["psutil._psutil_linux", "no_such_module"])
gc.collect()
gained = sys.getallocatedblocks() - before
print(json.dumps([sorted(set(sys.modules) - modules), int(gained / 20)]))  # not //: a block fewer is no leak
"""
    assert run_fresh(script) == [[], 0]


def test_lines_are_ordered_by_how_near_they_come_to_what_stays() -> None:
    """A local that is freed when its function returns looks like a leak of its line, but not of the right size."""
    lines = [(("app.py", 3), 5_000.0), (("app.py", 4), 2_512.0), (("app.py", 5), 600.0)]

    assert [line for (_, line), _ in likeliest(lines, 2_500.0)] == [4, 3, 5]


def step_of_this_file() -> None:
    """Be a step that a command line can name."""


def test_a_function_of_a_file_is_reproduced_by_its_path() -> None:
    """The command can be pasted; a path below the current folder is relative."""
    command = reproduce(Workload(step_of_this_file), 101)

    assert command.startswith("leakdiff check ")
    assert command.endswith("test_native_evidence.py:step_of_this_file --units 101")


@pytest.mark.parametrize("step", [lambda: None, print, [].clear], ids=["lambda", "builtin", "bound method"])
def test_what_a_command_line_cannot_name_is_reproduced_by_a_script(step: Any) -> None:
    """Three lines that run where the step is."""
    assert (
        reproduce(Workload(step), 29)
        == "import leakdiff\nreport = leakdiff.check(step, units=29)\nprint(report.text())"
    )


def test_a_function_of_an_installed_module_is_reproduced_by_the_module() -> None:
    """A file of the standard library is not the user's to check: the module is named."""
    import textwrap

    assert reproduce(Workload(textwrap.dedent), 7) == "leakdiff check textwrap:dedent --units 7"


_LOADED = """
import json, pathlib, shlex, types
from leakdiff.capture.native import reproduce
from leakdiff.capture.workload import Workload

def loaded(source, name="app.py"):
    path = pathlib.Path(name).absolute()
    path.parent.mkdir(exist_ok=True)
    path.write_text(source)
    module = types.ModuleType("app")
    module.__file__ = str(path)
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module
"""


def test_a_path_with_a_blank_is_quoted() -> None:
    """The command can be pasted into a shell."""
    script = """
app = loaded("def step(): pass", "a b/it's.py")
print(json.dumps(shlex.split(reproduce(Workload(app.step), 7))))
"""
    assert run_fresh(_LOADED + script) == ["leakdiff", "check", "a b/it's.py:step", "--units", "7"]


def test_setup_and_teardown_belong_to_the_command() -> None:
    """They are named where their names are not those that are run anyway."""
    script = """
app = loaded("def step(): pass\\ndef setup(): pass\\ndef clean(): pass")
default = reproduce(Workload(app.step, app.setup), 7)
app = loaded("def step(): pass\\ndef prepare(): pass\\ndef clean(): pass")
print(json.dumps([default, reproduce(Workload(app.step, app.prepare, app.clean), 7)]))
"""
    assert run_fresh(_LOADED + script) == [
        "leakdiff check app.py:step --units 7",
        "leakdiff check app.py:step --setup prepare --teardown clean --units 7",
    ]


def test_a_setup_that_a_command_cannot_name_or_would_add_makes_a_script() -> None:
    """One that is no function of the file, and one of the file that was not run."""
    script = """
app = loaded("def step(): pass")
foreign = reproduce(Workload(app.step, [].clear), 7)
app = loaded("def step(): pass\\ndef setup(): pass")
print(json.dumps([foreign.splitlines()[1], reproduce(Workload(app.step), 7).splitlines()[1]]))
"""
    assert run_fresh(_LOADED + script) == [
        "report = leakdiff.check(step, setup=setup, units=7)",
        "report = leakdiff.check(step, units=7)",
    ]


def test_a_namespace_of_the_users_own_kind_runs_nothing() -> None:
    """Globals may be a subclass of dict with methods of its own."""
    script = """
asked = []

class Space(dict):
    def get(self, *_): asked.append("get")
    def __contains__(self, _): asked.append("contains"); return False

app = loaded("def step(): pass")
space = Space(__name__="app", __file__=app.__file__)
exec(compile("def step(): pass", app.__file__, "exec"), space)
print(json.dumps([reproduce(Workload(space["step"]), 7), asked]))
"""
    assert run_fresh(_LOADED + script) == ["leakdiff check app.py:step --units 7", []]


def test_no_blocks_say_nothing_of_references() -> None:
    """Without leaked blocks there is nothing to count."""
    assert untracked_references(Stays(0.0, 12.0)) == ""
