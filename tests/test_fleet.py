"""A history of real processes under a simulated clock: what the trend makes of it, from end to end."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from leakdiff import trend
from leakdiff.model.trend import Trend
from leakdiff.store.sqlite import open_store

_FLEET = Path(__file__).parent.parent / "benchmarks" / "fleet.py"
_REPLICAS, _A_DAY = 2, 3_000


@pytest.fixture(scope="module")
def fleet() -> ModuleType:
    """The benchmark that lets histories happen."""
    spec = importlib.util.spec_from_file_location("fleet", _FLEET)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fleet"] = module
    spec.loader.exec_module(module)
    return module


def history_of(fleet: ModuleType, story: str, folder: Path) -> Trend:
    """Let 72 hours of two small replicas happen and judge them."""
    plan = attrs.evolve(fleet.STORIES[story], replicas=_REPLICAS, every=1_800.0, a_day=_A_DAY)
    store = open_store(str(folder / "history.sqlite"))
    fleet.simulate(plan, store)
    found = trend(store)
    store.close()
    return found


def test_a_leak_is_dated_named_and_measured(fleet: ModuleType, tmp_path: Path) -> None:
    """The version that brought it, the owners by path, and bytes a day within 5 % of what tracemalloc counts."""
    found = history_of(fleet, "a leak since 2.4.1", tmp_path)
    truth = fleet.true_bytes_per_unit() * _A_DAY

    assert found.verdict == "LEAK", found.text()
    assert {owner.path for owner in found.owners[:2]} == {
        "leakdiff.demo.matching._background",
        "leakdiff.demo.matching._inflight",
    }
    assert found.deploy is not None
    assert (found.deploy.before, found.deploy.version) == ("2.4.0", "2.4.1")
    assert found.memory is not None
    assert found.memory.per_hour.value * 24 == pytest.approx(truth, rel=0.05)


@pytest.mark.parametrize(
    ("story", "verdict"),
    [("the same, fixed", "STABLE"), ("high and flat", "STABLE"), ("a bounded cache, filling", "FILLING")],
)
def test_what_is_no_leak_is_not_called_one(fleet: ModuleType, tmp_path: Path, story: str, verdict: str) -> None:
    """A fixed service, one that is high but flat, and one whose bounded cache still fills up."""
    found = history_of(fleet, story, tmp_path)

    assert found.verdict == verdict, found.text()
