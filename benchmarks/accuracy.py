"""Measure how often leakdiff is right: run a corpus as a user would, and compare with its truth."""

import argparse
import contextlib
import dataclasses
import datetime
import fcntl
import fnmatch
import hashlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

REPOSITORY = Path(__file__).resolve().parent.parent
CORPUS = REPOSITORY / "benchmarks" / "corpus"
CACHE = REPOSITORY / ".cache" / "accuracy"

OLDEST = (3, 11)
ACCUSING = ("LEAK", "NATIVE")
WORKS = 0.95  # share of the growth that a fix must remove
REPORT_FORMAT = 1
HELD, MISSED, TROUBLE = 0, 1, 2

Version = tuple[int, ...]
Interpreters = Mapping[Version, str]


class SetupError(Exception):
    """A case cannot be run here, which says nothing about leakdiff."""


# --- Values ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is known of a case, from its ``truth.json``."""

    is_leak: bool
    native: bool = False
    root: str = ""
    root_must_mention: tuple[str, ...] = ()
    site_must_mention: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Name the kind of case in a word or three."""
        if not self.is_leak:
            return "not a leak"
        return "leak" if self.has_owner else "native leak"

    @property
    def has_owner(self) -> bool:
        """Tell whether a Python object that a report can name holds the growth."""
        return self.is_leak and (not self.native or self.root.startswith(("module", "class")))

    @property
    def has_site(self) -> bool:
        """Tell whether a line of Python is known to be guilty."""
        return self.is_leak and bool(self.site_must_mention)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One folder of a corpus."""

    slug: str
    folder: Path
    truth: Truth
    requirements: str
    lock: str | None
    fixed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment with a case's packages and leakdiff in it."""

    home: Path
    python: str
    source: str
    note: str = ""

    @property
    def executable(self) -> str:
        """Point at the environment's interpreter."""
        return str(self.home / "bin" / "python")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run of leakdiff left behind."""

    report: dict[str, Any] | None = None
    exit_code: int | None = None
    error: str = ""
    last_line: str = ""
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One case's outcome held against its truth; None where a question does not apply."""

    verdict: str
    right: bool
    accused: bool
    owner_first: bool | None
    owner_in_three: bool | None
    site: bool | None
    native_verdict: bool | None
    no_invented_owner: bool | None
    exit_as_documented: bool
    error: str
    remark: str
    fix_works: bool | None
    own_cpu_seconds: float | None
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case as the tables show it; without a score, the case could not be run."""

    case: Case
    python: str = ""
    note: str = ""
    score: Score | None = None
    outcome: Outcome = Outcome()
    fixed: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A count over the cases it applies to, and the target it must meet, if it has one."""

    name: str
    hits: int
    of: int
    at_least_percent: float | None = None
    at_most: int | None = None

    @property
    def percent(self) -> float | None:
        """Express the hits as a share of the cases, if there is any."""
        return 100 * self.hits / self.of if self.of else None

    @property
    def target(self) -> str:
        """Write the target as a reader would."""
        if self.at_most is not None:
            return f"≤ {self.at_most}" if self.at_most else "0"
        return "" if self.at_least_percent is None else f"≥ {self.at_least_percent:g} %"

    @property
    def holds(self) -> bool:
        """Tell whether the target is met; no target and no case are met."""
        if self.at_most is not None:
            return self.hits <= self.at_most
        if self.at_least_percent is None or self.percent is None:
            return True
        return self.percent >= self.at_least_percent


# --- Comparing: values to values ------------------------------------------------------------------


