"""The tables: what was measured, against leakdiff's peers and against what was aimed at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

Figures = dict[str, Any]
Key = tuple[str, int]

STARTUP_TARGETS = {"import leakdiff": 0.040, "leakdiff --help": 0.100, "leakdiff check --help": 0.100}
_LARGE_HEAP = 1_000_000  # from which the lead over peers is aimed at


@dataclass(frozen=True, slots=True)
class Result:
    """The medians of a job's runs, or why there are none."""

    name: str
    objects: int
    runs: int
    figures: Figures
    error: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: who, how much, how that compares, and what was aimed at."""

    what: str
    figure: str
    ratio: str = ""
    target: str = ""
    note: str = ""

    columns: ClassVar = ("", "figure", "against leakdiff", "target", "")
    form: ClassVar = "{:45} {:>20}  {:>14}  {:32} {}"

    @property
    def cells(self) -> tuple[str, ...]:
        """Return its texts."""
        return self.what, self.figure, self.ratio, self.target, self.note


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of a table that compares tools by several costs."""

    what: str
    cpu: str
    ratio: str = ""
    stall: str = ""
    extra: str = ""
    note: str = ""

    columns: ClassVar = ("", "CPU", "against leakdiff", "longest stall", "extra memory", "what it tells")
    form: ClassVar = "{:45} {:>12}  {:>16}  {:>14}  {:>20}  {}"

    @property
    def cells(self) -> tuple[str, ...]:
        """Return its texts."""
        return self.what, self.cpu, self.ratio, self.stall, self.extra, self.note


@dataclass(frozen=True, slots=True)
class Table:
    """The lines that answer one question."""

    title: str
    rows: tuple[Row | Cost, ...]


# --- Tables ---------------------------------------------------------------------------------------


def check_tables(by_key: Mapping[Key, Result], objects: int) -> list[Table]:
    """Return what ``leakdiff.check`` costs, at one size of heap and by size."""
    at_size = of_size(by_key, objects)
    heap = f"on a heap of {objects:,} tracked objects"
    return [
        Table(f"Clean step {heap}: CPU per round beyond the step", tuple(clean_rows(at_size))),
        Table(f"Leaking step {heap}: the full answer, owner and path", tuple(answer_rows(at_size))),
        Table("Full answer by size of the heap, imports done", tuple(linear_rows(by_key, "warm/leakdiff"))),
        Table("Clean round by size of the heap", tuple(linear_rows(by_key, "clean/leakdiff"))),
        Table("Import", tuple(import_rows(at_size))),
        Table("Start of a process, with Python's own", tuple(startup_rows(at_size))),
        Table("Smallest leak", tuple(smallest_rows(at_size))),
    ]


def of_size(by_key: Mapping[Key, Result], objects: int) -> dict[str, Result]:
    """Return the results at one size of heap by name."""
    return {name: result for (name, size), result in by_key.items() if size == objects}


def section(results: Mapping[str, Result], name: str) -> Iterator[tuple[str, Result]]:
    """Return who was measured, and the result, for one section."""
    for result in results.values():
        kind, _, tool = result.name.partition("/")
        if kind == name:
            yield tool, result


def clean_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Compare a round of leakdiff with one look of each peer."""
    ours = figure(results, "clean/leakdiff", "cpu")
    for tool, result in section(results, "clean"):
        cpu = result.figures.get("cpu")
        if cpu is None:
            yield failed(tool, result)
        elif tool == "leakdiff":
            told, first = result.figures["told"], result.figures["first"]
            yield Row("leakdiff, measured", ms(cpu), "1", aim("< 1 ms", met=cpu < 0.001), verdict_of(result))
            yield Row("leakdiff, as its report says", ms(told), "", aim("< 1 ms", met=told < 0.001))
            yield Row("leakdiff, first check, whole", ms(first), note="with its imports and the step")
        else:
            note = result.figures.get("note", "")
            yield Row(tool, ms(cpu), times(cpu, ours), lead(tool, result, cpu / ours if ours else 0.0), note)


def lead(tool: str, result: Result, ratio: float) -> str:
    """Write the lead that is aimed at over some peers, on heaps of a million objects or more."""
    if not ratio or result.objects < _LARGE_HEAP or not tool.startswith(("objgraph", "pympler", "guppy")):
        return ""
    return aim(">= 1,000 x", met=ratio >= 1_000)


def answer_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Compare the full answer with the peers' nearest job, then show memory and stalls."""
    ours = figure(results, "answer/leakdiff", "cpu")
    for tool, result in section(results, "answer"):
        cpu = result.figures.get("cpu")
        if cpu is None:
            yield failed(tool, result)
        elif tool == "leakdiff":
            yield from own_answer_rows(result)
        else:
            yield Row(tool, seconds(cpu), times(cpu, ours), "", result.figures.get("note", ""))
    yield from memory_rows(results)
    yield from stall_rows(results)


def own_answer_rows(result: Result) -> Iterator[Row]:
    """Show leakdiff's own CPU seconds against both targets, and whether it was right."""
    cpu, owner = result.figures["cpu"], result.figures["owner"]
    right = "right" if result.figures["owner_right"] else "WRONG"
    yield Row("leakdiff, as its report says", seconds(cpu), "1", aim("<= 3 s", met=cpu <= 3), verdict_of(result))
    yield Row("  the design's target", seconds(cpu), "", aim("<= 2 s", met=cpu <= 2))
    yield Row("  of the process, step included", seconds(result.figures["process"]))
    yield Row("  owner", owner, "", aim("bench_heap.inflight", met=result.figures["owner_right"]), right)


