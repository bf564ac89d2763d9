"""A leak whose container was looked at first: it is told by its own name, and is no less a leak."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import leakdiff
from fresh import SECONDS, check_fresh, run_fresh, write_module

_APP = """
class Result:
    pass

class Service:
    def __init__(self):
        self.items = []

class App:
    def __init__(self):
        self.service = Service()

app = App()
inflight = []

def step():
    inflight.append(Result())

def serve():
    app.service.items.append(Result())
"""
_TOLD = "[str(report.verdict), [found.owner for found in report.findings if str(found.verdict) != 'STABLE']]"
_KNOBS = "rounds=3, units=29, patience=0.1"
_SESSION = """
import contextlib, io, json, os, sys, tempfile
os.environ["IPYTHONDIR"] = tempfile.mkdtemp()
open("app.py", "w").write(APP)
sys.path.insert(0, os.getcwd())
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)
with contextlib.redirect_stdout(io.StringIO()):
    for cell in CELLS:
        shell.run_cell(cell, store_history=True)
print(json.dumps(shell.user_ns["told"]))
"""
_WATCH = """
done = threading.Event()
def serve_on():
    while not done.wait(0.002): app.serve()
threading.Thread(target=serve_on).start()
try: report = leakdiff.watch(1)
finally: done.set()
"""


def in_ipython(*cells: str) -> Any:
    """Run cells in a fresh IPython; ``note()`` in them notes what the last report says."""
    first = f"import leakdiff, app, threading\ntold = []\ndef note(): told.append({_TOLD})"
    return run_fresh(_SESSION.replace("APP", repr(_APP)).replace("CELLS", json.dumps([first, *cells])))


def at_the_plain_prompt(folder: Path, *lines: str) -> Any:
    """Type lines at a plain prompt, and return what the last of them prints as JSON."""
    write_module(folder, _APP)
    ended = subprocess.run(
        [sys.executable, "-i", "-q", "-c", "import json, leakdiff, app"],
        input="\n".join(lines) + "\n",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(leakdiff.__file__).parent.parent), "PYTHON_BASIC_REPL": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_a_container_shown_in_ipython_keeps_its_name() -> None:
    """Out, ``_`` and ``_4`` lead to it by the shortest path, and yet it is told by the program's own, and is a leak."""
    pytest.importorskip("IPython", reason="IPython is not installed: pip install ipython")
    told = in_ipython(
        "app.inflight",
        f"report = leakdiff.check(app.step, {_KNOBS}); note()",
        "app.app.service.items",
        "1",
        "2",
        "3",
        f"report = leakdiff.check(app.serve, {_KNOBS}); note()",
        "app.app.service",
        f"{_WATCH}note()",
        "kept = []",
        "kept",
        f"report = leakdiff.check(lambda: kept.append([1]), {_KNOBS}); note()",
    )

    assert told == [
        ["LEAK", ["app.inflight"]],
        ["LEAK", ["app.app.service.items"]],
        ["LEAK", ["app.app.service.items"]],
        ["LEAK", ["__main__.kept"]],
    ]


def test_what_only_a_prompt_holds_is_a_leak_all_the_same() -> None:
    """A container of the program that nothing else holds is named by Out, which is no excuse for its growth."""
    pytest.importorskip("IPython", reason="IPython is not installed: pip install ipython")
    told = in_ipython(
        "[]", f"report = leakdiff.check(lambda: Out[2].append([1]) if 2 in Out else None, {_KNOBS}); note()"
    )

    assert told == [["LEAK", ["__main__._oh[*]"]]]


def test_what_a_cell_displays_is_told_by_a_name_that_can_be_read() -> None:
    """IPython keeps all that a cell displays; the way through its records is left out."""
    pytest.importorskip("IPython", reason="IPython is not installed: pip install ipython")
    told = in_ipython(
        "%load_ext leakdiff",
        "%%leakdiff --rounds 3 --units 29 --patience 0.1\n%time 1",
        "told.extend(found.owner for found in _.findings if 'History' in found.owner)",
    )

    assert told == ["IPython.core.history.HistoryManager.outputs"]


def test_a_container_shown_at_the_plain_prompt_keeps_its_name(tmp_path: Path) -> None:
    """``builtins._`` leads to it by a shorter path than the program's own."""
    lines = ["app.app.service.items", f"report = leakdiff.check(app.serve, {_KNOBS})", f"print(json.dumps({_TOLD}))"]

    assert at_the_plain_prompt(tmp_path, *lines) == ["LEAK", ["app.app.service.items"]]


def test_what_only_the_plain_prompt_holds_is_a_leak_all_the_same(tmp_path: Path) -> None:
    """Under ``_`` alone it has no better name, and grows as any other does."""
    lines = [
        "import builtins; []",
        f"report = leakdiff.check(lambda: builtins._.append([1]), {_KNOBS})",
        f"print(json.dumps({_TOLD}))",
    ]

    assert at_the_plain_prompt(tmp_path, *lines) == ["LEAK", ["builtins._"]]


@pytest.mark.parametrize("name", ["Out", "In", "_oh", "_1", "_", "_i1"])
def test_names_of_a_prompt_are_no_excuse_where_there_is_none(name: str) -> None:
    """A global of a script that is called as a prompt's own is the program's."""
    answer = check_fresh(f"""
        import __main__
        __main__.{name} = []

        def step():
            __main__.{name}.append([1])
        """)

    assert answer.blamed == ("LEAK", f"__main__.{name}")
