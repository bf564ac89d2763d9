"""The evidence for growth that no Python object owns: C calls, reference counts, and how to see it again."""

from __future__ import annotations

import gc
import math
import os
import shlex
import sys
import types
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from leakdiff.capture.calls import CallMeter
from leakdiff.capture.extensions import find_extensions
from leakdiff.capture.kinds import derives, dict_of_module
from leakdiff.capture.ledger import CallCost
from leakdiff.capture.lines import LineMeter
from leakdiff.capture.marks import collection_paused
from leakdiff.capture.meter import descriptor_gauge
from leakdiff.capture.sites import Line
from leakdiff.capture.tiers import Bench
from leakdiff.model.native import C_HEAP, FROZEN, HIDDEN_CYCLE, LEAKED_REFERENCES, CCall, NativeEvidence
from leakdiff.source_files import is_users_file

if TYPE_CHECKING:
    from leakdiff.capture.newborn import Newborn
    from leakdiff.capture.workload import Workload
    from leakdiff.model.owner import Accumulation


_SHARE = 0.2
_MOST_CALLS = 3
_SECONDS = 2.0
_SLOWER = 60  # times as slow as by itself
_ENOUGH = 3  # how much growth a round must show: so many blocks
_LARGE_BLOCK = 512  # bytes above which Python asks the C heap
_ROLES = ("step", "setup", "teardown")
_IMMORTAL = 1 << 29
_INTERPRETER = 2  # the last rank
_function: dict[str, Any] = dict(types.FunctionType.__dict__)


@attrs.frozen
class Stays:
    """What a unit leaves behind as a whole.

    Attributes:
        blocks: Python's memory blocks.
        bytes: Bytes of the C heap; for leaked references those of the blocks, as tracemalloc has them.
    """

    blocks: float
    bytes: float


def native_evidence(
    bench: Bench, kind: str, stays: Stays, lines: Collection[Line], references: str = ""
) -> NativeEvidence:
    """Run one round in which every C call is measured, and put together what is known of a native leak.

    Args:
        bench: The workload and its options.
        kind: ``C heap``, ``leaked references``, ``hidden cycle`` or ``frozen cycle``.
        stays: What stays.
        lines: Lines known to leave memory behind: of the C heap's growth, or of surviving allocations.
        references: What is known of reference counts; a sentence on what is not, where it is empty.
    """
    calls = () if kind in (HIDDEN_CYCLE, FROZEN) else c_calls(bench, kind, stays, lines)
    if kind == LEAKED_REFERENCES and not references:
        references = untracked_references(stays)
    return NativeEvidence(kind, calls, references, reproduce(bench.workload, bench.options.units))


# -- C calls ---------------------------------------------------------------------------------------


def c_calls(bench: Bench, kind: str, stays: Stays, lines: Collection[Line]) -> tuple[CCall, ...]:
    """Run one round and return the C functions that leave behind at least a fifth of what stays, likeliest first."""
    units = _units(bench, max(stays.blocks, stays.bytes / _LARGE_BLOCK))
    bench.say("measuring C calls")
    meter = bench.workload.here(lambda: CallMeter(lines))
    if meter.refusal:
        bench.note(f"the C function behind the growth was not looked for: {meter.refusal}")
        return ()
    gc.collect()
    with collection_paused(), bench.workload.measured(lambda: meter):
        bench.run(units, "the round measured by C call")
    if meter.refusal:
        bench.note(f"the C function behind the growth was not looked for: {meter.refusal}")
        return ()
    if meter.missed:
        bench.note(f"the C function behind the growth may not be named: measuring calls failed {meter.missed:,} times")
    by_size = kind == C_HEAP or stays.bytes >= _LARGE_BLOCK * stays.blocks
    growth = (stays.bytes if by_size else stays.blocks) * units
    costs = meter.costs()
    there = [cost for cost in costs if not lines or cost.line in lines or cost.users_line in lines]
    likely = _likely(there, growth, by_size=by_size)
    if kind == LEAKED_REFERENCES and all(_is_interpreters(cost) for cost in likely):
        # What makes an object need not be what leaks a reference to it: strings are made everywhere.
        likely = _keepers(costs, stays.blocks * units) or [cost for cost in likely if cost.module != "builtins"]
    return _described(likely, units, stays)


