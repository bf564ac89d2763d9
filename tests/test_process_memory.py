"""The process's memory: what the operating system and the C library say, and None where they say nothing."""

from __future__ import annotations

import sys
from typing import Any

import psutil
import pytest

from fresh import run_fresh
from leakdiff.capture.process import native_bytes, read_memory

MIB = 1 << 20


def refuse(*_: object) -> Any:
    """Fail as psutil does where it may not look."""
    raise psutil.AccessDenied


def test_the_whole_reading_has_what_the_platform_can_tell() -> None:
    """RSS, USS, PSS and shared pages are there and fit together: nobody shares more than is resident."""
    memory = read_memory(cheap=False)

    assert memory.uss is not None
    assert memory.pss is not None
    assert memory.shared is not None
    assert 0 < memory.uss <= memory.pss
    assert 0 < memory.shared < memory.rss
    assert memory.blocks > 10_000


def test_a_cheap_reading_leaves_out_what_the_kernel_must_add_up() -> None:
    """USS and PSS are not read; everything else is."""
    memory = read_memory(cheap=True)

    assert (memory.uss, memory.pss) == (None, None)
    assert memory.rss > MIB
    assert memory.minor_faults is not None


USED = """
import json, os
import attrs
from leakdiff.capture.process import read_memory

read_memory(cheap=False)
before = read_memory(cheap=False)
used = os.urandom(16 << 20)
print(json.dumps([attrs.asdict(before), attrs.asdict(read_memory(cheap=False)), len(used)]))
"""


def test_memory_that_is_used_is_seen() -> None:
    """16 MiB of noise (a kernel may merge pages that are alike) are resident, unshared and on the C heap.

    In a process of its own: one that freed as much before has the pages already.
    """
    before, after, _ = run_fresh(USED)

    assert after["rss"] - before["rss"] > 12 * MIB
    assert (after["uss"] or 0) - (before["uss"] or 0) > 12 * MIB
    assert (after["native"] or 0) - (before["native"] or 0) > 15 * MIB
    assert (after["minor_faults"] or 0) > (before["minor_faults"] or 0)


def test_objects_are_seen_as_blocks() -> None:
    """A thousand small objects are a thousand blocks of Python's allocator."""
    before = read_memory(cheap=True).blocks
    made = [object() for _ in range(1_000)]
    gained = read_memory(cheap=True).blocks - before

    assert len(made) == 1_000
    assert 900 < gained < 1_200


def test_a_forked_child_reads_its_own_memory() -> None:
    """What the parent used before the fork is not what the child is charged with as page faults."""
    faults = run_fresh("""
        import json, os
        from leakdiff.capture.process import read_memory

        used = bytearray(b"x") * (8 << 20)
        parent = read_memory(cheap=True)
        reader, writer = os.pipe()
        if not os.fork():
            child = read_memory(cheap=True)
            os.write(writer, json.dumps([child.minor_faults, child.rss]).encode())
            os._exit(0)
        os.wait()
        print(json.dumps({"parent": parent.minor_faults, "child": json.loads(os.read(reader, 1000))}))
    """)
    child_faults, child_rss = faults["child"]

    assert child_faults < faults["parent"]
    assert child_rss > MIB


def test_what_may_not_be_read_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that refuses USS still tells RSS."""
    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    memory = read_memory(cheap=False)

    assert (memory.uss, memory.pss) == (None, None)
    assert memory.rss > MIB


def test_without_proc_the_interpreter_still_tells_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where psutil sees no process at all, blocks and the C heap are read all the same."""
    monkeypatch.setattr(psutil, "Process", refuse)
    memory = read_memory(cheap=False)

    assert memory.rss == 0
    assert memory.blocks > 10_000
    assert memory.native is not None


def not_implemented() -> None:
    """Do what psutil does on a C library without mallinfo2."""
    raise NotImplementedError


@pytest.mark.parametrize("heap_info", [None, not_implemented])
def test_a_c_library_that_cannot_tell_gives_none(monkeypatch: pytest.MonkeyPatch, heap_info: object) -> None:
    """The C heap is unknown, rather than empty, where ``heap_info`` is missing or refuses."""
    monkeypatch.setattr(psutil, "heap_info", heap_info)

    assert native_bytes() is None


def test_without_the_resource_module_page_faults_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Page faults are unknown where the platform does not count them for us."""
    monkeypatch.setitem(sys.modules, "resource", None)
    memory = read_memory(cheap=True)

    assert (memory.minor_faults, memory.major_faults) == (None, None)
