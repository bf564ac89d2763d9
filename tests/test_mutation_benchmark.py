"""The mutation benchmark breaks just one thing in programs that are right, and knows what is right to say of them."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

mutations: Any = importlib.import_module("mutations")
shapes: Any = importlib.import_module("mutation_shapes")
accuracy: Any = importlib.import_module("accuracy")

PROGRAMS = mutations.generate(7, 300, 66)
MUTANTS = [made for made in PROGRAMS if made.truth]
CLEAN = [made for made in PROGRAMS if not made.truth]

TRUTH = shapes.Truth(
    owner=("_store",),
    file="app.py",
    lines=(12, 13),
    function="Hub.forget",
    span=(10, 14),
    puts=(("app.py", 7),),
    still_removes=True,
)
DECLARED = shapes.Truth(
    owner=("ring",), file="app.py", lines=(3, 3), function="", span=(0, 0), puts=(("app.py", 7), ("other.py", 9))
)


def but(truth: Any, **changes: Any) -> Any:
    """Change some facts of a truth."""
    return dataclasses.replace(truth, **changes)


def finding(owner: str | None, *lines: int, **more: Any) -> dict[str, Any]:
    """Build a finding as a report holds it, with sites in app.py."""
    sites = [{"file": "/somewhere/app.py", "line": line, "function": "f"} for line in lines]
    return {"verdict": "LEAK", "owner": owner, "path": [], "sites": sites, **more}


def said(verdict: str, *findings: dict[str, Any], blocks: float = 0.0, native: float = 0.0, fds: float = 0.0) -> Any:
    """Build the outcome of a run whose rounds all grew alike, by so much per unit."""
    rounds = [
        {"phase": phase, "units": 100, "blocks": blocks * 100, "native_bytes": native * 100, "fds": fds * 100}
        for phase in ("mark", "confirm", "confirm")
    ]
    return accuracy.Outcome(report={"format": 1, "verdict": verdict, "findings": list(findings), "rounds": rounds})


def row(verdict: str, twin: str, *findings: dict[str, Any], truth: Any = TRUTH) -> Any:
    """Build the row of a mutant that was checked."""
    made = shapes.Program(name="a", shape="a", mistake="b", tags=(), entry="app.py", twin={}, truth=truth)
    mutant, clean = said(verdict, *findings, blocks=2.0), said(twin)
    return mutations.Row(program=made, score=mutations.score(truth, mutant, clean), mutant=mutant, twin=clean)


def total(name: str, *rows: Any) -> Any:
    """Pick one total by name."""
    return next(each for each in mutations.totals(rows) if each.name == name)


# --- Making programs ------------------------------------------------------------------------------


def test_a_seed_makes_the_same_programs_again() -> None:
    """Everything is drawn from the seed."""
    assert mutations.generate(7, 300, 66) == PROGRAMS


def test_another_seed_makes_other_programs() -> None:
    """Names, containers and callers change with the seed."""
    others = mutations.generate(8, 40, 10)

    assert not {text for made in others for text in made.twin.values()} & {
        text for made in PROGRAMS for text in made.twin.values()
    }


def test_programs_have_names_of_their_own() -> None:
    """A program can be asked for, and kept, by its name."""
    assert len({made.name for made in PROGRAMS}) == 366


def test_programs_compile() -> None:
    """Twins and mutants are valid Python with a step to check."""
    for made in PROGRAMS:
        for texts in filter(None, (made.twin, made.mutant)):
            trees = {file: ast.parse(text, f"{made.name}/{file}") for file, text in texts.items()}
            defined = [
                node for node in trees[made.entry].body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            ]

            assert "step" in [node.name for node in defined], made.name


def test_no_name_of_a_program_is_bound_twice() -> None:
    """What calls the code has names of its own."""
    for made in PROGRAMS:
        for text in made.twin.values():
            tree = ast.parse(text)
            bound = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
            for node in tree.body:
                if isinstance(node, ast.Assign):
                    bound += [target.id for target in node.targets if isinstance(target, ast.Name)]

            assert len(bound) == len(set(bound)), made.name


def test_a_mutant_differs_from_its_twin_in_the_broken_place_only() -> None:
    """One file differs, in lines that the truth names, and not only in its layout."""
    for made in MUTANTS:
        differing = [file for file in made.twin if made.twin[file] != made.mutant[file]]
        twin, mutant = (texts[made.truth.file] for texts in (made.twin, made.mutant))
        matcher = difflib.SequenceMatcher(None, twin.splitlines(), mutant.splitlines(), autojunk=False)
        changed = [(start, end) for tag, _, _, start, end in matcher.get_opcodes() if tag != "equal"]
        first, last = made.truth.lines

        assert differing == [made.truth.file], made.name
        assert first <= min(start for start, _ in changed) + 1, made.name
        assert last >= max(end for _, end in changed), made.name
        assert ast.dump(ast.parse(twin)) != ast.dump(ast.parse(mutant)), made.name


def test_the_truth_of_a_mutant_fits_its_text() -> None:
    """The broken lines lie in the function that is named, and lines that add entries are lines of code."""
    for made in MUTANTS:
        truth, spans = made.truth, shapes.functions(made.mutant[made.truth.file])

        assert truth.span == spans.get(truth.function, (0, 0)), made.name
        assert not truth.function or truth.span[0] <= truth.lines[1], made.name
        assert not truth.function or truth.lines[0] <= truth.span[1], made.name
        for file, line in truth.puts + truth.gones:
            assert made.mutant[file].splitlines()[line - 1].strip(), made.name


def test_no_program_tells_what_is_wrong_with_it() -> None:
    """Marks and comments stay out of what is checked: the truth is in the generator only."""
    for made in PROGRAMS:
        for text in (*made.twin.values(), *made.mutant.values()):
            assert "#" not in text.replace("# ", "")
            assert "@@" not in text
            assert "$" not in text.replace("$n of", "").replace("$k", "")


def test_programs_are_varied() -> None:
    """No shape makes up more than a tenth of the mutants, and every shape is among them."""
    shares = [sum(made.shape == shape for made in MUTANTS) for shape in {made.shape for made in MUTANTS}]
    containers = {tag for made in MUTANTS for tag in made.tags if tag.startswith("container ")}
    holders = {tag for made in MUTANTS for tag in made.tags if tag.startswith("holder ")}

    assert len(shares) == len(mutations.BROKEN)
    assert max(shares) <= 30
    assert len(containers) > 15
    assert len(holders) > 15


def test_there_are_enough_hard_clean_programs() -> None:
    """Sixty and more programs look like leaks and are none."""
    assert len(CLEAN) >= 60
    assert all(not made.mutant for made in CLEAN)


# --- Scoring --------------------------------------------------------------------------------------


def test_an_owner_is_right_by_whole_identifiers_only() -> None:
    """A longer name that contains the owner's is another name."""
    assert mutations.owner_rank([finding("app.hub._store")], ("_store",)) == 1
    assert mutations.owner_rank([finding("app.hub.old_store")], ("_store",)) == 0
    assert mutations.owner_rank([finding("app.hub._stores")], ("_store",)) == 0