def _units(bench: Bench, growth: float) -> int:
    """Do fewer units where the round would take long, but enough to show the growth."""
    affordable = int(_SECONDS / max(bench.seconds_per_unit * _SLOWER, 1e-9))
    return max(1, min(bench.options.units, max(affordable, math.ceil(_ENOUGH / max(growth, 1e-9)))))


def _keepers(costs: Sequence[CallCost], growth: float) -> list[CallCost]:
    """Choose functions of extensions after which there are more references to their first argument."""
    found = [cost for cost in costs if not _is_interpreters(cost) and cost.references >= _SHARE * growth > 0]
    return sorted(found, key=lambda cost: (abs(math.log(cost.references / growth)), cost.function, cost.line))


def _likely(costs: Sequence[CallCost], growth: float, *, by_size: bool) -> list[CallCost]:
    """Choose calls that leave behind at least a fifth of what stays.

    First come functions of extensions by what they leave themselves, then those inside which it is left; the
    interpreter's own, which make most of what comes and goes, only where there are no such. What a call returns
    counts until something lets go of it: so the nearer to what stays, the likelier.
    """
    ranked = []
    for cost in costs:
        own, whole = (cost.bytes, cost.all_bytes) if by_size else (cost.blocks, cost.all_blocks)
        rank, left = (0, own) if own >= whole * _SHARE else (1, whole)
        if _is_interpreters(cost):
            rank, left = _INTERPRETER, own
        if left >= _SHARE * growth > 0:
            ranked.append(((rank, abs(math.log(left / growth)), cost.function, cost.line), cost))
    ranked.sort(key=lambda item: item[0])
    is_extension = any(rank[0] < _INTERPRETER for rank, _ in ranked)
    return [cost for rank, cost in ranked if rank[0] < _INTERPRETER or not is_extension]


def _is_interpreters(cost: CallCost) -> bool:
    return cost.module.partition(".")[0] in sys.stdlib_module_names and cost.module not in ("_ctypes", "ctypes")


def _described(likely: Sequence[CallCost], units: int, stays: Stays) -> tuple[CCall, ...]:
    """Say where the calls come from; none leaves more behind than stays as a whole."""
    merged: dict[str, CCall] = {}
    for cost in likely:
        known = merged.get(cost.function, CCall(cost.function, cost.module, "", 0.0, 0.0, 0.0))
        merged[cost.function] = CCall(
            function=cost.function,
            module=cost.module,
            distribution="",
            calls=known.calls + cost.calls / units,
            bytes=min(max(stays.bytes, 0.0), known.bytes + max(0, cost.bytes, cost.all_bytes) / units),
            blocks=min(max(stays.blocks, 0.0), known.blocks + max(0, cost.blocks, cost.all_blocks) / units),
        )
    chosen = list(merged.values())[:_MOST_CALLS]
    homes = find_extensions({call.module for call in chosen})
    return tuple(_at_home(call, homes[call.module].distribution) for call in chosen)


def _at_home(call: CCall, distribution: str) -> CCall:
    return CCall(call.function, call.module, distribution, call.calls, call.bytes, call.blocks)


def likeliest(lines: Iterable[tuple[Line, float]], growth: float) -> list[tuple[Line, float]]:
    """Order lines by how near what each leaves behind comes to the growth, nearest first.

    A local that is freed when its function returns counts on the line that made it: the amounts tell it from a leak.

    Args:
        lines: Lines and what they leave behind per unit, as ``native_lines`` returns them.
        growth: What stays per unit as a whole.
    """
    return sorted(lines, key=lambda item: (abs(math.log(item[1] / growth)), item[0]))


# -- reference counts ------------------------------------------------------------------------------


def untracked_references(stays: Stays) -> str:
    """Say what can be said of references to objects that gc does not track: how many and how large they are."""
    if stays.blocks <= 0:
        return ""
    return (
        f"{stays.blocks:,.2f} blocks of about {stays.bytes / stays.blocks:,.0f} bytes per unit; gc does not track such "
        "objects (str, bytes, int and the like), so that neither they nor their reference counts can be read"
    )