def score(truth: Truth, outcome: Outcome, fixed: Outcome | None = None) -> Score:
    """Compare what leakdiff said with what is true; a run without a report is wrong everywhere.

    Args:
        truth: The measured truth.
        outcome: What leakdiff said of the case.
        fixed: What it said with upstream's fix, where there is one.
    """
    report = outcome.report or {}
    verdict = "" if outcome.error else report["verdict"]
    findings = [] if outcome.error else report.get("findings") or []
    accused = verdict in ACCUSING
    is_native = truth.is_leak and not truth.has_owner
    owner_first = names_owner(findings[:1], truth) if truth.has_owner else None
    site = names_site(findings[:1], truth) if truth.has_site else None
    return Score(
        verdict=verdict,
        right=not outcome.error and accused == truth.is_leak,
        accused=accused,
        owner_first=owner_first,
        owner_in_three=names_owner(findings[:3], truth) if truth.has_owner else None,
        site=site,
        native_verdict=verdict == "NATIVE" if is_native else None,
        no_invented_owner=bool(verdict) and names_no_owner(findings) if is_native else None,
        exit_as_documented=bool(verdict) and outcome.exit_code == documented_exit(verdict),
        error=outcome.error,
        remark="" if outcome.error else remark_on(findings, owner_first=owner_first, site=site),
        fix_works=None if fixed is None else removed_by(outcome, fixed) >= WORKS,
        own_cpu_seconds=(report.get("cost") or {}).get("cpu_seconds"),
        cpu_seconds=outcome.cpu_seconds,
    )


def removed_by(outcome: Outcome, fixed: Outcome) -> float:
    """Return the share of a leak's growth that a fix removes: of bytes a unit, blocks counted as 64 bytes each."""
    before, after = growth(outcome), growth(fixed)
    if before is None or after is None or before <= 0:
        return 0.0
    return 1 - max(0.0, after) / before


def growth(outcome: Outcome) -> float | None:
    """Return what a run grew by per unit, in bytes: the median over its rounds under the mark, but for the first."""
    rounds = [row for row in (outcome.report or {}).get("rounds") or [] if row["phase"] == "mark"]
    if outcome.error or not rounds:
        return None
    rates = [(64 * row["blocks"] + (row["native_bytes"] or 0)) / row["units"] for row in rounds[1:] or rounds]
    return float(statistics.median(rates))


def names_owner(findings: Iterable[Mapping[str, Any]], truth: Truth) -> bool:
    """Tell whether any of these findings mentions the true owner, in its owner or its path."""
    said = "\n".join(text for finding in findings for text in owner_texts(finding)).lower()
    return any(wanted.lower() in said for wanted in truth.root_must_mention)


def owner_texts(finding: Mapping[str, Any]) -> list[str]:
    """Collect the words of a finding that name its owner."""
    path = finding.get("path") or []
    steps = [text for edge in path for text in (edge.get("step"), edge.get("type"))]
    return [text for text in (finding.get("owner"), *steps) if text]