def test_an_owner_has_the_rank_of_the_first_finding_that_names_it() -> None:
    """Findings are counted from one; a step of the path names it as well."""
    in_path = finding(None, path=[{"step": "._store", "type": "dict"}])

    assert mutations.owner_rank([finding("x"), in_path], ("_store",)) == 2


@pytest.mark.parametrize(("line", "right"), [(9, False), (10, True), (12, True), (14, True), (15, False)])
def test_a_site_in_the_function_of_the_broken_line_is_right(line: int, right: bool) -> None:  # noqa: FBT001
    """The broken line or the function around it must be named."""
    assert mutations.names_place([finding("x", line)], TRUTH) is right


def test_a_site_in_another_file_is_wrong() -> None:
    """The same line of another file is another line."""
    elsewhere = finding("x", sites=[{"file": "/somewhere/other.py", "line": 12, "function": "forget"}])

    assert not mutations.names_place([elsewhere], TRUTH)


@pytest.mark.parametrize("key", ["puts", "gones"])
def test_lines_from_the_source_count(key: str) -> None:
    """Lines that put entries in or take them out are named lines."""
    code = {"puts": [], "gones": [], key: [{"file": "app.py", "line": 12, "how": "del"}]}

    assert mutations.names_place([finding("x", code=code)], TRUTH)


def test_awaits_count() -> None:
    """A line on which a task waits is a named line."""
    assert mutations.names_place([finding("x", waiting=[{"file": "app.py", "line": 12}])], TRUTH)


def test_absent_keys_count_as_nothing() -> None:
    """Reports without code, cause and awaits can be scored."""
    assert not mutations.names_place([finding("x", code=None, waiting=None, native=None)], TRUTH)


def test_a_declaration_is_named_by_the_lines_that_add() -> None:
    """Outside any function the broken line is where the owner is made; a line that adds entries leads there."""
    assert mutations.names_place([finding("x", 7)], DECLARED)
    assert mutations.names_place([finding("x", 3)], DECLARED)
    assert not mutations.names_place([finding("x", 8)], DECLARED)


def test_a_put_line_leads_on_where_no_removal_is_left() -> None:
    """Nothing can name a function from which the only removal was deleted; the line that adds must do."""
    deleted = but(TRUTH, still_removes=False)

    assert mutations.leads_on([finding("x", 7)], deleted)
    assert not mutations.leads_on([finding("x", 8)], deleted)
    assert not mutations.leads_on([finding("x", 7)], TRUTH)


