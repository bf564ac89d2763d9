"""Explaining a diff: the owners that gained are looked at again; two looks accuse nobody, a third tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import pytest

import leakdiff
from fresh import run_fresh
from leakdiff.errors import BadOption
from leakdiff.model.snapshot import Snapshot

# The two snapshots are put an hour apart by changing what they say of when they were taken.
PROGRAM = """
import collections, functools, json
import attrs
import leakdiff
from leakdiff.model.snapshot import Moment

hush = bytes.fromhex("63616e617279").decode()  # never spelled out: reports may quote the source
leaking, stopping, slowing, shrinking = {}, {}, {}, {}
filling = collections.deque(maxlen=100_000)


class Full:
    def __init__(self):
        self.maxsize, self.items = 50_000, {}

    def put(self, key):
        if len(self.items) < self.maxsize:
            self.items[key] = [key]


@functools.lru_cache(maxsize=100_000)
def parse(number):
    return [number]


full = Full()


def secret():
    return f"{len(leaking) * 7919 % 10007:05d}{hush}{len(leaking)}"


def grow(*, goes_on):
    for number in range(1_000):
        leaking[secret()] = [secret(), secret().encode()]
        filling.append([number])
        parse(len(leaking))
        full.put(len(leaking))
        if not goes_on:
            stopping[number], slowing[number], shrinking[number] = [number], [number], [number]
    if goes_on:
        slowing["last"] = [1]
        for number in range(100):
            del shrinking[number]


def at(snapshot, seconds):
    moment = Moment(snapshot.taken.utc + seconds, snapshot.taken.monotonic + seconds)
    return attrs.evolve(snapshot, taken=moment)


first = leakdiff.snapshot()
grow(goes_on=False)
second = leakdiff.snapshot()


def told(report):
    return {
        "verdict": report.verdict,
        "findings": {finding.owner: [finding.verdict, finding.because] for finding in report.findings},
        "order": [finding.owner for finding in report.findings],
        "text": report.text(),
        "is_shown": (report.text() + report.json() + str(report)).count(hush),
        "notes": report.not_analysed,
        "shapes": {finding.owner: finding.key_shape for finding in report.findings},
        "path": [step.label for step in report.findings[0].path] if report.findings else [],
    }
