"""The self-test: its plants, and what it says of what leakdiff says."""

from __future__ import annotations

import importlib.util

import pytest

from leakdiff.errors import TargetNotFound
from leakdiff.selftest import run_selftest
from leakdiff.selftest_plants import PLANTS


def test_a_planted_leak_and_its_twin_are_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """A plant gives two lines: the leak with its owner, and the clean twin."""
    assert run_selftest(["conditional_removal"]) == 0

    leak, twin, total = capsys.readouterr().out.splitlines()
    assert leak.split()[:4] == ["ok", "conditional_removal", "leak", "LEAK"]
    assert leak.endswith("conditional_removal._in_flight")
    assert twin.split()[:4] == ["ok", "conditional_removal", "twin", "STABLE"]
    assert total == "2 of 2 judged right"


def test_an_unknown_plant_is_named_with_those_there_are() -> None:
    """Who asks for a plant that is not there is told which are."""
    with pytest.raises(TargetNotFound, match=r"there is none of that name.*dict_by_request_id"):
        run_selftest(["weeds"])


def test_every_plant_is_there() -> None:
    """Each name of the list is a module of its own, and no two plants share one."""
    assert len({plant.name for plant in PLANTS}) == len(PLANTS)
    assert all(importlib.util.find_spec(plant.module) for plant in PLANTS)
