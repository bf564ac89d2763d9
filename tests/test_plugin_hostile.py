"""The plugin is a guest too: it runs no code of the objects in a test, shows none of their values, and keeps none."""

from __future__ import annotations

import subprocess
import sys

import attrs
import pytest

CANARY = "4111-1111-1111-1111"

# What is noted here was called by somebody while an object of the test was looked at.
HOSTILE = f"""
import gc
import sys

import pytest

noted = []
asked = []
leaked = []
by_card = {{}}
CARD = "{CANARY}"


def refuse(name):
    def method(self, *args):
        noted.append((name, sys._getframe(1).f_code.co_filename))
        raise RuntimeError(name)

    return method


class Hostile:
    __repr__ = refuse("__repr__")
    __str__ = refuse("__str__")
    __eq__ = refuse("__eq__")
    __hash__ = refuse("__hash__")
    __len__ = refuse("__len__")
    __bool__ = refuse("__bool__")
    __iter__ = refuse("__iter__")
    __getattr__ = refuse("__getattr__")
    __class__ = property(refuse("__class__"))
    __sizeof__ = refuse("__sizeof__")
    __reduce_ex__ = refuse("__reduce_ex__")


@pytest.mark.leakdiff(units=5)
def test_marked():
    thing = Hostile()
    object.__setattr__(thing, "card", CARD)
    leaked.append(thing)


class TestHostile:
    @property
    def __class__(self):  # pytest itself asks for it, by dir()
        asked.append(sys._getframe(1).f_code.co_filename)
        return type(self)

    @pytest.mark.leakdiff(units=5)
    def test_method(self):
        leaked.append(Hostile())


@pytest.mark.leakdiff(units=5)
def test_keys():
    by_card[CARD + str(len(by_card))] = Hostile()


def test_gone(leakdiff):
    leaked.append(Hostile())
    leakdiff.expect_gone(leaked[-1], grace=0.01)


def test_no_growth(leakdiff):
    with leakdiff.no_growth():
        leaked.append(Hostile())


def test_rounds(leakdiff):
    with leakdiff.no_growth():
        for _ in leakdiff.rounds(units=5):
            leaked.append(Hostile())


def test_nothing_was_called():
    assert noted == []
    assert not [file for file in asked if "leakdiff" in file]
    assert not gc.get_freeze_count() or sys.version_info >= (3, 12)
    assert gc.isenabled()
"""


@attrs.frozen
class Inner:
    """What the inner session said.

    Attributes:
        shown: What it printed.
        written: The files it wrote.
    """

    shown: str
    written: str


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Inner:
    """Run the hostile tests once, each of which leaks, and each way of looking at them."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "test_hostile.py").write_text(HOSTILE, encoding="utf-8")
    files = ["report.json", "report.html", "junit.xml"]
    options = ["--leakdiff-report=report.json", "--leakdiff-report=report.html", "--junitxml=junit.xml"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-pno:cacheprovider",
        "-pno:randomly",
        "-pno:schemathesis",
        "-pno:asyncio",
        *options,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    return Inner(done.stdout + done.stderr, "".join((folder / name).read_text(encoding="utf-8") for name in files))


def test_every_leak_is_told_and_no_code_of_its_objects_is_run(inner: Inner) -> None:
    """Six tests fail by what they leave behind; the seventh sees that no method was called."""
    assert "6 failed, 1 passed" in inner.shown
    assert "LEAK  test_hostile.leaked grows by 1.00 entries per unit" in inner.shown
    assert "LEAK  test_hostile.by_card grows by 1.00 entries per unit" in inner.shown


def test_no_value_and_no_key_is_shown(inner: Inner) -> None:
    """Neither on the terminal, nor in a report, nor in JUnit's file."""
    assert "test_hostile.by_card" in inner.written
    assert CANARY not in inner.shown
    assert CANARY not in inner.written
