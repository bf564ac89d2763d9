"""Importing: our own libraries without what they take along, and nothing at all between two measurements."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading

import pytest

from fresh import run_fresh
from leakdiff.capture.quiet_import import without


def test_a_module_is_absent_for_this_thread_only() -> None:
    """Another thread that imports it at that moment gets it."""
    seen: list[str] = []

    def import_it() -> None:
        sys.modules.pop("colorsys", None)
        seen.append(importlib.import_module("colorsys").__name__)

    sys.modules.pop("colorsys", None)
    with without("colorsys"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("colorsys")
        thread = threading.Thread(target=import_it)
        thread.start()
        thread.join()

    assert seen == ["colorsys"]


def test_what_the_program_has_imported_stays_there() -> None:
    """A module that is loaded already is found as ever, and the finders are as before."""
    finders = list(sys.meta_path)
    with without("json"):
        found = importlib.import_module("json")

    assert found is sys.modules["json"]
    assert sys.meta_path == finders


def test_a_snapshot_does_not_bring_numpy_into_the_process() -> None:
    """For pympler imports numpy where it is installed; a program that has not asked for it does not get it."""
    source = (
        "import sys, leakdiff; leakdiff.snapshot(); print('numpy' in sys.modules, 'pympler.asizeof' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["False", "True"]


# -- between two measurements ----------------------------------------------------------------------

CHECKED = """
import json, sys
import leakdiff

kept, loaded = [], []


def step(units):
    loaded.append(set(sys.modules))
    kept.extend([number] for number in range(units))


report = leakdiff.check(step, units=29, patience=0.05)
new = [sorted(after - before) for before, after in zip(loaded, loaded[1:])]
print(json.dumps([report.verdict, new]))
"""
WARM_UPS, MARKED, SETTLING, CONFIRMING = 2, 5, 1, 3


def test_a_clean_check_imports_nothing_between_its_rounds() -> None:
    """What it needs is there before the first round that is measured; what it would need of a leak is not fetched."""
    source = """
import array, json, sys
import leakdiff

loaded, calls = array.array("l", [0] * 100), array.array("l", [0])  # keeps no new object


def step(units):
    loaded[calls[0]] = len(sys.modules)
    calls[0] += 1


report = leakdiff.check(step, units=29)
print(json.dumps([report.verdict, calls[0], list(loaded[: calls[0]])]))
"""
    verdict, calls, loaded = run_fresh(source)

    assert (verdict, calls) == ("STABLE", WARM_UPS + MARKED)
    assert len(set(loaded[WARM_UPS:])) == 1


def test_a_check_that_finds_a_leak_imports_only_between_its_tiers() -> None:
    """From the first marked round to the last that confirms nothing comes in, nor among the rounds after the walk."""
    verdict, new = run_fresh(CHECKED)
    cheap = WARM_UPS + MARKED + SETTLING + CONFIRMING - 1  # the pair from the last confirming round to the first deep

    assert verdict == "LEAK"
    assert new[WARM_UPS:cheap] == [[]] * (cheap - WARM_UPS)
    assert "networkx" in new[cheap]
    assert new[cheap + 1 : cheap + 3] == [[], []]


def test_snapshots_and_their_diff_import_nothing_after_the_first() -> None:
    """What the first snapshot imports is part of it; the next ones, and comparing them, add nothing to the process."""
    source = """
import json, sys
import leakdiff

before = leakdiff.snapshot()
loaded = set(sys.modules)
after = leakdiff.snapshot()
taken = set(sys.modules)
diff = leakdiff.diff(before, after)
diffed = set(sys.modules)
leakdiff.snapshot()
print(json.dumps([sorted(taken - loaded), sorted(diffed - taken), sorted(set(sys.modules) - diffed)]))
"""

    assert run_fresh(source) == [[], [], []]


def test_a_watch_imports_nothing_from_its_first_window_to_its_last_look() -> None:
    """Traffic that leaks is watched to the end, with both walks of the heap in between."""
    source = """
import json, sys
from leakdiff.live import watch_with

kept, loaded = [], []


def wait(seconds):
    loaded.append(set(sys.modules))
    kept.extend([number] for number in range(100))
    loaded.append(set(sys.modules))


report = watch_with(0.2, 2, 30.0, wait)
print(json.dumps([report.verdict, len(loaded) > 6, sorted(loaded[-1] - loaded[0])]))
"""

    assert run_fresh(source) == ["LEAK", True, []]
