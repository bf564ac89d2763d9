"""Baselines: what is NEW, KNOWN and FIXED, and the file that says so."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fresh import shell, write_module
from leakdiff.check_command import exit_status
from leakdiff.cli import main
from leakdiff.errors import BadBaseline, BaselineMissing, CannotWrite, LeakdiffError
from leakdiff.judge.fingerprint import fingerprint
from leakdiff.model.baseline import Baseline, KnownLeak, new_leaks, novelty_sentence
from leakdiff.model.cause import Cause
from leakdiff.model.heap import Step
from leakdiff.model.report import Finding, Novelty, Report, Verdict
from leakdiff.model.signals import Rate
from strategies import reports

TARGET = "app.py:step"
CLEAN, LEAKS, TROUBLE = 0, 1, 2


def leak(owner: str | None, entries: float | None = 1.0, **fields: Any) -> Finding:
    """Make a finding that says LEAK."""
    finding = Finding(
        verdict=Verdict.LEAK,
        because="grew in every round",
        fingerprint=fingerprint(owner or "native", "dict"),
        owner=owner,
        owner_type="dict",
        length=505,
        path=(Step("app", "module"),),
        depth=1,
        types=(),
        key_shape=None,
        sites=(),
        per_unit=Rate(objects=2.0, bytes=300.0),
        entries_per_unit=entries,
    )
    return attrs.evolve(finding, **fields)


def report(*findings: Finding, verdict: Verdict | None = None) -> Report:
    """Make the report of a check that found these."""
    gravest = findings[0].verdict if findings else Verdict.STABLE
    return Report(verdict=verdict or gravest, because="as found", findings=findings, version="0.1.0")


def baseline(*findings: Finding, target: str = TARGET) -> Baseline:
    """Make the baseline that knows these."""
    return Baseline().updated(report(*findings), target=target)


# -- NEW, KNOWN, FIXED -----------------------------------------------------------------------------


def test_a_leak_that_is_not_written_down_is_new() -> None:
    """An empty baseline knows nothing."""
    told = Baseline().compare(report(leak("app.cache")), target=TARGET)

    assert [finding.novelty for finding in told] == [Novelty.NEW]
    assert exit_status(told) == LEAKS


def test_a_leak_that_is_written_down_is_known() -> None:
    """Known leaks alone do not fail a build, and the report says why."""
    told = baseline(leak("app.cache")).compare(report(leak("app.cache")), target=TARGET)

    assert [finding.novelty for finding in told] == [Novelty.KNOWN]
    assert told.verdict is Verdict.LEAK
    assert exit_status(told) == CLEAN
    assert novelty_sentence(told) == "nothing NEW: 1 leak is KNOWN to the baseline"


def test_one_new_leak_among_known_ones_fails() -> None:
    """What is known excuses nothing else."""
    told = baseline(leak("app.cache")).compare(report(leak("app.cache"), leak("app.index")), target=TARGET)

    assert [finding.owner for finding in new_leaks(told)] == ["app.index"]
    assert exit_status(told) == LEAKS
    assert novelty_sentence(told) == "1 leak is NEW, 1 KNOWN to the baseline"


def test_what_is_not_found_any_more_is_fixed() -> None:
    """A clean report of the same target tells which owners are mended."""
    told = baseline(leak("app.index"), leak("app.cache")).compare(report(), target=TARGET)

    assert told.fixed == ("app.cache", "app.index")
    assert novelty_sentence(told) == "FIXED since the baseline: app.cache, app.index"


def test_only_what_the_same_target_leaked_can_be_fixed() -> None:
    """A check of one step says nothing of another."""
    told = baseline(leak("app.cache"), target="other.py:step").compare(report(), target=TARGET)

    assert told.fixed == ()
    assert novelty_sentence(told) == ""


def test_an_owner_known_from_another_target_is_known() -> None:
    """The same owner grows, whichever way it is reached."""
    told = baseline(leak("app.cache"), target="other.py:step").compare(report(leak("app.cache")), target=TARGET)

    assert told.findings[0].novelty is Novelty.KNOWN


@pytest.mark.parametrize("verdict", [Verdict.WARMUP, Verdict.INCONCLUSIVE])
def test_an_owner_that_is_in_doubt_is_not_fixed(verdict: Verdict) -> None:
    """A run that is not sure of an owner takes no leak off the list."""
    told = baseline(leak("app.cache")).compare(report(leak("app.cache", verdict=verdict)), target=TARGET)

    assert told.fixed == ()
    assert told.findings[0].novelty is None


def test_an_owner_with_a_bound_now_is_fixed() -> None:
    """What fills up to a limit leaks no more."""
    told = baseline(leak("app.cache")).compare(report(leak("app.cache", verdict=Verdict.FILLING)), target=TARGET)

    assert told.fixed == ("app.cache",)


def test_an_inconclusive_report_fixes_nothing() -> None:
    """A check that was interrupted did not look at everything, and still ends as trouble."""
    told = baseline(leak("app.cache")).compare(report(verdict=Verdict.INCONCLUSIVE), target=TARGET)

    assert told.fixed == ()
    assert exit_status(told) == TROUBLE


def test_native_growth_is_fixed_by_what_it_was() -> None:
    """Growth without an owner has no name to tell."""
    native = leak(None, None, verdict=Verdict.NATIVE, owner_type="C heap", per_unit=Rate(native_bytes=32.0))

    assert baseline(native).compare(report(), target=TARGET).fixed == ("NATIVE growth without an owner",)


def test_a_known_leak_that_grows_more_than_twice_as_fast_says_so() -> None:
    """It stays known, and its reason has both rates."""
    told = baseline(leak("app.cache", 1.0)).compare(report(leak("app.cache", 2.5)), target=TARGET)

    assert told.findings[0].novelty is Novelty.KNOWN
    assert told.findings[0].because == (
        "grew in every round; it grows faster than the baseline knows: "
        "by 2.50 entries per unit, and 1.00 were written down"
    )


@pytest.mark.parametrize("rate", [0.2, 1.0, 2.0])
def test_a_known_leak_at_about_its_old_rate_says_nothing(rate: float) -> None:
    """Up to twice the rate is no news."""
    told = baseline(leak("app.cache", 1.0)).compare(report(leak("app.cache", rate)), target=TARGET)

    assert told.findings[0].because == "grew in every round"


def test_rates_that_count_different_things_are_not_compared() -> None:
    """1.00 entries and 300 bytes are no growth by 300."""
    known, now = leak("app.cache", 1.0), leak("app.cache", None, per_unit=Rate(bytes=300.0))

    assert baseline(known).compare(report(now), target=TARGET).findings[0].because == "grew in every round"


# -- writing down ----------------------------------------------------------------------------------


def test_what_is_written_down() -> None:
    """One entry has the owner, the verdict, the cause and the rate."""
    cause = Cause("unbounded-cache", "unbounded cache", "it grows", "bound it", "")

    assert baseline(leak("app.cache", cause=cause)).known == (
        KnownLeak(
            target=TARGET,
            fingerprint=fingerprint("app.cache", "dict"),
            owner="app.cache",
            verdict="LEAK",
            cause="unbounded-cache",
            per_unit=1.0,
            counted="entries",
            since="0.1.0",
        ),
    )


@pytest.mark.parametrize(
    ("finding", "rate"),
    [
        (leak("a", 1.5), (1.5, "entries")),
        (leak("a", None), (2.0, "objects")),
        (leak("a", None, per_unit=Rate(bytes=64.0)), (64.0, "bytes")),
        (leak(None, None, owner_type="leaked references", per_unit=Rate(blocks=1.0)), (1.0, "blocks")),
        (leak(None, None, owner_type="C heap", per_unit=Rate(blocks=0.1, native_bytes=33.0)), (33.0, "native bytes")),
    ],
)
def test_a_rate_says_what_it_counts(finding: Finding, rate: tuple[float, str]) -> None:
    """Entries where there are some, else objects, else bytes; blocks or native bytes without an owner."""
    known = baseline(finding).known[0]

    assert (known.per_unit, known.counted) == rate


def test_updating_keeps_the_why_and_the_since() -> None:
    """What somebody wrote by hand is not lost, and the file says how old a leak is."""
    before = baseline(leak("app.cache", 1.0)).known[0]
    before = attrs.evolve(before, why="waits for the new client", since="0.0.1")
    after = Baseline((before,)).updated(report(leak("app.cache", 7.0)), target=TARGET).known[0]

    assert (after.why, after.since, after.per_unit) == ("waits for the new client", "0.0.1", 7.0)


def test_updating_ignores_noise_in_a_rate() -> None:
    """A file that changes at every run would be committed at every run."""
    before = baseline(leak("app.cache", 1.0))

    assert before.updated(report(leak("app.cache", 1.04)), target=TARGET) == before


def test_updating_drops_what_is_fixed_and_keeps_other_targets() -> None:
    """Each target answers for its own leaks."""
    both = baseline(leak("app.cache")).updated(report(leak("app.cache")), target="other.py:step")

    assert [known.target for known in both.updated(report(), target=TARGET).known] == ["other.py:step"]


def test_an_inconclusive_report_takes_nothing_away() -> None:
    """It may have stopped before it got there."""
    before = baseline(leak("app.cache"))
    unsure = report(leak("app.index"), verdict=Verdict.INCONCLUSIVE)

    assert {known.owner for known in before.updated(unsure, target=TARGET).known} == {"app.cache", "app.index"}


def test_two_findings_with_one_fingerprint_are_one_entry(tmp_path: Path) -> None:
    """The heavier stands for both, and the file can be read again."""
    baseline(leak("app.worker1", 3.0), leak("app.worker2", 1.0)).save(tmp_path / "leaks.json")

    assert [known.per_unit for known in Baseline.load(tmp_path / "leaks.json").known] == [3.0]


@given(reports)
def test_what_was_just_written_down_is_known(found: Report) -> None:
    """Whatever a report says: compared with its own baseline, nothing of it is new and nothing is fixed."""
    told = Baseline().updated(found, target=TARGET).compare(found, target=TARGET)

    assert new_leaks(told) == ()
    assert told.fixed == ()


@given(reports)
def test_comparing_changes_nothing_else(found: Report) -> None:
    """Verdicts, order and numbers stay as the judge gave them."""
    told = Baseline().compare(found, target=TARGET)

    assert attrs.evolve(told, findings=found.findings) == found
    assert tuple(attrs.evolve(finding, novelty=None) for finding in told) == found.findings


# -- the file --------------------------------------------------------------------------------------

FILE = """\
{
  "format": 1,
  "leakdiff": "baseline",
  "known": [
    {"target": "app.py:step", "fingerprint": "c5fee2", "owner": "app.cache", "verdict": "LEAK", "cause": null, \
"per_unit": 1.0, "counted": "entries", "since": "0.1.0", "why": ""},
    {"target": "app.py:step", "fingerprint": "056109", "owner": "app.größe", "verdict": "LEAK", "cause": null, \
"per_unit": 1.0, "counted": "entries", "since": "0.1.0", "why": ""}
  ]
}
"""


def test_a_file_has_a_line_for_each_leak(tmp_path: Path) -> None:
    """Sorted and readable, so that a diff of it shows which leaks came and went."""
    baseline(leak("app.größe"), leak("app.cache")).save(tmp_path / "leaks.json")

    assert (tmp_path / "leaks.json").read_text("utf-8") == FILE


def test_an_empty_baseline_is_a_file_too(tmp_path: Path) -> None:
    """The last leak that is fixed leaves a file that can be read."""
    Baseline().save(tmp_path / "leaks.json")

    assert Baseline.load(tmp_path / "leaks.json") == Baseline()


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
leaks = st.builds(
    KnownLeak,
    target=names,
    fingerprint=st.from_regex("[0-9a-f]{6}", fullmatch=True),
    owner=st.none() | names,
    verdict=st.sampled_from(["LEAK", "NATIVE"]),
    cause=st.none() | names,
    per_unit=st.floats(0, 1e12),
    counted=st.sampled_from(["entries", "bytes"]),
    since=names,
    why=names,
)
many_leaks = st.lists(leaks, max_size=5, unique_by=lambda leak: (leak.target, leak.fingerprint))


@given(many_leaks)
def test_what_was_saved_is_loaded(known: list[KnownLeak]) -> None:
    """Every name survives the file, and its order is the same however it came."""
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder) / "one.json", Path(folder) / "other.json"
        Baseline(tuple(known)).save(one)
        Baseline(tuple(reversed(known))).save(other)

        assert set(Baseline.load(one).known) == set(known)
        assert one.read_bytes() == other.read_bytes()


def test_half_of_a_surrogate_pair_can_be_written(tmp_path: Path) -> None:
    """A name that no encoding has is still a name, and the file is valid UTF-8."""
    baseline(leak("app.\udc80")).save(tmp_path / "leaks.json")

    assert "\\udc80" in (tmp_path / "leaks.json").read_text("utf-8")
    assert Baseline.load(tmp_path / "leaks.json").known[0].owner == "app.\udc80"


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    """Nothing half-written stays behind."""
    with pytest.raises(CannotWrite):
        Baseline().save(tmp_path / "no-folder" / "leaks.json")

    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """The sentence has the command."""
    with pytest.raises(BaselineMissing) as caught:
        Baseline.load(tmp_path / "leaks.json")

    assert str(caught.value).endswith(f"--baseline {tmp_path / 'leaks.json'} --write-baseline.")
    assert isinstance(caught.value, FileNotFoundError)


LINE = FILE.splitlines()[4].strip().rstrip(",")
CONFLICT = FILE.replace("  ]", "<<<<<<< HEAD\n=======\n>>>>>>> other\n  ]")
BAD: dict[str, tuple[str | bytes, str]] = {
    "no JSON": ("known = 3", "it is no JSON"),
    "empty": ("", "it is no JSON"),
    "no text": (b"\xff\xfe\x00", "it is no text"),
    "another program's": ('{"version": 3, "issues": []}', "it is JSON of something else"),
    "a report": ('{"format": 1, "leakdiff": "0.1.0", "findings": []}', "it is JSON of something else"),
    "a list": ("[]", "it is JSON of something else"),
    "newer": (FILE.replace('"format": 1', '"format": 7'), "newer leakdiff (format 7; this one reads up to 1)"),
    "twins": (FILE.replace("056109", "c5fee2"), "it has the leak c5fee2 of app.py:step twice"),
    "a conflict": (CONFLICT, "it holds the marks of a merge conflict"),
    "no list": ('{"format": 1, "leakdiff": "baseline"}', "it has no list called known"),
    "a missing field": (FILE.replace('"verdict": "LEAK", ', ""), "known[0] has no verdict"),
    "a wrong type": (FILE.replace('"per_unit": 1.0', '"per_unit": "1"'), "known[0].per_unit should be a number"),
    "no number": (FILE.replace('"per_unit": 1.0', '"per_unit": NaN'), "known[0].per_unit is not finite"),
    "less than nothing": (FILE.replace("1.0,", "-1.0,"), "known[0].per_unit should not be negative"),
    "a field of its own": (FILE.replace('"why"', '"note"'), "known[0] has a field 'note'"),
    "a bad fingerprint": (FILE.replace("c5fee2", "c5fe"), "known[0].fingerprint should be six hex digits"),
    "deep": ("[" * 100_000, "it is no JSON that can be read"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_one_sentence(tmp_path: Path, kind: str) -> None:
    """It says what was seen and what to do, and the file stays."""
    content, saw = BAD[kind]
    path = tmp_path / "leaks.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(BadBaseline) as caught:
        Baseline.load(path)

    said = str(caught.value)
    assert said.startswith(f"{path} cannot be used as a baseline: ")
    assert saw in said
    assert "\n" not in said
    assert path.exists()


@pytest.mark.parametrize("path", [".", "leaks\0.json"])
def test_what_is_no_file_is_one_sentence(tmp_path: Path, path: str) -> None:
    """A folder and a name that no file can have are refused like any other bad file."""
    with pytest.raises(BadBaseline):
        Baseline.load(f"{tmp_path}/{path}")


def test_a_mark_of_windows_before_the_text_is_no_obstacle(tmp_path: Path) -> None:
    """Editors put a byte order mark in front, and end lines their way."""
    (tmp_path / "leaks.json").write_bytes(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())

    assert len(Baseline.load(tmp_path / "leaks.json").known) == 2


# -- the shell -------------------------------------------------------------------------------------

LEAKY = """
cache = {}
index = []