def names_no_owner(findings: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether no finding invents an owner where none exists."""
    return all(finding.get("owner") is None for finding in findings)


def names_site(findings: Iterable[Mapping[str, Any]], truth: Truth) -> bool:
    """Tell whether any of these findings points into one of the right files, where it was allocated or put in."""
    files = [site_file(site) for finding in findings for site in sites_of(finding)]
    return any(wanted in file for wanted in truth.site_must_mention for file in files)


def sites_of(finding: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Collect the lines that a finding says make it grow."""
    return [*(finding.get("sites") or []), *((finding.get("code") or {}).get("puts") or [])]


def site_file(site: Mapping[str, Any]) -> str:
    """Write a site's file with forward slashes, whatever the platform."""
    return str(site.get("file") or "").replace("\\", "/")


def documented_exit(verdict: str) -> int:
    """Give the exit code the manual promises for a verdict."""
    if verdict == "INCONCLUSIVE":
        return 2
    return 1 if verdict in ACCUSING else 0


def remark_on(findings: Sequence[Mapping[str, Any]], *, owner_first: bool | None, site: bool | None) -> str:
    """Say what the first finding named instead of the truth, for whoever mends it."""
    first = findings[0] if findings else {}
    remarks = []
    if owner_first is False:
        remarks.append(f"owner said: {first.get('owner') or 'none'}")
    if site is False:
        files = [site_file(entry).rsplit("/", 2)[-2:] for entry in first.get("sites") or []]
        remarks.append(f"sites said: {', '.join('/'.join(file) for file in files) or 'none'}")
    return "; ".join(remarks)


def totals(scored: Sequence[tuple[Truth, Score]]) -> list[Total]:
    """Count each question over the cases it applies to, the targets first."""
    scores = [result for _, result in scored]
    leaks = [result for truth, result in scored if truth.is_leak]
    others = [result for truth, result in scored if not truth.is_leak]
    natives = [result for result in leaks if result.native_verdict is not None]
    return [
        count("non-leaks called leaks", [s.accused for s in others], at_most=0),
        count("leaks called LEAK or NATIVE", [s.accused for s in leaks], at_least_percent=98),
        count("owner in the first finding", [s.owner_first for s in leaks], at_least_percent=97),
        count("owner in the first three", [s.owner_in_three for s in leaks], at_least_percent=100),
        count("errors (crash, timeout, no report)", [bool(s.error) for s in scores], at_most=0),
        count("verdict right", [s.right for s in scores]),
        count("allocation or put line right", [s.site for s in leaks], at_least_percent=95),
        count("native: verdict NATIVE", [s.native_verdict for s in natives]),
        count("native: no invented owner", [s.no_invented_owner for s in natives], at_least_percent=100),
        count("native: site right", [s.site for s in natives], at_least_percent=90),
        count("upstream's fix removes 95 % of growth", [s.fix_works for s in leaks], at_least_percent=95),
        count("exit code as documented", [s.exit_as_documented for s in scores]),
        count("precision", [truth.is_leak for truth, result in scored if result.accused]),
        count("recall", [s.accused for s in leaks]),
    ]


def count(
    name: str,
    answers: Iterable[bool | None],
    *,
    at_least_percent: float | None = None,
    at_most: int | None = None,
) -> Total:
    """Count the answers that are true among those that were asked."""
    asked = [answer for answer in answers if answer is not None]
    return Total(
        name=name,
        hits=sum(asked),
        of=len(asked),
        at_least_percent=at_least_percent,
        at_most=at_most,
    )


# --- Cases ----------------------------------------------------------------------------------------


def find_cases(corpora: Iterable[Path], filters: Sequence[str]) -> list[Case]:
    """Read the case folders whose slug matches any filter, sorted by slug."""
    folders = {path.parent.resolve() for corpus in corpora for path in corpus.glob("*/truth.json")}
    wanted = [folder for folder in folders if matches(folder.name, filters)]
    return [read_case(folder) for folder in sorted(wanted, key=lambda path: (path.name, path))]


def matches(slug: str, filters: Sequence[str]) -> bool:
    """Tell whether a slug contains, or matches as a glob, any filter; no filter matches all."""
    hit = any(wanted in slug or fnmatch.fnmatchcase(slug, wanted) for wanted in filters)
    return hit or not filters


def read_case(folder: Path) -> Case:
    """Read one case folder."""
    lock, fixed = folder / "requirements.lock.txt", folder / "requirements-fixed.txt"
    requirements = folder / "requirements.txt"
    return Case(
        slug=folder.name,
        folder=folder,
        truth=read_truth(json.loads((folder / "truth.json").read_text("utf-8"))),
        requirements=requirements.read_text("utf-8") if requirements.exists() else "",
        lock=lock.read_text("utf-8") if lock.exists() else None,
        fixed=fixed.read_text("utf-8") if fixed.exists() else None,
    )


def read_truth(written: Mapping[str, Any]) -> Truth:
    """Take from ``truth.json`` what the comparison needs."""
    return Truth(
        is_leak=written["is_leak"],
        native=written.get("native", False),
        root=written.get("root") or "",
        root_must_mention=tuple(written.get("root_must_mention") or ()),
        site_must_mention=tuple(written.get("site_must_mention") or ()),
        pythons=tuple(written.get("python") or ()),
    )


# --- Interpreters ---------------------------------------------------------------------------------

PROBE = (
    "import sys, venv, ensurepip; assert sys.implementation.name == 'cpython';"
    "print(*sys.version_info[:3], sys.executable)"
)


def find_interpreters() -> dict[Version, str]:
    """Find the CPythons of this machine that can make virtual environments, by exact version."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [str(path) for path in sorted(pyenv.glob("versions/3.*/bin/python"))]
    candidates += [f"python3.{minor}" for minor in range(OLDEST[1], OLDEST[1] + 9)]
    found: dict[Version, str] = {}
    for candidate in (*candidates, sys.executable):
        for version, executable in probe(candidate):
            found.setdefault(version, executable)
    return found


def probe(command: str) -> list[tuple[Version, str]]:
    """Ask an interpreter for its version and true path; an unfit one has no answer."""
    if shutil.which(command) is None:
        return []
    answer = subprocess.run([command, "-c", PROBE], capture_output=True, text=True, check=False)
    if answer.returncode:
        return []
    *numbers, executable = answer.stdout.strip().split(" ", 3)
    version = tuple(map(int, numbers))
    return [(version, executable)] if version >= OLDEST else []


def choose_interpreter(wanted: Sequence[str], interpreters: Interpreters, *, forced: str | None = None) -> Version:
    """Pick the first wanted version that is here, exactly or else by minor.

    Args:
        wanted: Versions in order of preference, as ``3.12.1``; all but the minor is a wish.
        interpreters: What is here.
        forced: A minor version to use whatever is wanted, as ``3.12``.

    Raises:
        SetupError: None of them is here.
    """
    versions = [parse_version(text) for text in wanted]
    if forced is not None:
        minor = parse_version(forced)[:2]
        versions = [version for version in versions if version[:2] == minor] or [minor]
    for version in versions:
        same_minor = sorted(here for here in interpreters if here[:2] == version[:2])
        if same_minor:
            return version if version in interpreters else same_minor[-1]
    looked_for = ", ".join(map(dotted, versions)) or "any version"
    message = f"no interpreter for {looked_for}"
    raise SetupError(message)


def parse_version(text: str) -> Version:
    """Read ``3.12.1`` as numbers."""
    return tuple(int(part) for part in text.split(".")[:3])


def dotted(version: Version) -> str:
    """Write a version as people do."""
    return ".".join(map(str, version))


# --- Environments ---------------------------------------------------------------------------------


def environment_home(cache: Path, case: Case, version: Version) -> Path:
    """Name the folder of a case's environment: cases with the same needs share it.

    The name must not contain the slug: it ends up in the file names of sites, which are
    searched for fragments of package names.
    """
    needs = "\0".join((case.requirements, case.lock if case.lock is not None else ""))
    digest = hashlib.sha256(needs.encode()).hexdigest()[:12]
    return cache / f"{dotted(version)}-{digest}"


def prepare(case: Case, interpreter: str, home: Path, *, requirements: str = "requirements.txt") -> Environment:
    """Create a case's environment where it is missing or out of date."""
    with locked(home):
        made = home / "made.json"
        if not made.exists():
            write_json(made, make_environment(case, interpreter, home, requirements))
        environment = Environment(home=home, **json.loads(made.read_text("utf-8")))
        install_leakdiff(environment)
    return environment


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """Keep other runs away from an environment that is being made."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(home.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_environment(case: Case, interpreter: str, home: Path, requirements: str) -> dict[str, str]:
    """Create a virtual environment with a case's packages; say where the pins came from."""
    tell(f"{home.name}: creating for {case.slug}")
    shutil.rmtree(home, ignore_errors=True)
    run_or_raise([interpreter, "-m", "venv", str(home)])
    python = str(home / "bin" / "python")
    made = {"python": home.name.partition("-")[0], **install_pins(case, python, requirements)}
    frozen = run_or_raise([python, "-m", "pip", "freeze"])
    (home / "pins.txt").write_text(frozen, "utf-8")
    return made


def install_pins(case: Case, python: str, file: str) -> dict[str, str]:
    """Install the full lock; where that is impossible, the requirements alone, and say so."""
    requirements = case.folder / file
    if case.lock is None:
        if case.requirements.strip():
            pip_install(python, "-r", str(requirements))
        return {"source": "requirements", "note": ""}
    try:
        pip_install(python, "-r", str(case.folder / "requirements.lock.txt"))
    except SetupError as error:
        pip_install(python, "-r", str(requirements))
        return {"source": "requirements", "note": f"lock not installable: {error}"}
    return {"source": "lock", "note": ""}


def install_leakdiff(environment: Environment) -> None:
    """Install this repository, editable, leaving the case's pins alone, unless that is done.

    Edits of the source need no new installation; a new version or dependency does.
    """
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    needs = [str(REPOSITORY), project.get("version", "dynamic"), *sorted(project["dependencies"])]
    stamp = environment.home / "leakdiff.json"
    if stamp.exists() and json.loads(stamp.read_text("utf-8")) == needs:
        return
    tell(f"{environment.home.name}: installing leakdiff")
    pins = str(environment.home / "pins.txt")
    try:
        pip_install(environment.executable, "-c", pins, "-e", str(REPOSITORY))
    except SetupError as error:
        message = f"leakdiff not installable beside the pins: {error}"
        raise SetupError(message) from error
    write_json(stamp, needs)


def pip_install(python: str, *arguments: str) -> None:
    """Install packages from wherever pip is configured to look."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    run_or_raise([python, "-m", "pip", "install", *quiet, *arguments])


def run_or_raise(command: Sequence[str]) -> str:
    """Run a command of the set-up and return its output, or raise its last complaint."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environ())
    if done.returncode:
        raise SetupError(complaint(done.stderr or done.stdout))
    return done.stdout


def complaint(output: str) -> str:
    """Pick the most telling line of a failure: the last error that says what, or the last line."""
    lines = [text.strip() for text in output.splitlines() if text.strip()]
    errors = [text for text in lines if re.match(r"(\w*Error|ERROR): ", text)]
    return (errors or lines or ["no output"])[-1]


def clean_environ() -> dict[str, str]:
    """Copy the environment without what would lead Python to other packages."""
    leading = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    return {name: text for name, text in os.environ.items() if name not in leading}


# --- Running --------------------------------------------------------------------------------------


def run_case(case: Case, environment: Environment, *, timeout: float, extra: Sequence[str]) -> Outcome:
    """Check a case in a copy of its folder that does not hold the truth."""
    with tempfile.TemporaryDirectory(prefix="leakdiff-") as scratch:
        work = Path(scratch, "work")
        hidden = shutil.ignore_patterns("truth.json", "requirements*.txt", "__pycache__")
        shutil.copytree(case.folder, work, ignore=hidden)
        written = Path(scratch, "report.json")
        command = [environment.executable, "-m", "leakdiff", "check", "case.py"]
        command += ["--json", str(written), *extra]
        with Path(scratch, "stderr.txt").open("w+", errors="replace") as stderr:
            exit_code, cpu_seconds = run_child(command, work, stderr=stderr, timeout=timeout)
            stderr.seek(0)
            last_line = (stderr.read().strip().splitlines() or [""])[-1]
        report, error = read_report(written, exit_code, timeout=timeout)
    return Outcome(
        report=report,
        exit_code=exit_code,
        error=error,
        last_line=last_line,
        cpu_seconds=cpu_seconds,
    )


def run_child(command: Sequence[str], folder: Path, *, stderr: IO[str], timeout: float) -> tuple[int | None, float]:
    """Run a command to its end, or to the timeout.

    Returns:
        Its exit code (None after the timeout) and the CPU seconds of it and its children.
    """
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )
    expired = threading.Event()
    timer = threading.Timer(timeout, kill_session, (child.pid, expired))
    timer.start()
    # wait4, because the resource usage of one child among parallel ones is told nowhere else.
    _, status, usage = os.wait4(child.pid, 0)
    timer.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    exit_code = None if expired.is_set() else child.returncode
    return exit_code, usage.ru_utime + usage.ru_stime


