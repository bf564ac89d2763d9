"""Break one thing in programs that do not leak, and see whether leakdiff finds just that.

Programs are made from a seed by shapes (``mutation_shapes_*.py``): a clean program, the *twin*, and the same program
with one removal, bound, close, cancel or unsubscribe broken, the *mutant*. Names, containers, holders, keys, entries,
who calls the code and which units leak are drawn from the seed. Both are checked as a user would, with default knobs.
Programs that look like leaks and are none are checked beside them.

* Owner: the first finding's owner or path has the name of the container, as a whole identifier.
* Line: a site, put, gone or await of the first finding is the broken line, or lies in the function around it. Where a
  declaration outside any function is broken, a line that adds entries counts. Nothing can name a function from which
  the only removal was deleted and in which nothing is put; so it is also counted how often a person is led on: by
  the broken place, by a line that adds entries where no removal is left, or by the removal that nobody reaches.
* Fix: the growth of blocks (64 bytes each) and native bytes per unit, and of descriptors where they leak, is smaller
  by 95 % in the twin, or so small that it is noise; a mutant that does not grow counts as wrong. Growth is the median
  or the mean of the confirming rounds, whichever is less: one is blind to spikes, the other to swings. Where there are
  none, the marked rounds count. A twin that fails this is measured again, over more rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import fnmatch
import os
import random
import re
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutation_shapes_async
import mutation_shapes_bounds
import mutation_shapes_clean
import mutation_shapes_inflight
import mutation_shapes_library
import mutation_shapes_observers
import mutation_shapes_resources
import mutation_shapes_threads
from accuracy import (
    ACCUSING,
    HELD,
    MISSED,
    TROUBLE,
    Outcome,
    Total,
    aim,
    count,
    owner_texts,
    read_report,
    run_child,
    share,
    site_file,
    table,
    tell,
    total_line,
    write_json,
    write_text,
    yes,
)
from mutation_shapes import Draw, Program, Shape, Truth, program, written

SEED, COUNT, CLEAN = 4, 300, 66
BLOCK = 64  # bytes, roughly what a block of Python's allocator takes
NOISE_BLOCKS, NOISE_NATIVE, NOISE_FDS = 0.03, 16.0, 0.01  # per unit
LONGER = 23  # rounds for a twin that swings too widely to be measured in the rounds of a check
LEFT = 0.05  # share of the growth that a fix may leave

BROKEN = (
    *mutation_shapes_inflight.SHAPES,
    *mutation_shapes_bounds.SHAPES,
    *mutation_shapes_observers.SHAPES,
    *mutation_shapes_async.SHAPES,
    *mutation_shapes_threads.SHAPES,
    *mutation_shapes_library.SHAPES,
    *mutation_shapes_resources.SHAPES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Growth per unit of the whole process."""

    blocks: float
    native_bytes: float
    fds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What was said of a program held against its truth; None where a question does not apply.

    Attributes:
        verdict: Of the mutant; of a clean program its own.
        twin_verdict: Of the clean twin.
        accused: Whether the mutant was called LEAK or NATIVE.
        twin_accused: Whether the clean twin or the clean program was.
        owner_rank: Place of the first finding with the right owner, 0 if none has it.
        no_invented_owner: Whether nothing was named where no object owns the growth.
        place: Whether the first finding names the broken line or its function.
        led: Whether it does, or names what leads there.
        line: Whether it names the broken line itself.
        put: Whether it names a line that adds entries.
        gone: Whether a removal that the mutant still has at the broken line is among those it names.
        fixed: Whether the twin lacks 95 % of the mutant's growth.
        error: Why there is no report.
        said: What the first finding said, where it is wrong.
    """

    verdict: str = ""
    twin_verdict: str = ""
    accused: bool | None = None
    twin_accused: bool | None = None
    owner_rank: int | None = None
    no_invented_owner: bool | None = None
    place: bool | None = None
    led: bool | None = None
    line: bool | None = None
    put: bool | None = None
    gone: bool | None = None
    fixed: bool | None = None
    error: str = ""
    said: str = ""

    @property
    def owner_first(self) -> bool | None:
        """Tell whether the first finding has the right owner."""
        return None if self.owner_rank is None else self.owner_rank == 1

    @property
    def owner_in_three(self) -> bool | None:
        """Tell whether one of the first three has it."""
        return None if self.owner_rank is None else 1 <= self.owner_rank <= 3

    @property
    def is_right(self) -> bool:
        """Tell whether no question with a target was answered wrong."""
        answers = (self.accused, self.owner_first, self.no_invented_owner, self.place, self.fixed)
        return not self.error and not self.twin_accused and False not in answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A program with what came of it."""

    program: Program
    score: Score
    mutant: Outcome | None
    twin: Outcome