def memory_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Show peak extra memory by object of the heap."""
    warm, cold = results.get("warm/leakdiff"), results.get("answer/leakdiff")
    if warm is not None and "extra" in warm.figures:
        extra = warm.figures["extra"]
        yield Row("extra memory, imports done", per_object(extra), "", aim("<= 32 B", met=extra <= 32))
        yield Row("  the design's target", per_object(extra), "", aim("<= 24 B", met=extra <= 24))
        cpu = warm.figures["cpu"]
        yield Row("CPU, imports done", seconds(cpu), "", aim("<= 2 s", met=cpu <= 2))
    elif warm is not None:
        yield failed("extra memory", warm)
    if cold is not None and "extra" in cold.figures:
        yield Row("extra memory, imports included", per_object(cold.figures["extra"]))


def stall_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Show how long another thread had to wait."""
    result = results.get("stall/leakdiff")
    if result is None:
        return
    if not result.figures:
        yield failed("longest stall of other threads", result)
        return
    outside = result.figures["outside"]
    yield Row("longest stall of other threads", ms(result.figures["longest"]))
    yield Row("  longest collection (gc.collect)", ms(result.figures["collection"]))
    yield Row(
        "  longest outside collections",
        ms(outside),
        "",
        aim("<= 20 ms", met=outside <= 0.02),
        f"at {result.figures['place']}",
    )


def linear_rows(results: Mapping[Key, Result], name: str) -> Iterator[Row]:
    """Show CPU by size, with the exponent from each size to the next."""
    sizes = sorted(size for found, size in results if found == name)
    last: Result | None = None
    for size in sizes if len(sizes) > 1 else ():
        result = results[name, size]
        if "cpu" not in result.figures:
            yield failed(f"{size:,} objects", result)
            continue
        cpu = result.figures["cpu"]
        extra = result.figures.get("extra")
        note = "" if extra is None else per_object(extra)
        yield Row(f"{size:,} objects", ms(cpu) if cpu < 0.01 else seconds(cpu), exponent(last, result), "", note)
        last = result


def exponent(last: Result | None, now: Result) -> str:
    """Say by which power of the size the cost grew: 1 is linear, 0 does not depend on it."""
    if last is None or last.figures["cpu"] <= 0 or now.figures["cpu"] <= 0:
        return ""
    power = math.log(now.figures["cpu"] / last.figures["cpu"]) / math.log(now.objects / last.objects)
    return f"exponent {power:.2f}"


def import_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Compare imports."""
    ours = figure(results, "import/leakdiff", "cpu")
    for tool, result in section(results, "import"):
        cpu = result.figures.get("cpu")
        if cpu is None:
            yield failed(tool, result)
            continue
        loaded = result.figures.get("modules")
        note = f"modules loaded: {loaded:.0f}" if loaded else "beyond starting Python"
        target = aim("<= 40 ms", met=cpu <= 0.04) if tool == "leakdiff" else ""
        yield Row(tool, ms(cpu), times(cpu, ours), target, note)


def startup_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Compare whole processes: what they take, and what of it is beyond starting Python."""
    ours = figure(results, "startup/import leakdiff", "beyond")
    for name, result in section(results, "startup"):
        cpu = result.figures.get("cpu")
        if cpu is None:
            yield failed(name, result)
            continue
        most = STARTUP_TARGETS.get(name)
        target = aim(f"<= {most * 1_000:.0f} ms", met=cpu <= most) if most else ""
        beyond = result.figures["beyond"]
        yield Row(name, ms(cpu), times(beyond, ours), target, f"{ms(beyond)} beyond Python")


def smallest_rows(results: Mapping[str, Result]) -> Iterator[Row]:
    """Show the verdicts on leaks that are hard to see."""
    for tool, result in section(results, "smallest"):
        if not result.figures:
            yield failed(tool, result)
            continue
        said, expected = result.figures["verdict"], result.figures["expected"]
        found = said == expected and result.figures["owner_right"]
        yield Row(tool, said, "", aim(expected, met=found), result.figures["owner"])


def failed(what: str, result: Result) -> Row:
    """Say that something could not be measured."""
    return Row(what, "NOT RUN", note=result.error)


def figure(results: Mapping[str, Result], name: str, field: str) -> float:
    """Return one figure, 0 where it is not known."""
    return float(results[name].figures.get(field, 0.0)) if name in results else 0.0


# --- Words ----------------------------------------------------------------------------------------


def ms(spent: float) -> str:
    """Write seconds as milliseconds."""
    return f"{spent * 1_000:,.3f} ms" if spent < 0.01 else f"{spent * 1_000:,.1f} ms"


def seconds(spent: float) -> str:
    """Write seconds."""
    return f"{spent:.2f} s"


def per_object(extra: float) -> str:
    """Write bytes by object."""
    return f"{extra:.1f} B per object"


def times(cost: float, ours: float) -> str:
    """Write a cost as a multiple of ours."""
    if not ours:
        return ""
    ratio = cost / ours
    return f"{ratio:,.0f} x" if ratio >= 100 else f"{ratio:.2f} x"


def aim(target: str, *, met: bool) -> str:
    """Write a target and whether it is met."""
    return f"{target} ({'met' if met else 'MISSED'})"


def verdict_of(result: Result) -> str:
    """Write the verdict."""
    return f"verdict {result.figures.get('verdict', '?')}"