"""

LOOKS = """
soon = leakdiff.explain(second - at(first, -3_600))
an_hour_ago = at(second, -3_600) - at(first, -7_200)
grow(goes_on=True)
later = leakdiff.explain(an_hour_ago)
print(json.dumps({"soon": told(soon), "later": told(later)}))
"""


@pytest.fixture(scope="module")
def looks() -> Any:
    """Explain one diff soon after its second snapshot, and one after an hour of traffic."""
    return run_fresh(PROGRAM + LOOKS)


def test_two_looks_accuse_nobody(looks: Any) -> None:
    """Right after the second snapshot it cannot be known what goes on; the path is told, and what to do."""
    verdict, because = looks["soon"]["findings"]["__main__.leaking"]

    assert looks["soon"]["verdict"] != "LEAK"
    assert verdict == "INCONCLUSIVE"
    assert because.startswith("0 entries before, 1,000 after: two looks cannot tell whether it goes on")
    assert looks["soon"]["shapes"]["__main__.leaking"].startswith("str ")
    assert "LEAK" not in {found[0] for found in looks["soon"]["findings"].values()}


def test_what_has_grown_since_is_a_leak(looks: Any) -> None:
    """The third look accuses, and comes first; it names the path down to the entries and both rates."""
    verdict, because = looks["later"]["findings"]["__main__.leaking"]

    assert looks["later"]["verdict"] == verdict == "LEAK"
    assert looks["later"]["order"][0] == "__main__.leaking"
    number = r"(99\d|1,0\d\d)\.\d\d"  # an hour, and the seconds that the test itself takes
    assert re.fullmatch(
        rf"grew between the snapshots by {number} per hour and since then by {number}, up to 2,000; no bound was found",
        because,
    )
    assert looks["later"]["path"] == ["__main__", ".leaking", "[*]"]


@pytest.mark.parametrize(
    ("owner", "verdict", "because"),
    [
        ("__main__.stopping", "STABLE", "has not grown since: 1,000 then, 1,000 now"),
        ("__main__.shrinking", "STABLE", "has not grown since: 1,000 then, 900 now"),
        ("__main__.slowing", "WARMUP", "slows down: "),
        ("__main__.filling", "FILLING", "2,000 of 100,000 entries filled; deque(maxlen) stops it there"),
        ("__main__.parse cache", "FILLING", "2,000 of 100,000 entries filled; lru_cache(maxsize) stops it there"),
        ("__main__.full.items", "FILLING", "2,000 of 50,000 entries filled; __main__.Full.maxsize stops it there"),
    ],
)
def test_what_stops_shrinks_slows_down_or_is_bounded_is_not_accused(
    looks: Any, owner: str, verdict: str, because: str
) -> None:
    """Each says why."""
    found = looks["later"]["findings"][owner]

    assert found[0] == verdict
    assert found[1].startswith(because)


def test_no_key_and_no_value_is_told(looks: Any) -> None:
    """Paths, shapes and numbers are all there is."""
    assert [looks[look]["is_shown"] for look in ("soon", "later")] == [0, 0]


ELSEWHERE = """
second.save({second!r})
first.save({first!r})
print(json.dumps([first.identity.pid, second.identity.pid]))
"""
HERE = """
files = [leakdiff.Snapshot.load(path) for path in {paths!r}]
grow(goes_on=True)
print(json.dumps(told(leakdiff.explain(files[1] - files[0]))))
"""


def test_a_diff_of_another_process_is_explained_by_path(tmp_path: Path) -> None:
    """Owners are found by name here; how they went on there is not known, and so nobody is accused."""
    paths = [str(tmp_path / "first.json.gz"), str(tmp_path / "second.json.gz")]
    run_fresh(PROGRAM + ELSEWHERE.format(first=paths[0], second=paths[1]))
    told = run_fresh(PROGRAM + HERE.format(paths=paths))

    assert told["findings"]["__main__.leaking"][0] == "INCONCLUSIVE"
    assert told["findings"]["__main__.leaking"][1].startswith("0 entries before, 1,000 after")
    assert told["is_shown"] == 0
    assert "LEAK" not in told["text"].split("\n", maxsplit=1)[0].split("  ")[0]


GONE = """
found = second - at(first, -3_600)
del leaking, stopping
globals()["leaking"], globals()["stopping"] = [], []
print(json.dumps(told(leakdiff.explain(found))))
"""


def test_what_is_no_longer_there_is_said() -> None:
    """An owner that the diff names and this process does not have is not judged, but named."""
    told = run_fresh(PROGRAM + GONE)

    assert "__main__.leaking" not in told["findings"]
    assert any("not in this process any more" in note and "__main__.leaking" in note for note in told["notes"])


NOTHING = """
print(json.dumps(told(leakdiff.explain(at(second, 60) - second))))
"""


def test_a_diff_without_growth_is_stable() -> None:
    """Nothing gained: nobody is looked for."""
    told = run_fresh(PROGRAM + NOTHING)

    assert told["verdict"] == "STABLE"
    assert told["findings"] == {}


@pytest.mark.parametrize("given", [None, 3, "a.json.gz", Snapshot])
def test_only_a_diff_can_be_explained(given: Any) -> None:
    """Anything else is refused before anything is looked at."""
    with pytest.raises(BadOption, match="diff"):
        leakdiff.explain(given)


@pytest.mark.parametrize("budget", [0, -1, float("nan"), "60"])
def test_a_budget_that_cannot_work_is_refused(budget: Any) -> None:
    """As for a snapshot."""
    cheap = leakdiff.live.measure()

    with pytest.raises(BadOption, match="budget"):
        leakdiff.explain(attrs.evolve(cheap, label="later") - cheap, budget=budget)
