"""Measure how soon a history shows a leak, and how often something else is called one: ``python benchmarks/trends.py``.

200 histories, made from seeds by ``tests/histories.py``: 100 of 48 hours that leak 15 MiB a day on a baseline of 800
MiB, and 100 of 72 hours, of ten kinds that do not leak. A quarter each has 1, 2, 3 and 6 replicas. Every history is
judged at every simulated hour, from what a store would hold by then, once with the program's count of units and once
without.

* Detection delay: hours from the start of the leak to the first LEAK after which the verdict stays LEAK.
* False alarm: a history without a leak that is called LEAK or NATIVE at any hour.

How the noise is made (``tests/histories.py`` has the code): readings every 5 minutes; traffic of one interval is a
nightly cycle of +-50 % x (1 + 5 % Gaussian); memory is the baseline + 10 % of it in step with that traffic + AR(1)
allocator noise (0.9 from reading to reading, standard deviation 0.5 % of the baseline) + 40 MiB of start-up. Processes
start within the first 3 minutes and are walked when they are 36 minutes old and every 6 hours from then on, so an owner
has 4 readings a day. The leak keeps 256 entries of 60 KiB a day, each at a random moment in proportion to traffic: it
is 15 MiB a day only on average.

The last table has kinds beyond the goal: a leak on the C heap, a leak that a deploy brings, and a list that is emptied
every night, which on its first day cannot be told from a leak.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from leakdiff.compare.history import history_of
from leakdiff.judge.trends import judge_history
from leakdiff.model.report import ACCUSING
from leakdiff.model.trend import Trend

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from histories import LEAKING, LEAKS, LIMIT, OTHERS, Points, make_history, until

HOURS, LEAK_HOURS = 72, 48
COUNT = 100
WITHIN = 24  # hours
PRECISE = 0.05
BEYOND = {"native leak": 12, "leak since a deploy": 12, "emptied every night": 12}


@attrs.frozen(kw_only=True)
class Job:
    """One history."""

    kind: str
    seed: int
    units: bool


@attrs.frozen(kw_only=True)
class Outcome:
    """What was said of one history.

    Attributes:
        job: Which.
        replicas: How many it has.
        delay: Hours from the start of the leak to where LEAK or NATIVE stays; None where it never does.
        accused: Hours at which it was called LEAK or NATIVE.
        owner: Whether the last verdict names the owner.
        deploy: The version that the last verdict blames.
        error: By what share the owner's bytes a day, at the last hour, are off from the truth.
    """

    job: Job
    replicas: int
    delay: int | None
    accused: int
    owner: bool
    deploy: str | None
    error: float | None


def measure(job: Job) -> Outcome:
    """Judge a history at every hour."""
    hours = range(1, 1 + (LEAK_HOURS if job.kind == "leak" else HOURS))
    points = make_history(job.kind, job.seed, hours=hours[-1], units=job.units)
    bounds = (LEAKS | OTHERS)[job.kind].bounds
    trends = [judge_history(history_of(until(points, hour)), bounds=bounds, limit=LIMIT) for hour in hours]
    accusing = [trend.verdict in ACCUSING for trend in trends]
    stays = next((hour for hour in hours if all(accusing[hour - 1 :])), None)
    last = trends[-1]
    return Outcome(
        job=job,
        replicas=last.replicas,
        delay=stays - _start_of_leak(job) if stays is not None else None,
        accused=sum(accusing),
        owner=bool(last.owners) and last.owners[0].path == LEAKING,
        deploy=last.deploy.version if last.deploy is not None else None,
        error=_error(last, points),
    )


def _start_of_leak(job: Job) -> int:
    return HOURS // 2 if job.kind == "leak since a deploy" else 0


def _error(trend: Trend, points: Points) -> float | None:
    """Compare the owner's bytes a day with what it gained in the history, chance included."""
    told = next((owner.bytes for owner in trend.owners if owner.path == LEAKING), None)
    if told is None:
        return None
    by_life: dict[str, list[tuple[float, float]]] = {}
    for point in points[f"owner.bytes:{LEAKING}"]:
        by_life.setdefault(point.instance, []).append((point.time, point.value))
    gained = sum(life[-1][1] - life[0][1] for life in by_life.values())
    hours = sum(life[-1][0] - life[0][0] for life in by_life.values()) / 3_600
    return abs(told.per_hour.value / (gained / hours) - 1)


# -- tables ----------------------------------------------------------------------------------------


