"""The live regime from end to end, each in a fresh interpreter: snapshot, diff, explain and watch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fresh import run_fresh
from leakdiff import Snapshot, diff

# A service in a thread: 50 requests in flight, one of ten never leaves; sessions are replaced, never more than 300.
SERVICE = """
import gc, json, random, threading, time
import leakdiff

inflight, sessions = {}, {}


class Request:
    def __init__(self, number):
        self.number, self.body = number, b"x" * 1000


def serve(ended):
    waiting, number = [], 0
    while not ended.is_set():
        number += 1
        inflight[f"req-{number:08x}"] = Request(number)
        waiting.append(f"req-{number:08x}")
        sessions[number % 300] = Request(number)
        if len(waiting) > 50:
            oldest = waiting.pop(0)
            if LEAKS and number % 10 == 0:
                continue
            del inflight[oldest]
        time.sleep(0.001)


ended = threading.Event()
worker = threading.Thread(target=serve, args=(ended,), name="worker")


def told(report):
    leaks = [finding.owner for finding in report.leaks]
    print(json.dumps({"verdict": report.verdict, "leaks": leaks, "notes": report.not_analysed, "text": report.text(),
                      "frozen": gc.get_freeze_count(), "owners": [finding.owner for finding in report.findings]}))
"""
WATCH = """
worker.start()
time.sleep(1.0)
report = leakdiff.watch(3.0)
ended.set()
worker.join()
told(report)
"""


def test_a_watch_accuses_what_stays_and_nothing_else() -> None:
    """What is in flight and what is replaced is not accused; nothing stays frozen."""
    seen = run_fresh("LEAKS = True\n" + SERVICE + "before = gc.get_freeze_count()\n" + WATCH)

    assert seen["verdict"] == "LEAK", seen["text"]
    assert seen["leaks"] == ["__main__.inflight"], seen["text"]
    assert seen["frozen"] < 1_000


def test_a_watch_of_a_clean_service_accuses_nobody() -> None:
    """Requests in flight and sessions that are replaced are no leak."""
    seen = run_fresh("LEAKS = False\n" + SERVICE + WATCH)

    assert seen["leaks"] == [], seen["text"]


def test_a_watch_leaves_a_frozen_heap_alone() -> None:
    """Where someone else called gc.freeze(), as servers do before they fork, lengths are compared instead."""
    frozen = "keep = [[] for _ in range(5_000)]\ngc.collect()\ngc.freeze()\n"
    seen = run_fresh("LEAKS = True\n" + SERVICE + frozen + WATCH)

    assert seen["leaks"] == ["__main__.inflight"], seen["text"]
    assert seen["frozen"] > 5_000
    assert any("frozen by someone else" in note for note in seen["notes"])


def test_watching_lets_the_block_run() -> None:
    """The context manager watches what its block does; the report is there when the block ends."""
    body = """
serving = ended
with leakdiff.watching(3.0) as seen:
    until = time.monotonic() + 3.5
    worker.start()
    while time.monotonic() < until:
        time.sleep(0.05)
ended.set()
worker.join()
told(seen.report)
"""
    seen = run_fresh("LEAKS = True\n" + SERVICE + body)

    assert "__main__.inflight" in seen["owners"], seen["text"]


def test_two_looks_accuse_nobody_and_a_third_does() -> None:
    """A diff names the owner; only growth that goes on after it is called a leak."""
    source = """
import json
import leakdiff

jobs = {}


def work(count):
    for _ in range(count):
        jobs[f"job-{len(jobs):08x}"] = [len(jobs)]


work(500)
before = leakdiff.snapshot()
work(500)
found = leakdiff.diff(before)
first = leakdiff.explain(found)
work(5_000)
second = leakdiff.explain(found)
print(json.dumps([[str(r.verdict), r.findings[0].owner, r.findings[0].key_shape] for r in (first, second)]))
"""
    first, second = run_fresh(source)

    assert first == ["INCONCLUSIVE", "__main__.jobs", "str 'job-' + 8 hex"]
    assert second[:2] == ["LEAK", "__main__.jobs"]


@pytest.mark.parametrize("more", ["", "import tracemalloc; tracemalloc.start()", "import asyncio, logging, decimal"])
def test_an_idle_process_differs_by_nothing(more: str) -> None:
    """From the first call on: what looking leaves behind is left before anything is counted."""
    source = f"""
import json
{more}
import leakdiff
first, second, third = leakdiff.snapshot(), leakdiff.snapshot(), leakdiff.snapshot()
kinds = [kind for d in (second - first, third - second) for kind in (d.types, d.owners, d.resources)]
changes = [[change.name for change in kind] for kind in kinds]
print(json.dumps([changes, second.heap.objects]))
"""
    changes, objects = run_fresh(source)

    assert changes == [[]] * 6
    assert objects > 1_000


def test_looking_makes_no_instance_keep_a_dict() -> None:
    """Attributes that stand in the instance stay there, also on paths that are named."""
    source = """
import gc, json
import leakdiff


class Holder:
    def __init__(self):
        self.jobs = {f"job-{n:04x}": [n] for n in range(50)}
        self.other = list(range(50))


holders = {f"holder {n}": Holder() for n in range(20)}
single = Holder()


def dicts():
    return sum(type(ref) is dict for held in (*holders.values(), single) for ref in gc.get_referents(held))


before = dicts()
found = leakdiff.snapshot()
leakdiff.explain(leakdiff.diff(found))
paths = {owner.path: owner.entries for owner in found.heap.owners}
print(json.dumps([before, dicts(), paths.get("__main__.single.jobs"), paths.get("__main__.holders[*].other")]))
"""
    before, after, jobs, others = run_fresh(source)

    assert after == before
    assert jobs == 50
    assert others == 20 * 50


def test_files_of_two_processes_name_the_owner_as_one_process_does(tmp_path: Path) -> None:
    """The same program run twice, with more requests the second time: the path is the same."""
    program = tmp_path / "service.py"
    program.write_text(
        "import sys, leakdiff\n"
        "inflight = {}\n"
        "def serve(count):\n"
        "    for number in range(count):\n"
        "        inflight[f'req-{number:08x}'] = [number]\n"
        "serve(100)\n"
        "first = leakdiff.snapshot()\n"
        "serve(int(sys.argv[1]))\n"
        "second = leakdiff.snapshot()\n"
        "second.save(sys.argv[2])\n"
        "print((second - first).owners[0].name if second - first else '')\n"
    )
    few, many = tmp_path / "few.json.gz", tmp_path / "many.json.gz"
    subprocess.run([sys.executable, str(program), "200", str(few)], check=True, capture_output=True)
    ran = subprocess.run([sys.executable, str(program), "5000", str(many)], check=True, capture_output=True, text=True)
    found = diff(Snapshot.load(few), Snapshot.load(many))

    assert ran.stdout.strip() == "__main__.inflight"
    assert found.owners[0].name == "__main__.inflight"
    assert found.owners[0].gained == 4_800
