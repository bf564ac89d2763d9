"""The accuracy benchmark compares what leakdiff said with what is true."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def load_benchmark() -> ModuleType:
    """Import the benchmark by its path: it is a script, not part of the package."""
    path = Path(__file__).resolve().parent.parent / "benchmarks" / "accuracy.py"
    spec = importlib.util.spec_from_file_location("accuracy_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


accuracy = load_benchmark()

LEAK = accuracy.Truth(
    is_leak=True,
    root="module case -> seen (dict)",
    root_must_mention=("_Waiters", "seen"),
    site_must_mention=("attr/_make.py",),
)
NATIVE = accuracy.Truth(is_leak=True, native=True, root="none: C heap")
INNOCENT = accuracy.Truth(is_leak=False)


def finding(owner: str | None = None, *, steps: tuple[str, ...] = (), files: tuple[str, ...] = ()) -> dict[str, Any]:
    """Build a finding as a report holds it."""
    return {
        "verdict": "LEAK",
        "owner": owner,
        "path": [{"step": step, "type": "dict"} for step in steps],
        "sites": [{"file": file, "line": 1, "function": "f"} for file in files],
    }


def said(verdict: str, *findings: dict[str, Any], exit_code: int = 1) -> Any:
    """Build the outcome of a run that wrote a report."""
    report = {"format": 1, "verdict": verdict, "findings": list(findings)}
    return accuracy.Outcome(report=report, exit_code=exit_code)


def total(name: str, *scored: tuple[Any, Any]) -> Any:
    """Compare some outcomes and pick one total by name."""
    scores = [(truth, accuracy.score(truth, outcome)) for truth, outcome in scored]
    return next(each for each in accuracy.totals(scores) if each.name == name)


@pytest.mark.parametrize("verdict", ["LEAK", "NATIVE"])
def test_either_accusation_is_right_for_a_leak(verdict: str) -> None:
    """A leak is found whether it is called LEAK or NATIVE."""
    score = accuracy.score(LEAK, said(verdict))

    assert score.right


@pytest.mark.parametrize("verdict", ["STABLE", "FILLING", "CHURN", "INCONCLUSIVE"])
def test_anything_but_an_accusation_is_right_for_a_non_leak(verdict: str) -> None:
    """A workload that does not leak may be called anything but a leak."""
    assert accuracy.score(INNOCENT, said(verdict)).right
    assert not accuracy.score(LEAK, said(verdict)).right


def test_owner_is_found_in_the_path_whatever_the_case() -> None:
    """The true owner may stand in the owner or in any step, in any letter case."""
    in_owner = accuracy.score(LEAK, said("LEAK", finding("case.SEEN")))
    in_path = accuracy.score(LEAK, said("LEAK", finding("x", steps=("a", "_waiters"))))

    assert in_owner.owner_first
    assert in_path.owner_first


def test_owner_in_the_third_finding_is_not_first() -> None:
    """The first finding and the first three are judged apart."""
    third = accuracy.score(LEAK, said("LEAK", finding("a"), finding("b"), finding("case.seen")))

    assert (third.owner_first, third.owner_in_three) == (False, True)
    assert third.remark == "owner said: a; sites said: none"


def test_owner_in_the_fourth_finding_is_missed() -> None:
    """Nobody reads on after three findings."""
    fourth = said("LEAK", *map(finding, "abc"), finding("case.seen"))

    assert accuracy.score(LEAK, fourth).owner_in_three is False


def test_site_is_found_with_backslashes() -> None:
    """A site's file is compared with forward slashes."""
    score = accuracy.score(LEAK, said("LEAK", finding(files=(r"C:\lib\attr\_make.py",))))

    assert score.site


def test_only_the_sites_of_the_first_finding_count() -> None:
    """The right line below a later finding does not help."""
    score = accuracy.score(LEAK, said("LEAK", finding(), finding(files=("attr/_make.py",))))

    assert score.site is False