def step():
    cache[object()] = []
"""
WORSE = LEAKY + "    index.append([])\n"
MENDED = LEAKY + "    cache.clear()\n"
QUICK = ("--units", "29", "--patience", "0.05")


def test_the_life_of_a_baseline(tmp_path: Path) -> None:
    """Written, it excuses what it knows and nothing more; updated, it keeps the why and drops what is fixed."""
    write_module(tmp_path, LEAKY)
    path = tmp_path / "leaks.json"
    known = ("check", "app.py", *QUICK, "--baseline", "leaks.json")

    missing = shell(tmp_path, *known)
    written = shell(tmp_path, *known, "--write-baseline")
    path.write_text(path.read_text("utf-8").replace('"why": ""', '"why": "on purpose"'), "utf-8")
    same = shell(tmp_path, *known, "--json", "-")
    write_module(tmp_path, WORSE)
    worse = shell(tmp_path, *known, "--json", "-")
    shell(tmp_path, *known, "--write-baseline")
    both = json.loads(path.read_text("utf-8"))["known"]
    write_module(tmp_path, MENDED)
    mended = shell(tmp_path, *known, "--write-baseline")

    assert (missing.code, missing.err.count("[baseline-missing]")) == (TROUBLE, 1)
    assert (written.code, written.err) == (CLEAN, "leakdiff: leaks.json now holds 1 known leak(s)\n")
    assert same.code == CLEAN
    assert worse.code == LEAKS
    assert [(entry["owner"], entry["why"]) for entry in both] == [("app.cache", "on purpose"), ("app.index", "")]
    assert mended.code == CLEAN
    assert Baseline.load(path) == Baseline()


def test_a_target_has_one_name_wherever_it_is_checked_from(tmp_path: Path) -> None:
    """A committed file serves every checkout and every working folder."""
    inner = tmp_path / "services"
    inner.mkdir()
    write_module(inner, LEAKY)
    shell(tmp_path, "check", "services/app.py", *QUICK, "--baseline", "leaks.json", "--write-baseline")
    again = shell(inner, "check", str(inner / "app.py:step"), *QUICK, "--baseline", "../leaks.json")

    assert [known.target for known in Baseline.load(tmp_path / "leaks.json").known] == ["services/app.py:step"]
    assert again.code == CLEAN


def test_writing_needs_to_know_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--write-baseline`` alone is a mistake, and nothing is run."""
    path = write_module(tmp_path, "raise SystemExit('was run')")

    assert main(["check", str(path), "--write-baseline"]) == TROUBLE
    assert "--baseline PATH" in capsys.readouterr().err


def test_a_bad_baseline_is_told_before_anything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not after minutes of measuring; and it is not written over."""
    path, bad = write_module(tmp_path, "raise SystemExit('was run')"), tmp_path / "leaks.json"
    bad.write_text("<<<<<<< HEAD\n", "utf-8")

    assert main(["check", str(path), "--baseline", str(bad), "--write-baseline"]) == TROUBLE
    assert "[bad-baseline]" in capsys.readouterr().err
    assert bad.read_text("utf-8") == "<<<<<<< HEAD\n"


def test_every_error_of_a_baseline_has_a_slug() -> None:
    """The messages have a page, and the slug is the way there."""
    errors: list[LeakdiffError] = [BaselineMissing("leaks.json"), BadBaseline("leaks.json", "it is bad", "Mend it.")]

    assert [error.slug for error in errors] == ["baseline-missing", "bad-baseline"]
