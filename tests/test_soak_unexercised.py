"""Which parts of functions never ran, and when they would."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fresh import line_of, write_module
from leakdiff.capture.exercised import LinesRun
from leakdiff.source.unexercised import unexercised

SOURCE = '''
import asyncio


def decorated(function):
    return function


@decorated
def find(driver, tries=1):
    """Find one."""
    if driver == "gone":
        note = "it is gone"
        return None
    for _ in range(tries):
        if driver == "busy":
            continue
        if driver == "free":
            break
    else:
        return "nobody"
    try:
        int(driver)
    except ValueError:
        kind = "a word"
    except TypeError:
        kind = "neither"
    else:
        kind = "a number"
    return kind


def first_way_out(number):
    if number > 0:
        return number
    number = -number
    return number


def always_fails():
    find(None)
    int("x")
    return "never"


def choose(kind):
    match kind:
        case "one":
            return 1
        case str():
            return 2

    def inner():
        return 3

    return inner


async def wait(future):
    await future
    return future.result()


def never_called():
    return 1
'''


@contextmanager
def loaded(folder: Path) -> Iterator[ModuleType]:
    """Import the source, as a program would be."""
    path = write_module(folder, SOURCE, "rides.py")
    spec = importlib.util.spec_from_file_location("rides", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module


def told(folder: Path, run: Callable[[Any], object]) -> list[tuple[str, str, str]]:
    """Run something, and return what did not: the code it begins with, the function, and when it would."""
    with loaded(folder) as rides, LinesRun() as lines:
        run(rides)
    source = SOURCE.splitlines()
    found = unexercised([ran for ran in lines.functions() if ran.file.endswith("rides.py")])
    return [(source[part.first - 1].strip(), part.function, part.only) for part in found]


def at(mark: str) -> int:
    """Return the line of the source that has a mark."""
    return line_of(SOURCE, mark)


def test_branches_that_were_not_taken_are_told_with_their_conditions(tmp_path: Path) -> None:
    """Each part that never ran is told once, with what it would take."""
    found = told(tmp_path, lambda rides: rides.find("free"))

    assert found == [
        ('note = "it is gone"', "find", f"only if driver == 'gone' (line {at('is gone') - 1})"),
        ("continue", "find", f"only if driver == 'busy' (line {at('continue') - 1})"),
        ('return "nobody"', "find", f"only if the loop of line {at('for _ in')} is not left by break"),
        ('kind = "neither"', "find", f"only if TypeError is caught (line {at('except TypeError')})"),
        ('kind = "a number"', "find", f"only if nothing is raised in the try of line {at('    try:')}"),
    ]


def test_what_comes_after_a_way_out_is_told_with_the_way_out(tmp_path: Path) -> None:
    """Lines after a return run only where that is not taken."""
    found = told(tmp_path, lambda rides: rides.first_way_out(1))

    assert found == [("number = -number", "first_way_out", f"only if not number > 0 (line {at('if number > 0')})")] or (
        found == [("number = -number", "first_way_out", f"only if number <= 0 (line {at('if number > 0')})")]
    )


def test_what_comes_after_a_call_that_fails_is_told_with_the_call(tmp_path: Path) -> None:
    """Where a line never comes to its end, that is what those after it wait for."""

    def run(rides: Any) -> None:
        with pytest.raises(ValueError, match="invalid"):
            rides.always_fails()

    found = told(tmp_path, run)

    assert ('return "never"', "always_fails", f"only once line {at('never') - 1} comes to its end") in found


def test_a_coroutine_that_waits_for_ever_has_not_run_on(tmp_path: Path) -> None:
    """What follows an await that brought nothing is told; after the answer, nothing is."""

    async def run(rides: Any, *, is_answered: bool) -> None:
        future = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(rides.wait(future))
        await asyncio.sleep(0)
        if is_answered:
            future.set_result(1)
            await task
        else:
            task.cancel()
            await asyncio.sleep(0)

    waiting = told(tmp_path, lambda rides: asyncio.run(run(rides, is_answered=False)))
    answered = told(tmp_path, lambda rides: asyncio.run(run(rides, is_answered=True)))

    assert waiting == [("return future.result()", "wait", f"only once line {at('await future')} comes to its end")]
    assert answered == []


def test_a_pattern_that_did_not_match_is_told(tmp_path: Path) -> None:
    """So is what follows a match of which every case returned."""
    found = told(tmp_path, lambda rides: rides.choose("one"))

    assert [(code, only.split(" (")[0]) for code, _, only in found] == [
        ("return 2", "only if kind matches str()"),
        ("def inner():", f"only if line {at('return 1')} returns not first"),
    ]


def test_functions_that_never_ran_are_not_told(tmp_path: Path) -> None:
    """Of a whole program most functions do not run: only those that did can have missed a branch."""
    assert told(tmp_path, lambda _: None) == []


def test_several_runs_add_up(tmp_path: Path) -> None:
    """A line that ran once, in whichever call, has run."""

    def run(rides: Any) -> None:
        for driver in ("free", "busy", "gone"):
            rides.find(driver)

    assert [code for code, _, _ in told(tmp_path, run)] == ['kind = "neither"', 'kind = "a number"']


def test_equal_functions_of_two_files_are_two(tmp_path: Path) -> None:
    """The same text at the same line of two files is equal code: what ran in one has not run in the other."""
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    with loaded(tmp_path / "one") as one, loaded(tmp_path / "other") as other:
        with LinesRun() as lines:
            one.first_way_out(1)
            other.first_way_out(-1)
        found = {Path(ran.file).parent.name: len(ran.ran) for ran in lines.functions() if ran.file.endswith("rides.py")}

    assert one.first_way_out.__code__ == other.first_way_out.__code__
    assert found == {"one": 2, "other": 3}


def test_the_trace_function_is_put_back(tmp_path: Path) -> None:
    """Neither this thread nor those that start later keep ours, nor does a coroutine that stays suspended."""
    with loaded(tmp_path) as rides:
        left = rides.wait(_Forever())
        with LinesRun():
            left.send(None)

        assert sys.gettrace() is None
        assert threading.gettrace() is None
        assert left.cr_frame.f_trace is None
        left.close()


class _Forever:
    def __await__(self) -> Iterator[None]:
        yield


def test_another_trace_function_is_left_alone() -> None:
    """Who traces already, as coverage does, keeps on; then it is not possible, and the report says so."""
    lines = LinesRun()
    if not lines.is_possible:  # this suite is being measured
        return

    def theirs(*_: object) -> None:
        return None

    sys.settrace(theirs)
    try:
        lines = LinesRun()
        with lines:
            pass
        kept = sys.gettrace()
    finally:
        sys.settrace(None)

    assert not lines.is_possible
    assert kept is theirs