def test_native_leak_has_no_owner_question() -> None:
    """Where no Python object holds the growth, only an invented owner is wrong."""
    honest = accuracy.score(NATIVE, said("NATIVE", finding()))
    guessed = accuracy.score(NATIVE, said("LEAK", finding(), finding("case.seen")))

    assert (honest.owner_first, honest.native_verdict, honest.no_invented_owner) == (
        None,
        True,
        True,
    )
    assert (guessed.right, guessed.native_verdict, guessed.no_invented_owner) == (
        True,
        False,
        False,
    )


@pytest.mark.parametrize("root", ["module case -> chunks (list)", "class case.A -> b"])
def test_native_leak_below_a_named_root_has_an_owner(root: str) -> None:
    """A module or class that holds the growth is an owner, though gc cannot see below it."""
    truth = accuracy.Truth(is_leak=True, native=True, root=root, root_must_mention=("chunks", "case.a"))

    score = accuracy.score(truth, said("LEAK", finding("case.chunks"), finding("case.A.b")))

    assert (score.owner_first, score.native_verdict, score.no_invented_owner) == (True, None, None)


def test_run_without_a_report_is_wrong_everywhere() -> None:
    """A crash is counted against every question that was asked."""
    crash = accuracy.Outcome(error="crash, exit code -11", exit_code=-11)

    score = accuracy.score(LEAK, crash)

    assert (score.right, score.accused, score.exit_as_documented) == (False, False, False)
    assert (score.owner_first, score.owner_in_three, score.site) == (False, False, False)
    assert accuracy.score(NATIVE, crash).no_invented_owner is False
    assert not accuracy.score(INNOCENT, crash).right


@pytest.mark.parametrize(
    ("verdict", "code"),
    [("STABLE", 0), ("FILLING", 0), ("LEAK", 1), ("NATIVE", 1), ("INCONCLUSIVE", 2)],
)
def test_exit_code_follows_the_verdict(verdict: str, code: int) -> None:
    """The manual promises 0 for clean, 1 for a leak, 2 for trouble."""
    assert accuracy.score(LEAK, said(verdict, exit_code=code)).exit_as_documented
    assert not accuracy.score(LEAK, said(verdict, exit_code=3)).exit_as_documented


def test_one_accused_innocent_breaks_the_target() -> None:
    """No share of false alarms is acceptable."""
    innocents = [(INNOCENT, said("STABLE"))] * 99
    name = "non-leaks called leaks"

    assert total(name, *innocents).holds
    assert not total(name, *innocents, (INNOCENT, said("LEAK"))).holds


def test_target_holds_exactly_at_its_share() -> None:
    """Forty-nine of fifty leaks are 98 %, and enough."""
    found = [(LEAK, said("LEAK"))] * 49
    name = "leaks called LEAK or NATIVE"

    assert total(name, *found, (LEAK, said("STABLE"))).holds
    assert not total(name, *found[1:], (LEAK, said("STABLE"))).holds


def test_precision_counts_accusations_and_recall_counts_leaks() -> None:
    """Precision asks of those accused, recall of those guilty."""
    mixed = [
        (LEAK, said("LEAK")),
        (LEAK, said("STABLE")),
        (INNOCENT, said("LEAK")),
        (INNOCENT, said("STABLE")),
        (NATIVE, said("NATIVE")),
    ]

    precision, recall = total("precision", *mixed), total("recall", *mixed)

    assert (precision.hits, precision.of) == (2, 3)
    assert (recall.hits, recall.of) == (2, 3)


def test_target_without_cases_holds() -> None:
    """A selection without leaks cannot miss a target about leaks."""
    owner = total("owner in the first finding", (INNOCENT, said("STABLE")))

    assert (owner.of, owner.percent, owner.holds) == (0, None, True)


@pytest.mark.parametrize(
    ("wanted", "forced", "chosen"),
    [
        (["3.10.13", "3.12.1"], None, (3, 12, 1)),
        (["3.11.7", "3.12.1"], None, (3, 11, 9)),
        (["3.11.7", "3.12.1"], "3.12", (3, 12, 1)),
        (["3.11.7"], "3.12", (3, 12, 4)),
    ],
)
def test_interpreter_is_the_first_wanted_one_here(
    wanted: list[str], forced: str | None, chosen: tuple[int, ...]
) -> None:
    """An exact version is better than its minor, and the first wish better than the second."""
    here = {(3, 11, 9): "a", (3, 12, 1): "b", (3, 12, 4): "c"}

    assert accuracy.choose_interpreter(wanted, here, forced=forced) == chosen