def orphan_references(newborn: Newborn, found: Accumulation) -> str:
    """Compare the reference count of the topmost orphan with what refers to it; empty where that tells nothing."""
    if not found.orphan or not found.path:
        return ""
    count, visible = newborn.reference_count(found.path[0])
    if count >= _IMMORTAL:
        return "it is immortal: its reference count tells nothing"
    return f"reference count {count}, {visible} visible referrer{'' if visible == 1 else 's'}"


# -- to see it again -------------------------------------------------------------------------------


def reproduce(workload: Workload, units: int) -> str:
    """Return a command that shows the growth again, or a short script where a command line cannot name the workload."""
    callables = dict(workload.roots())
    step = callables.get("step")
    if step is None:  # a soak, whose scenarios are several
        return ""
    if type(step) is not types.FunctionType:
        return _script({}, callables, units)
    home = _function["__globals__"].__get__(step)
    names = {role: _name_in(home, callables[role]) for role in _ROLES if role in callables}
    place = _place(home, _function["__code__"].__get__(step).co_filename)
    if not place or not all(names.values()) or any(_is_taken_by_default(home, role, names) for role in _ROLES[1:]):
        return _script(names, callables, units)
    options = "".join(f" --{role} {name}" for role, name in names.items() if role not in ("step", name))
    target = shlex.quote(f"{place}:{names['step']}")
    return f"leakdiff check {target}{options} --units {units}"


def _name_in(namespace: dict[str, Any], function: object) -> str:
    """Return the name that a function has in a namespace, which may be a subclass of dict; empty if it has none."""
    name = _function["__qualname__"].__get__(function) if type(function) is types.FunctionType else None
    is_there = type(name) is str and name.isidentifier() and dict.get(namespace, name) is function
    return str(name) if is_there else ""


def _is_taken_by_default(namespace: dict[str, Any], role: str, names: dict[str, str]) -> bool:
    """Tell whether a command line would run a setup or teardown that this workload has not."""
    return role not in names and dict.__contains__(namespace, role)


def _place(namespace: dict[str, Any], path: str) -> str:
    """Return the file or the module that a function is a name of; empty where neither can be named."""
    module, file = dict.get(namespace, "__name__"), dict.get(namespace, "__file__")
    if type(file) is str and file == path and os.path.isfile(path) and is_users_file(path):
        below = os.path.relpath(path)
        return path if below.startswith("..") else below
    found = sys.modules.get(module) if type(module) is str and module != "__main__" else None
    is_loaded = derives(type(found), types.ModuleType) and dict_of_module(found) is namespace
    return str(module) if is_loaded else ""


def _script(names: dict[str, str], callables: Collection[str], units: int) -> str:
    step = names.get("step") or "step"
    others = "".join(f", {role}={names.get(role) or role}" for role in _ROLES[1:] if role in callables)
    return f"import leakdiff\nreport = leakdiff.check({step}{others}, units={units})\nprint(report.text())"


# -- descriptors -----------------------------------------------------------------------------------


def descriptor_lines(bench: Bench, per_unit: float) -> list[tuple[Line, float]]:
    """Run one round and return the lines of the user's code that leave descriptors open, with how many per unit.

    Args:
        bench: The workload and its options.
        per_unit: Descriptors that a unit leaves open as a whole; lines with less than a fifth of it are left out.
    """
    units = _units(bench, per_unit * _ENOUGH)
    bench.say("measuring descriptors line by line")
    with bench.workload.measured(lambda: LineMeter([descriptor_gauge()], is_users_file)) as meter:
        if not meter.is_possible:
            bench.note("the line that leaves descriptors open was not looked for: a trace function is in use")
            return []
        bench.run(units, "the round in which descriptors are counted by line")
    return [(line, gain / units) for line, gain in meter.net(0, per_unit * units * _SHARE)]


def lines_of(stacks: Iterable[Sequence[Line]]) -> frozenset[Line]:
    """Return all lines of some stacks."""
    return frozenset(line for stack in stacks for line in stack)