def tell(outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """Return all tables as Markdown."""
    lines = ["# How soon a leak is seen in a history, and how often something else is called one", ""]
    lines += [f"In {seconds:.0f} s. What is measured, and how the noise is made, says `benchmarks/trends.py`.", ""]
    lines += ["## Detection: 15 MiB a day on 800 MiB, hours until LEAK stays", "", *_detection(outcomes)]
    lines += ["", f"## False alarms: histories called LEAK or NATIVE at any of {HOURS} hours", "", *_false(outcomes)]
    return [*lines, "", "## Beyond the goal", "", *_beyond(outcomes)]


def _detection(outcomes: Sequence[Outcome]) -> list[str]:
    lines = ["| | histories | median | slowest | within 24 h | never | owner named | bytes a day within 5 % |"]
    lines += ["|---|--:|--:|--:|--:|--:|--:|--:|"]
    for units in (True, False):
        leaks = [one for one in outcomes if one.job.kind == "leak" and one.job.units is units]
        name = "with a count of units" if units else "without"
        lines.append(_detection_row(f"{name}, all", leaks))
        for replicas in sorted({one.replicas for one in leaks}):
            lines.append(_detection_row(f"{name}, {replicas} replicas", [o for o in leaks if o.replicas == replicas]))
    return lines


def _detection_row(name: str, leaks: Sequence[Outcome]) -> str:
    seen = sorted(one.delay for one in leaks if one.delay is not None)
    if not seen:
        return f"| {name} | {len(leaks)} | - | - | 0 | {len(leaks)} | - | - |"
    soon = sum(delay <= WITHIN for delay in seen)
    named = sum(one.owner for one in leaks)
    precise = sum(one.error is not None and one.error <= PRECISE for one in leaks)
    return (
        f"| {name} | {len(leaks)} | {statistics.median(seen):.0f} h | {seen[-1]} h | {soon} | {len(leaks) - len(seen)} "
        f"| {named} | {precise} |"
    )


def _false(outcomes: Sequence[Outcome]) -> list[str]:
    lines = ["| | histories | accused, with units | accused, without |", "|---|--:|--:|--:|"]
    kinds = [kind for kind in OTHERS if kind not in BEYOND]
    lines += [_false_row(kind, [one for one in outcomes if one.job.kind == kind]) for kind in kinds]
    return [*lines, _false_row("all", [one for one in outcomes if one.job.kind in kinds])]


def _false_row(name: str, ones: Sequence[Outcome]) -> str:
    with_units, without = ([one for one in ones if one.job.units is units] for units in (True, False))
    return f"| {name} | {len(with_units)} | {_accused(with_units)} | {_accused(without)} |"


def _accused(ones: Iterable[Outcome]) -> str:
    wrong = [one.accused for one in ones if one.accused]
    return f"{len(wrong)} ({sum(wrong)} hours)" if wrong else "0"


def _beyond(outcomes: Sequence[Outcome]) -> list[str]:
    lines = ["| | histories | accused | median delay | within 24 h | deploy named |", "|---|--:|--:|--:|--:|--:|"]
    for kind in BEYOND:
        for units in (True, False):
            ones = [one for one in outcomes if one.job.kind == kind and one.job.units is units]
            seen = [one.delay for one in ones if one.delay is not None]
            delay = f"{statistics.median(seen):.0f} h" if seen else "-"
            deploys = sum(one.deploy == "2.4.1" for one in ones) if "deploy" in kind else "-"
            name = f"{kind}, {'with' if units else 'without'} units"
            soon = sum(found <= WITHIN for found in seen)
            lines.append(f"| {name} | {len(ones)} | {_accused(ones)} | {delay} | {soon} | {deploys} |")
    return lines


# -- running ---------------------------------------------------------------------------------------


def plan(count: int, first: int) -> list[Job]:
    """Return all histories, those with the most replicas first."""
    kinds = [kind for kind in OTHERS if kind not in BEYOND]
    wanted = [("leak", seed) for seed in range(count)]
    wanted += [(kinds[at % len(kinds)], at // len(kinds)) for at in range(count)]
    wanted += [(kind, seed) for kind, some in BEYOND.items() for seed in range(min(some, count))]
    jobs = [Job(kind=kind, seed=first + seed, units=units) for kind, seed in wanted for units in (True, False)]
    return sorted(jobs, key=lambda job: -(job.seed % 4))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=COUNT, help="histories that leak, and as many that do not")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=None, help="processes to use (all processors)")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    wishes = parser.parse_args()
    started = time.monotonic()
    with multiprocessing.Pool(wishes.jobs) as pool:
        outcomes = list(pool.imap_unordered(measure, plan(wishes.count, wishes.first), chunksize=4))
    text = "\n".join(tell(outcomes, time.monotonic() - started))
    print(text)
    if wishes.markdown is not None:
        wishes.markdown.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