# --- Making programs ------------------------------------------------------------------------------


def generate(seed: int, broken: int, clean: int) -> list[Program]:
    """Make the programs of a seed: so many mutants with twins, so many that are clean and hard."""
    mutants = [mutate(shape, seed, number, turn) for number, shape, turn in in_turn(BROKEN, seed, broken)]
    shapes = mutation_shapes_clean.SHAPES
    return mutants + [keep_clean(shape, seed, number) for number, shape, _ in in_turn(shapes, seed, clean)]


def in_turn(shapes: Sequence[tuple[Shape, int]], seed: int, wanted: int) -> Iterator[tuple[int, Shape, int]]:
    """Deal shapes by weight, in an order from the seed; with each comes how often it came before."""
    bag = [shape for shape, weight in shapes for _ in range(weight)]
    random.Random(seed).shuffle(bag)  # noqa: S311 - a benchmark must repeat itself
    turns: Counter[Shape] = Counter()
    for number in range(wanted):
        shape = bag[number % len(bag)]
        yield number, shape, turns[shape]
        turns[shape] += 1


def mutate(shape: Shape, seed: int, number: int, turn: int) -> Program:
    """Make a mutant with its twin; mistakes take turns."""
    kind = shape.__name__.replace("_", "-")
    draw = Draw(f"{seed}/{kind}/{number}")
    made = shape(draw)
    mistakes = sorted(made.breaks)
    first = random.Random(f"{seed}/{kind}").randrange(len(mistakes))  # noqa: S311 - a benchmark must repeat itself
    mistake = mistakes[(first + turn) % len(mistakes)]
    return program(f"{number:03}-{kind}-{mistake.replace(' ', '-')}", kind, made, mistake)


def keep_clean(shape: Shape, seed: int, number: int) -> Program:
    """Make a program that is clean and hard."""
    kind = shape.__name__.replace("_", "-")
    made = shape(Draw(f"{seed}/{kind}/{number}"))
    texts = {file: written(text, "")[0] for file, text in made.files.items()}
    name = f"clean-{number:03}-{kind}"
    return Program(name=name, shape=kind, mistake="", tags=made.tags, entry=list(texts)[-1], twin=texts)


# --- Comparing ------------------------------------------------------------------------------------


def score(truth: Truth | None, mutant: Outcome | None, twin: Outcome) -> Score:
    """Compare what was said with what is true; a run without a report is wrong everywhere."""
    clean = twin.report or {}
    twin_verdict = clean.get("verdict", "")
    if truth is None or mutant is None:
        return Score(verdict=twin_verdict, twin_accused=twin_verdict in ACCUSING, error=twin.error)
    report = mutant.report or {}
    findings = report.get("findings") or []
    verdict = report.get("verdict", "")
    rank = owner_rank(findings, truth.owner) if truth.owner else None
    place = names_place(findings[:1], truth)
    return Score(
        verdict=verdict,
        twin_verdict=twin_verdict,
        accused=verdict in ACCUSING,
        twin_accused=twin_verdict in ACCUSING,
        owner_rank=rank,
        no_invented_owner=None if truth.owner else bool(findings) and not findings[0].get("owner"),
        place=place,
        led=place or leads_on(findings[:1], truth),
        line=any(is_at(site, truth.file, truth.lines) for site in named_sites(findings[:1])),
        put=names_put(findings[:1], truth) if truth.puts else None,
        gone=names_gone(findings[:1], truth) if truth.still_removes else None,
        fixed=removes_growth(report, clean, counts_fds=truth.counts_fds) if report and clean else False,
        error=mutant.error or twin.error,
        said=said(findings, owner=rank == 1 or rank is None, place=place),
    )