def kill_session(leader: int, expired: threading.Event) -> None:
    """End a child that took too long, with the processes it started."""
    expired.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def read_report(written: Path, exit_code: int | None, *, timeout: float) -> tuple[dict[str, Any] | None, str]:
    """Read the report of a run, or say in a few words why there is none to go by."""
    if exit_code is None:
        return None, f"timeout after {timeout:g} s"
    if exit_code not in (0, 1, 2):
        return None, f"crash, exit code {exit_code}"
    try:
        report = json.loads(written.read_text("utf-8"))
    except FileNotFoundError:
        return None, f"no report, exit code {exit_code}"
    except ValueError:
        return None, "unreadable report"
    if not isinstance(report, dict) or report.get("format") != REPORT_FORMAT:
        return None, "unknown report format"
    return (report, "") if report.get("verdict") else (None, "report without a verdict")


# --- Showing --------------------------------------------------------------------------------------

COLUMNS = (
    "case",
    "python",
    "truth",
    "verdict",
    "right",
    "owner first",
    "first three",
    "site",
    "fix",
    "exit",
    "leakdiff CPU s",
    "total CPU s",
)
WIDTHS = (36, 7, 11, 12, 5, 11, 11, 4, 4, 6, 14, 11)


def cells(row: Row) -> tuple[str, ...]:
    """Write a row as the texts of its columns."""
    head = (row.case.slug, row.python, row.case.truth.kind)
    if row.score is None:
        return (*head, "NOT RUN", *[""] * (len(COLUMNS) - 4))
    own = row.score.own_cpu_seconds
    code = "" if row.outcome.exit_code is None else f"{row.outcome.exit_code} "
    return (
        *head,
        row.score.verdict or "ERROR",
        yes(row.score.right),
        yes(row.score.owner_first),
        yes(row.score.owner_in_three),
        yes(row.score.site),
        yes(row.score.fix_works),
        code + yes(row.score.exit_as_documented),
        "" if own is None else f"{own:.2f}",
        f"{row.score.cpu_seconds:.2f}",
    )