def test_missing_interpreter_is_trouble_not_an_error_of_leakdiff() -> None:
    """A case without an interpreter cannot be run, and says for which versions."""
    with pytest.raises(accuracy.SetupError, match=r"no interpreter for 3\.13\.0"):
        accuracy.choose_interpreter(["3.13.0"], {(3, 11, 9): "a"})


@pytest.mark.parametrize(
    ("written", "exit_code", "complaint"),
    [
        (None, None, "timeout after 180 s"),
        ('{"format": 1, "verdict": "LEAK"}', -11, "crash, exit code -11"),
        (None, 2, "no report, exit code 2"),
        ("{", 1, "unreadable report"),
        ('{"format": 9, "verdict": "LEAK"}', 1, "unknown report format"),
        ('{"format": 1}', 1, "report without a verdict"),
        ('{"format": 1, "verdict": "LEAK"}', 1, ""),
    ],
)
def test_unusable_report_is_named(tmp_path: Path, written: str | None, exit_code: int | None, complaint: str) -> None:
    """Each way to end without a report has its own few words."""
    path = tmp_path / "report.json"
    if written is not None:
        path.write_text(written, "utf-8")

    report, error = accuracy.read_report(path, exit_code, timeout=180.0)

    assert error == complaint
    assert (report is None) == bool(complaint)


def test_slugs_match_by_part_or_glob() -> None:
    """A filter is a part of a slug or a glob over all of it; none means every case."""
    assert accuracy.matches("ok-re-cache", [])
    assert accuracy.matches("ok-re-cache", ["numpy", "re-c"])
    assert accuracy.matches("ok-re-cache", ["ok-*"])
    assert not accuracy.matches("ok-re-cache", ["re-*"])


def test_page_tells_no_path_of_the_machine() -> None:
    """The page for the documentation holds versions and counts, and no message."""
    case = accuracy.Case(slug="some-case", folder=Path("/home/someone"), truth=LEAK, requirements="", lock=None)
    outcome = accuracy.Outcome(error="no report, exit code 2", last_line="/home/someone: no")
    row = accuracy.Row(
        case=case,
        python="3.12.1",
        note="/home/someone",
        score=accuracy.score(LEAK, outcome),
        outcome=outcome,
    )

    page = accuracy.as_markdown([row], [], date="2024-01-31")

    assert "/home" not in page
    assert "| some-case | 3.12.1 | leak | ERROR | NO | NO | NO | NO | - | NO |  | 0.00 |" in page


def measured(*gains: tuple[int, int]) -> Any:
    """Return the outcome of a run whose rounds of 100 units gained so many blocks and bytes of the C heap."""
    rounds = [{"phase": "mark", "units": 100, "blocks": blocks, "native_bytes": size} for blocks, size in gains]
    return accuracy.Outcome(report={"format": 1, "verdict": "LEAK", "rounds": rounds}, exit_code=1)


def test_a_fix_is_held_against_the_growth_it_removes() -> None:
    """Blocks and bytes count together, and the first round, which warms up, does not."""
    leaky = measured((900, 0), (100, 3_600), (100, 3_600))

    assert accuracy.growth(leaky) == 100.0
    assert accuracy.removed_by(leaky, measured((900, 0), (0, 0), (5, 180))) == 0.975
    assert accuracy.removed_by(leaky, measured((0, 0), (-50, 0), (-50, 0))) == 1.0
    assert accuracy.removed_by(leaky, accuracy.Outcome(error="timeout")) == 0.0


def test_put_lines_are_sites_as_well() -> None:
    """A report that names the line which puts entries in has named the guilty line."""
    put = {"code": {"puts": [{"file": "app/store.py", "line": 3}]}}

    assert accuracy.names_site([put], accuracy.Truth(is_leak=True, site_must_mention=("store.py",)))
    assert not accuracy.names_site([{}], accuracy.Truth(is_leak=True, site_must_mention=("store.py",)))