def owner_rank(findings: Sequence[Mapping[str, Any]], owner: Iterable[str]) -> int:
    """Find the first finding that names the owner by a whole identifier, counted from 1; 0 if none does."""
    wanted = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in owner))
    for rank, finding in enumerate(findings, 1):
        slug = (finding.get("cause") or {}).get("slug") or ""
        if any(wanted.search(text) for text in (*owner_texts(finding), slug)):
            return rank
    return 0


def names_place(findings: Sequence[Mapping[str, Any]], truth: Truth) -> bool:
    """Tell whether a site is the broken line, lies in the function around it, or adds entries to a bare declaration."""
    sites = named_sites(findings)
    if any(is_at(site, truth.file, truth.lines) for site in sites):
        return True
    if truth.function:
        return any(is_at(site, truth.file, truth.span) for site in sites)
    return names_put(findings, truth)


def leads_on(findings: Sequence[Mapping[str, Any]], truth: Truth) -> bool:
    """Tell whether a healthy removal is named, or a line that adds entries where no removal is left."""
    if truth.gones:
        gones = code_sites(findings, "gones")
        return any(is_at(site, file, (line, line)) for site in gones for file, line in truth.gones)
    return not truth.still_removes and names_put(findings, truth)


def names_put(findings: Sequence[Mapping[str, Any]], truth: Truth) -> bool:
    """Tell whether a site is a line that adds entries."""
    sites = named_sites(findings)
    return any(is_at(site, file, (line, line)) for site in sites for file, line in truth.puts)


def names_gone(findings: Sequence[Mapping[str, Any]], truth: Truth) -> bool:
    """Tell whether the broken removal is among the lines that take entries out."""
    return any(is_at(site, truth.file, truth.lines) for site in code_sites(findings, "gones"))