def yes(answer: bool | None) -> str:  # noqa: FBT001 - the answer is the subject
    """Write an answer so that the wrong ones stand out."""
    return "-" if answer is None else "yes" if answer else "NO"


def line(texts: Iterable[str]) -> str:
    """Align the texts of a row under the columns."""
    pairs = zip(texts, WIDTHS, strict=True)
    return "  ".join(text.ljust(width) for text, width in pairs).rstrip()


def remarks(row: Row) -> list[str]:
    """Say below a row what its columns have no room for."""
    said = [row.note]
    if row.score is not None:
        error = ": ".join(filter(None, (row.score.error, row.outcome.last_line)))
        said += [error if row.score.error else "", row.score.remark, invented(row.score)]
    return [f"    {text}" for text in said if text]


def invented(result: Score) -> str:
    """Point at the defect no column shows."""
    return "an owner was invented" if result.verdict and result.no_invented_owner is False else ""


def total_line(total: Total) -> str:
    """Write a total with its share and its target, for the terminal."""
    fraction = f"{total.hits:,} of {total.of:,}"
    return f"{total.name:36}{fraction:>12}{share(total):>9}   {aim(total)}".rstrip()


def share(total: Total) -> str:
    """Write the share, which is nothing where there is no case."""
    return "" if total.percent is None else f"{total.percent:.1f} %"