def test_a_removal_that_nobody_reaches_leads_on() -> None:
    """Where a call of a healthy removal was broken, that removal must be among the lines that take entries out."""
    unreached = but(TRUTH, gones=(("app.py", 30),))
    code = {"puts": [], "gones": [{"file": "app.py", "line": 30}]}

    assert mutations.leads_on([finding("x", code=code)], unreached)
    assert not mutations.leads_on([finding("x", 30)], unreached)


def test_a_fix_must_remove_nearly_all() -> None:
    """A twentieth of the growth may be left."""
    mutant = said("LEAK", blocks=2.0, native=100.0).report

    assert mutations.removes_growth(mutant, said("STABLE", blocks=0.1).report, counts_fds=False)
    assert not mutations.removes_growth(mutant, said("LEAK", blocks=1.0).report, counts_fds=False)


def test_a_mutant_that_does_not_grow_proves_nothing() -> None:
    """Where nothing grew, no fix removed it."""
    assert not mutations.removes_growth(said("LEAK").report, said("STABLE").report, counts_fds=False)


def test_swings_and_spikes_are_no_growth() -> None:
    """A twin that rises and falls, or that grew once, lacks the growth."""
    swings = {"rounds": [{"phase": "mark", "units": 100, "blocks": blocks} for blocks in (40, 40, -80, 40, -40)]}
    spike = {"rounds": [{"phase": "mark", "units": 100, "blocks": blocks} for blocks in (0, 0, 900, 0, 0)]}

    assert mutations.growth(swings).blocks == 0
    assert mutations.growth(spike).blocks == 0
    assert mutations.growth(said("LEAK", blocks=2.0).report).blocks == 2.0


def test_a_fix_must_close_descriptors() -> None:
    """Where descriptors leak, memory alone does not show the fix."""
    mutant = said("LEAK", fds=1.0).report

    assert mutations.removes_growth(mutant, said("STABLE").report, counts_fds=True)
    assert not mutations.removes_growth(mutant, said("LEAK", fds=0.5).report, counts_fds=True)


def test_a_right_answer_counts_everywhere() -> None:
    """Verdict, owner, line and fix are right, and the twin is clean."""
    right = row("LEAK", "STABLE", finding("app.hub._store", 12))

    assert right.score.is_right
    assert all(each.holds for each in mutations.totals([right]))
    assert total("precision", right).percent == 100


def test_an_accused_twin_is_missed_and_costs_precision() -> None:
    """A clean twin may not be accused."""
    wrong = row("LEAK", "LEAK", finding("app.hub._store", 12))

    assert not total("clean twins accused", wrong).holds
    assert total("precision", wrong).percent == 50


def test_a_missed_leak_costs_recall_and_owner() -> None:
    """Without a finding there is no owner, no line and no accusation."""
    wrong = row("STABLE", "STABLE")

    assert total("recall", wrong).percent == 0
    assert total("owner in the first finding", wrong).percent == 0
    assert wrong.score.said == "nothing was found"


def test_an_owner_where_there_is_none_is_invented() -> None:
    """What no Python object owns has no owner to be named."""
    ownerless = shapes.Truth(owner=(), file="app.py", lines=(1, 1), function="f", span=(1, 2), puts=())

    assert row("LEAK", "STABLE", finding(None, 1), truth=ownerless).score.no_invented_owner
    assert row("LEAK", "STABLE", finding("app.x", 1), truth=ownerless).score.no_invented_owner is False


def test_a_run_without_a_report_is_wrong_everywhere() -> None:
    """A crash is an error, and no answer is right."""
    failed = mutations.score(TRUTH, accuracy.Outcome(error="crash, exit code -11"), said("STABLE"))

    assert failed.error == "crash, exit code -11"
    assert (failed.accused, failed.owner_rank, failed.place, failed.fixed) == (False, 0, False, False)


# --- For real -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["two-indexes", "global-ring"])
def test_a_program_is_checked_with_its_twin(shape: str, tmp_path: Path) -> None:
    """The mutant grows, the twin does not, and programs and reports are kept where that was asked for."""
    made = next(each for each in MUTANTS if each.shape == shape)
    wishes = mutations.parse_arguments(["--keep", str(tmp_path)])

    measured = mutations.measure(made, wishes)

    assert measured.score.error == ""
    assert measured.score.accused
    assert not measured.score.twin_accused
    assert measured.score.fixed
    kept = {
        path.relative_to(tmp_path / made.name).as_posix()
        for path in (tmp_path / made.name).rglob("*")
        if path.is_file()
    }
    assert {"mutant.json", "twin.json", "truth.json", f"mutant/{made.entry}", f"twin/{made.entry}"} <= kept


def test_the_command_says_when_nothing_matches(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that no program has is trouble, not success."""
    assert mutations.main(["--only", "no such program"]) == 2
    assert "no program matches" in capsys.readouterr().err
