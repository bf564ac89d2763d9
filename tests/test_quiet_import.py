"""Importing our own libraries without what they take along."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading

import pytest

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