def aim(total: Total) -> str:
    """Write the target and whether it is met."""
    met = "met" if total.holds else "MISSED"
    return total.target and f"{total.target} ({met if total.of else 'no case'})"


def cpu_line(rows: Sequence[Row]) -> str:
    """Sum up the CPU time of all runs."""
    results = [row.score for row in rows if row.score is not None]
    own = sum(result.own_cpu_seconds or 0.0 for result in results)
    spent = sum(result.cpu_seconds for result in results)
    return f"CPU: {spent:.1f} s in all, {own:.1f} s of it leakdiff's own"


def as_markdown(rows: Sequence[Row], results: Sequence[Total], *, date: str) -> str:
    """Write the page for the documentation: no paths and no messages of this machine."""
    summary = [(t.name, f"{t.hits:,} of {t.of:,}", share(t), aim(t)) for t in results]
    return "\n".join(
        [
            "# Accuracy",
            "",
            f"Measured by `make accuracy` on {date}: {machine(rows)}.",
            "",
            *table(("question", "cases", "share", "target"), summary),
            "",
            *table(COLUMNS, [cells(row) for row in rows]),
            "",
            cpu_line(rows) + ".",
            "",
        ]
    )


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return [f"| {' | '.join(texts)} |" for texts in lines]


def machine(rows: Sequence[Row]) -> str:
    """Describe what the figures were measured with, by versions and counts only."""
    pythons = sorted({row.python for row in rows if row.python}, key=parse_version)
    return f"leakdiff {leakdiff_version(rows)}, CPython {', '.join(pythons)}, {os.cpu_count()} CPUs"