def named_sites(findings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Collect every line that findings name."""
    found: list[Mapping[str, Any]] = []
    for finding in findings:
        for key in ("sites", "waiting"):
            found += finding.get(key) or []
        found += [each["site"] for each in finding.get("types") or [] if each.get("site")]
        for key in ("puts", "gones", "made", "misses"):
            found += code_sites([finding], key)
        found += native_sites(finding)
    return found


def code_sites(findings: Iterable[Mapping[str, Any]], key: str) -> list[Mapping[str, Any]]:
    """Collect the lines that put entries in, or take them out."""
    return [site for finding in findings for site in (finding.get("code") or {}).get(key) or []]


def native_sites(finding: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Collect the lines that native evidence names."""
    evidence = finding.get("native") or {}
    return [value for value in evidence.values() if isinstance(value, dict) and "line" in value]


def is_at(site: Mapping[str, Any], file: str, lines: tuple[int, int]) -> bool:
    """Tell whether a site lies between two lines of a file."""
    return site_file(site).rsplit("/", 1)[-1] == file and lines[0] <= int(site.get("line") or 0) <= lines[1]


def removes_growth(mutant: Mapping[str, Any], twin: Mapping[str, Any], *, counts_fds: bool) -> bool:
    """Tell whether the mutant grows, and the twin lacks 95 % of that."""
    before, after = growth(mutant), growth(twin)
    is_gone = is_noise(after) or in_bytes(after) <= LEFT * in_bytes(before)
    if counts_fds and before.fds > NOISE_FDS:
        return is_gone and after.fds <= LEFT * before.fds
    return is_gone and not is_noise(before)


def is_noise(rate: Growth) -> bool:
    """Tell whether memory grows by no more than a process that does nothing."""
    return rate.blocks <= NOISE_BLOCKS and rate.native_bytes <= NOISE_NATIVE


def growth(report: Mapping[str, Any]) -> Growth:
    """Take the typical growth per unit of the confirming rounds, or of the marked ones where there are none."""
    rounds = report.get("rounds") or []
    chosen = [each for each in rounds if each["phase"] == "confirm"] or [r for r in rounds if r["phase"] == "mark"]

    def typical(key: str) -> float:
        rates = [each[key] / each["units"] for each in chosen if each.get(key) is not None and each["units"]]
        return min(statistics.median(rates), statistics.mean(rates)) if rates else 0.0

    return Growth(blocks=typical("blocks"), native_bytes=typical("native_bytes"), fds=typical("fds"))


def in_bytes(rate: Growth) -> float:
    """Add up blocks and native bytes."""
    return BLOCK * max(rate.blocks, 0.0) + max(rate.native_bytes, 0.0)


def said(findings: Sequence[Mapping[str, Any]], *, owner: bool, place: bool) -> str:
    """Say what the first finding named instead of the truth."""
    if not findings:
        return "nothing was found"
    first, parts = findings[0], []
    if not owner:
        parts.append(f"owner said: {first.get('owner') or 'none: ' + str(first.get('owner_type'))}")
    if not place:
        lines = [f"{site_file(site).rsplit('/', 1)[-1]}:{site.get('line')}" for site in named_sites(findings[:1])]
        parts.append(f"lines said: {', '.join(dict.fromkeys(lines)) or 'none'}")
    return "; ".join(parts)


def totals(rows: Sequence[Row]) -> list[Total]:
    """Count each question over the programs it applies to, the targets first."""
    broken = [row.score for row in rows if row.program.truth]
    clean = [row.score for row in rows if not row.program.truth]
    accusations = [True for s in broken if s.accused] + [False for s in (*broken, *clean) if s.twin_accused]
    return [
        count("clean twins accused", [s.twin_accused for s in broken], at_most=0),
        count("hard clean programs accused", [s.twin_accused for s in clean], at_most=0),
        count("mutants called LEAK or NATIVE", [s.accused for s in broken], at_least_percent=98),
        count("owner in the first finding", [s.owner_first for s in broken], at_least_percent=98),
        count("owner in the first three", [s.owner_in_three for s in broken], at_least_percent=100),
        count("broken line or its function named", [s.place for s in broken], at_least_percent=95),
        count("the fix removes 95 % of the growth", [s.fixed for s in broken], at_least_percent=100),
        count("errors (crash, timeout, no report)", [bool(s.error) for s in (*broken, *clean)], at_most=0),
        count("led to the broken place", [s.led for s in broken]),
        count("broken place named, a removal is left", [row.score.place for row in rows if left_a_removal(row)]),
        count("broken line itself named", [s.line for s in broken]),
        count("put line named", [s.put for s in broken]),
        count("broken line among the gone lines", [s.gone for s in broken]),
        count("no owner: none invented", [s.no_invented_owner for s in broken]),
        count("clean twins inconclusive", [s.twin_verdict == "INCONCLUSIVE" for s in broken]),
        count("hard clean programs inconclusive", [s.verdict == "INCONCLUSIVE" for s in clean]),
        count("precision", accusations),
        count("recall", [s.accused for s in broken]),
    ]


def left_a_removal(row: Row) -> bool:
    """Tell whether the broken place still takes something out of the owner."""
    return row.program.truth is not None and row.program.truth.still_removes


# --- Running --------------------------------------------------------------------------------------


def measure(made: Program, wishes: argparse.Namespace) -> Row:
    """Check a program and its twin, and score what was said."""
    with folder_for(made, wishes.keep) as home:
        twin = check(made.twin, made.entry, home / "twin", wishes)
        mutant = check(made.mutant, made.entry, home / "mutant", wishes) if made.truth else None
        result = score(made.truth, mutant, twin)
        if result.fixed is False and not result.error and mutant:
            longer = check(made.twin, made.entry, home / "twin-longer", wishes, "--rounds", str(LONGER))
            fixed = score(made.truth, mutant, longer).fixed
            result = dataclasses.replace(result, fixed=fixed)
        if wishes.keep:
            facts = {"program": described(made), "score": dataclasses.asdict(result)}
            write_json(home / "truth.json", facts)
    return Row(program=made, score=result, mutant=mutant, twin=twin)


@contextlib.contextmanager
def folder_for(made: Program, keep: Path | None) -> Iterator[Path]:
    """Give a program a folder that is kept, or one that is not."""
    if keep:
        yield keep.resolve() / made.name
        return
    with tempfile.TemporaryDirectory(prefix="leakdiff-") as scratch:
        yield Path(scratch)


def check(texts: Mapping[str, str], entry: str, home: Path, wishes: argparse.Namespace, *more: str) -> Outcome:
    """Write a program and check it as a user would."""
    write_program(texts, home)
    written_report = home.with_suffix(".json")
    written_report.unlink(missing_ok=True)
    command = [wishes.python, "-m", "leakdiff", "check", entry, "--json", str(written_report), *more]
    with home.with_suffix(".stderr").open("w+", errors="replace") as stderr:
        exit_code, cpu_seconds = run_child(command, home, stderr=stderr, timeout=wishes.timeout)
        stderr.seek(0)
        last_line = (stderr.read().strip().splitlines() or [""])[-1]
    report, error = read_report(written_report, exit_code, timeout=wishes.timeout)
    return Outcome(report=report, exit_code=exit_code, error=error, last_line=last_line, cpu_seconds=cpu_seconds)


def write_program(texts: Mapping[str, str], home: Path) -> None:
    """Write the files of a program."""
    home.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        (home / file).write_text(text, "utf-8")


# --- Showing --------------------------------------------------------------------------------------

COLUMNS = ("program", "verdict", "twin", "owner", "place", "led", "line", "put", "gone", "fix")
WIDTHS = (58, 12, 12, 5, 5, 3, 4, 3, 4, 3)


def cells(row: Row) -> tuple[str, ...]:
    """Write a row as the texts of its columns."""
    told = row.score
    rank = "-" if told.owner_rank is None else str(told.owner_rank or "NO")
    marks = (told.place, told.led, told.line, told.put, told.gone, told.fixed)
    return (row.program.name, told.verdict or "ERROR", told.twin_verdict, rank, *map(yes, marks))


def line(texts: Iterable[str]) -> str:
    """Align the texts of a row under the columns."""
    return "  ".join(text.ljust(width) for text, width in zip(texts, WIDTHS, strict=True)).rstrip()


def remarks(row: Row) -> list[str]:
    """Say below a wrong row what the program is and what was said of it."""
    if row.score.is_right:
        return []
    last = [run.last_line for run in (row.mutant, row.twin) if run and run.error]
    found = (row.program.description, row.score.said, row.score.error, *last, growth_said(row))
    return [f"    {text}" for text in found if text]


def growth_said(row: Row) -> str:
    """Say how much both grew, where the fix did not help."""
    if row.score.fixed is not False or not row.mutant or not row.mutant.report or not row.twin.report:
        return ""
    before, after = growth(row.mutant.report), growth(row.twin.report)
    return (
        f"growth per unit: {before.blocks:.2f} blocks, {before.native_bytes:.0f} native bytes, {before.fds:.2f} fds; "
        f"the twin: {after.blocks:.2f} blocks, {after.native_bytes:.0f} native bytes, {after.fds:.2f} fds"
    )


def by_tag(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Count right answers by what was combined: mistake, container, holder, style."""
    seen: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for row in rows:
        for tag in (f"mistake: {row.program.mistake}", *row.program.tags):
            if row.program.truth:
                seen[tag] += 1
                right[tag] += row.score.is_right
    return [(tag, f"{right[tag]} of {seen[tag]}", "" if right[tag] == seen[tag] else "!") for tag in sorted(seen)]


def as_markdown(rows: Sequence[Row], results: Sequence[Total], wishes: argparse.Namespace, *, date: str) -> str:
    """Write the page for the documentation."""
    summary = [(t.name, f"{t.hits:,} of {t.of:,}", share(t), aim(t)) for t in results]
    wrong = [(*cells(row), row.program.description, row.score.said) for row in rows if not row.score.is_right]
    made = (
        f"Measured by `make mutations` on {date}, seed {wishes.seed}: {len(rows):,} programs, "
        f"CPython {sys.version.split()[0]}, {os.cpu_count()} CPUs."
    )
    parts = [
        "# Mutations",
        "",
        made,
        "",
        *table(("question", "programs", "share", "target"), summary),
        "",
        "Right in every question, by what was combined:",
        "",
        *table(("", "right", ""), by_tag(rows)),
        "",
        "Wrong answers:",
        "",
        *table((*COLUMNS, "what it is", "what was said"), wrong),
        "",
    ]
    return "\n".join(parts)


def as_json(rows: Sequence[Row], results: Sequence[Total], wishes: argparse.Namespace, *, date: str) -> dict[str, Any]:
    """Write everything that was learnt as plain values."""
    counted = [{**dataclasses.asdict(total), "percent": total.percent, "holds": total.holds} for total in results]
    programs = [
        {
            **described(row.program),
            "score": dataclasses.asdict(row.score),
            "mutant": row.mutant and dataclasses.asdict(row.mutant),
            "twin": dataclasses.asdict(row.twin),
        }
        for row in rows
    ]
    return {"format": 1, "date": date, "seed": wishes.seed, "totals": counted, "programs": programs}


def described(made: Program) -> dict[str, Any]:
    """Write a program without its texts."""
    told = dataclasses.asdict(made)
    return {key: told[key] for key in ("name", "shape", "mistake", "tags", "entry", "truth")}


# --- The command ----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the programs, check them, print what came of it, and say whether the targets hold.

    Returns:
        0 if they hold, 1 if they do not, 2 if no program was chosen.
    """
    wishes = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    programs = [made for made in generate(wishes.seed, wishes.count, wishes.clean) if is_wanted(made, wishes.only)]
    if not programs:
        tell("mutations: no program matches")
        return TROUBLE
    rows = show_rows(programs, wishes)
    results = totals(rows)
    print("", *map(total_line, results), sep="\n")
    keep(rows, results, wishes)
    return HELD if all(total.holds for total in results) else MISSED


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="mutations", description=(__doc__ or "").splitlines()[0], allow_abbrev=False)
    option = parser.add_argument
    option("--seed", type=int, default=SEED, help="make the programs of this seed")
    option("--count", type=int, default=COUNT, help="mutants to make, each with its clean twin")
    option("--clean", type=int, default=CLEAN, help="hard clean programs to make")
    option("--jobs", type=int, default=os.cpu_count() or 1, help="programs to check at a time")
    option("--only", action="append", metavar="NAME", help="only programs that contain or match NAME")
    option("--python", default=sys.executable, metavar="EXE", help="check with this Python, which must have leakdiff")
    option("--timeout", type=float, default=90.0, metavar="SECONDS", help="limit for one check")
    option("--json", type=Path, metavar="PATH", help="write everything to PATH")
    option("--markdown", type=Path, metavar="PATH", help="write the tables to PATH")
    option("--keep", type=Path, metavar="FOLDER", help="keep programs and reports in FOLDER")
    return parser.parse_args(arguments)


def is_wanted(made: Program, only: Sequence[str] | None) -> bool:
    """Tell whether a program was asked for."""
    return not only or any(name in made.name or fnmatch.fnmatch(made.name, name) for name in only)


def show_rows(programs: Sequence[Program], wishes: argparse.Namespace) -> list[Row]:
    """Check programs several at a time, and print their rows in order as they come."""
    print(line(COLUMNS))
    rows = []
    with ThreadPoolExecutor(wishes.jobs) as pool:
        for row in pool.map(lambda made: measure(made, wishes), programs):
            print(line(cells(row)), *remarks(row), sep="\n", flush=True)
            rows.append(row)
    return rows


def keep(rows: Sequence[Row], results: Sequence[Total], wishes: argparse.Namespace) -> None:
    """Write the files that were asked for."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    if wishes.json:
        write_json(wishes.json, as_json(rows, results, wishes, date=date))
    if wishes.markdown:
        write_text(wishes.markdown, as_markdown(rows, results, wishes, date=date))


if __name__ == "__main__":
    sys.exit(main())