def leakdiff_version(rows: Sequence[Row]) -> str:
    """Take leakdiff's version from what the reports say."""
    reports = [row.outcome.report for row in rows if row.outcome.report]
    return ", ".join(sorted({str(report.get("leakdiff")) for report in reports})) or "unknown"


def as_json(rows: Sequence[Row], results: Sequence[Total], *, date: str) -> dict[str, Any]:
    """Write everything that was learnt as plain values."""
    return {
        "format": 1,
        "date": date,
        "leakdiff": leakdiff_version(rows),
        "cpus": os.cpu_count(),
        "totals": [{**dataclasses.asdict(total), "percent": total.percent, "holds": total.holds} for total in results],
        "cases": [
            {
                "case": row.case.slug,
                "python": row.python,
                "note": row.note,
                "truth": dataclasses.asdict(row.case.truth),
                "score": row.score and dataclasses.asdict(row.score),
                "outcome": dataclasses.asdict(row.outcome),
                "fixed": row.fixed and dataclasses.asdict(row.fixed),
            }
            for row in rows
        ],
    }


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(path)


def tell(message: str) -> None:
    """Tell whoever waits what is going on."""
    print(message, file=sys.stderr, flush=True)


# --- The command ----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases, print what came of them, and say whether the targets hold.

    Returns:
        0 if they hold, 1 if they do not, 2 if a case could not be run.
    """
    wishes = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    cases = find_cases(wishes.corpus or [CORPUS], wishes.slugs)
    if not cases:
        tell("accuracy: no case folder matches")
        return TROUBLE
    interpreters = find_interpreters()
    prepared = prepare_all(cases, interpreters, wishes)
    if wishes.setup_only:
        return show_environments(cases, prepared)
    rows = show_rows(cases, prepared, wishes)
    results = totals([(row.case.truth, row.score) for row in rows if row.score is not None])
    print("", *map(total_line, results), cpu_line(rows), sep="\n")
    keep(rows, results, wishes)
    if any(row.score is None for row in rows):
        return TROUBLE
    return HELD if all(total.holds for total in results) else MISSED


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what follows ``--`` is for leakdiff."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(prog="accuracy", description=__doc__, allow_abbrev=False)
    option = parser.add_argument
    option("slugs", nargs="*", metavar="SLUG", help="only cases that contain or match SLUG")
    option("--corpus", action="append", type=Path, metavar="DIR", help="case folders are in DIR")
    option("--cache", type=Path, default=CACHE, metavar="DIR", help="keep environments in DIR")
    option("--python", metavar="VERSION", help="use this minor version for every case")
    option("--timeout", type=float, default=180.0, metavar="SECONDS", help="limit for a case")
    option("--jobs", type=int, default=os.cpu_count() or 1, help="cases to run at a time")
    option("--json", type=Path, metavar="PATH", help="write everything to PATH")
    option("--markdown", type=Path, metavar="PATH", help="write the tables to PATH")
    option("--setup-only", action="store_true", help="only create the environments")
    option(
        "--keep-going",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on after a wrong case",
    )
    wishes = parser.parse_args(arguments[:split])
    wishes.extra = list(arguments[split + 1 :])
    return wishes


Prepared = Mapping[Path, Environment | SetupError]


def prepare_all(cases: Sequence[Case], interpreters: Interpreters, wishes: argparse.Namespace) -> Prepared:
    """Prepare the environment of each case, several at a time; failures are values."""

    def attempt(case: Case) -> Environment | SetupError:
        try:
            version = choose_interpreter(case.truth.pythons, interpreters, forced=wishes.python)
            home = environment_home(wishes.cache.resolve(), case, version)
            return prepare(case, interpreters[version], home)
        except SetupError as error:
            return error

    with ThreadPoolExecutor(wishes.jobs) as pool:
        return dict(zip([case.folder for case in cases], pool.map(attempt, cases), strict=True))


def show_environments(cases: Sequence[Case], prepared: Prepared) -> int:
    """Print one line an environment."""
    for case in cases:
        made = prepared[case.folder]
        if isinstance(made, SetupError):
            print(f"{case.slug:36}  NOT MADE  {made}")
        else:
            print(f"{case.slug:36}  {made.python:8}  {made.source:12}  {made.note}".rstrip())
    failed = any(isinstance(made, SetupError) for made in prepared.values())
    return TROUBLE if failed else HELD


def show_rows(cases: Sequence[Case], prepared: Prepared, wishes: argparse.Namespace) -> list[Row]:
    """Run the cases several at a time, and print their rows in order as they come."""
    print(line(COLUMNS))
    rows = []
    pool = ThreadPoolExecutor(wishes.jobs)
    try:
        for row in pool.map(lambda case: measure(case, prepared[case.folder], wishes), cases):
            print(line(cells(row)), *remarks(row), sep="\n", flush=True)
            rows.append(row)
            if not wishes.keep_going and not (row.score and row.score.right):
                break
    finally:
        pool.shutdown(cancel_futures=True)
    return rows


def measure(case: Case, made: Environment | SetupError, wishes: argparse.Namespace) -> Row:
    """Run one case and score it."""
    if isinstance(made, SetupError):
        return Row(case=case, note=str(made))
    outcome = run_case(case, made, timeout=wishes.timeout, extra=wishes.extra)
    fixed, note = run_fixed(case, made, wishes)
    result = score(case.truth, outcome, fixed)
    notes = "; ".join(filter(None, (made.note, note)))
    return Row(case=case, python=made.python, note=notes, score=result, outcome=outcome, fixed=fixed)


def run_fixed(case: Case, made: Environment, wishes: argparse.Namespace) -> tuple[Outcome | None, str]:
    """Run a case with upstream's fix, where there is one; say why where that cannot be installed."""
    if case.fixed is None:
        return None, ""
    try:
        version = parse_version(made.python)
        with_fix = dataclasses.replace(case, requirements=case.fixed, lock=None, fixed=None)
        home = environment_home(wishes.cache.resolve(), with_fix, version)
        mended = prepare(with_fix, find_interpreters()[version], home, requirements="requirements-fixed.txt")
    except SetupError as error:
        return None, f"the fix was not tried: {error}"
    return run_case(case, mended, timeout=wishes.timeout, extra=wishes.extra), ""


def keep(rows: Sequence[Row], results: Sequence[Total], wishes: argparse.Namespace) -> None:
    """Write the files that were asked for."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    if wishes.json:
        write_json(wishes.json, as_json(rows, results, date=date))
    if wishes.markdown:
        write_text(wishes.markdown, as_markdown(rows, results, date=date))


if __name__ == "__main__":
    sys.exit(main())
