"""A report as SARIF: at the lines that insert and remove, and valid by the schema of the format."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest
from hypothesis import given, settings

from leakdiff.model.code import Code, CodeSite
from leakdiff.model.heap import Bound, Site
from leakdiff.model.report import Novelty, Report, Verdict
from leakdiff.render.sarif import as_sarif, render_sarif
from paper import FULL, REPORT, whole_reports
from test_render_text import C_HEAP, INFLIGHT, report_of

HERE = Path(__file__).resolve().parent
SCHEMA = Path(os.environ.get("LEAKDIFF_SARIF_SCHEMA") or HERE.parent / ".cache" / "sarif" / "sarif-2.1.0.json")
FEW = settings(max_examples=10)


def run_of(report: Report) -> dict[str, Any]:
    """Return the only run of a report's SARIF."""
    (run,) = as_sarif(report)["runs"]
    return dict(run)


def validator() -> Any:
    """Return what checks against the schema of SARIF; skip the test where that is missing."""
    if not SCHEMA.is_file():
        pytest.skip("needs SARIF's schema: bash scripts/install-test-programs, or LEAKDIFF_SARIF_SCHEMA=PATH of it")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


# -- one result for each finding -------------------------------------------------------------------


def test_a_leak_is_an_error_at_the_line_that_inserts() -> None:
    """What a code host shows: the claim, its reason and what to do, at the line with its text."""
    run = run_of(REPORT)
    (result,) = run["results"]

    assert result["ruleId"] == "module-cache"
    assert result["level"] == "error"
    assert result["message"]["text"] == (
        "app.matching._inflight grows by 1.00 entries per unit, 2.3 KiB each, never shrinks: grew in 5 of 5 further "
        "rounds by 1.00 entries per unit, up to 1,512, and no bound was found. To mend it: remove the entry on every "
        "path (try/finally), or bound the container (maxsize, TTL)."
    )
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "app/matching.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 44, "snippet": {"text": "_inflight[rid] = result"}},
            },
            "message": {"text": "puts entries in"},
            "logicalLocations": [{"fullyQualifiedName": "find_driver", "kind": "function"}],
        }
    ]


def test_lines_that_remove_make_and_wait_are_related() -> None:
    """Each with what it does, and when."""
    (result,) = run_of(REPORT)["results"]
    related = [
        (place["id"], place["physicalLocation"]["region"]["startLine"], place["message"]["text"])
        for place in result["relatedLocations"]
    ]

    assert related == [
        (1, 41, "allocates what stays"),
        (2, 57, "takes entries out only if driver.accepted (line 56)"),
        (3, 12, "makes the owner"),
        (4, 61, "waits here"),
    ]


def test_causes_are_rules_with_the_fix() -> None:
    """A rule by the cause's name, with its text and a few lines of Python, and no address that leads nowhere."""
    (rule,) = run_of(REPORT)["tool"]["driver"]["rules"]

    assert rule == {
        "id": "module-cache",
        "shortDescription": {"text": "unbounded cache in a module"},
        "fullDescription": {"text": "Its entries stay."},
        "help": {
            "text": "Its entries stay.\n\nTo mend it: bound it.\n\n"
            "    try:\n        ask(ride)\n    finally:\n        del _inflight[rid]"
        },
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["memory"]},
    }


def test_two_findings_of_one_cause_share_a_rule() -> None:
    """Results name it by its name and by its position."""
    other = attrs.evolve(FULL, fingerprint="aaaaaa")
    run = run_of(report_of(INFLIGHT, FULL, other))

    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["leak", "module-cache"]
    assert [(result["ruleId"], result["ruleIndex"]) for result in run["results"]] == [
        ("leak", 0),
        ("module-cache", 1),
        ("module-cache", 1),
    ]


def test_a_finding_is_known_again_by_its_fingerprint() -> None:
    """Wherever its line has moved: GitHub reads the first of the two."""
    (result,) = run_of(report_of(INFLIGHT))["results"]

    assert result["partialFingerprints"] == {"primaryLocationLineHash": "3f9a2c:1", "leakdiff/v1": "3f9a2c"}


@pytest.mark.parametrize(
    ("verdict", "level"),
    [
        (Verdict.LEAK, "error"),
        (Verdict.NATIVE, "warning"),
        (Verdict.FILLING, "note"),
        (Verdict.WARMUP, "note"),
        (Verdict.CHURN, "note"),
        (Verdict.INCONCLUSIVE, "note"),
    ],
)
def test_the_level_is_as_grave_as_the_verdict(verdict: Verdict, level: str) -> None:
    """Only a leak is an error."""
    finding = attrs.evolve(INFLIGHT, verdict=verdict, bound=Bound("deque(maxlen)", 2_000, 1_512))
    (result,) = run_of(report_of(finding))["results"]

    assert result["level"] == level


def test_what_does_not_grow_is_no_result() -> None:
    """A code host would show it as a problem."""
    stable = attrs.evolve(INFLIGHT, verdict=Verdict.STABLE, artefact="pytest keeps it")

    assert run_of(report_of(stable))["results"] == []


def test_what_a_baseline_knows_is_suppressed() -> None:
    """Somebody has looked at it; what is new is said to be."""
    known, new = (attrs.evolve(INFLIGHT, novelty=novelty) for novelty in (Novelty.KNOWN, Novelty.NEW))
    first, second = run_of(report_of(known, new))["results"]

    assert first["baselineState"] == "unchanged"
    assert first["suppressions"] == [{"kind": "external", "status": "accepted"}]
    assert second["baselineState"] == "new"
    assert "suppressions" not in second


def test_what_has_no_line_is_a_notification() -> None:
    """GitHub refuses a whole file if one of its results has no place."""
    run = run_of(report_of(C_HEAP, notes=("the heap was not walked to its end",)))

    assert run["results"] == []
    assert run["invocations"][0]["toolExecutionNotifications"] == [
        {
            "level": "warning",
            "message": {
                "text": "NATIVE: the C heap grows by 32 B per unit: 32.0 bytes per unit of the C heap stay in use in "
                "every round."
            },
        },
        {"level": "note", "message": {"text": "the heap was not walked to its end"}},
    ]


# -- places ----------------------------------------------------------------------------------------


def uri_of(path: str) -> dict[str, str]:
    """Return how a file is named."""
    put = CodeSite(Site(path, 1), "append")
    (result,) = run_of(report_of(attrs.evolve(INFLIGHT, sites=(), code=Code(puts=(put,)))))["results"]
    return dict(result["locations"][0]["physicalLocation"]["artifactLocation"])


def test_a_file_below_the_working_folder_is_named_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is the root of the sources, whatever the host calls it."""
    monkeypatch.chdir(tmp_path)

    assert uri_of(str(tmp_path / "app" / "größe [1].py")) == {
        "uri": "app/gr%C3%B6%C3%9Fe%20%5B1%5D.py",
        "uriBaseId": "%SRCROOT%",
    }


def test_a_file_elsewhere_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no part of the sources."""
    (tmp_path / "app").mkdir()
    monkeypatch.chdir(tmp_path / "app")

    assert uri_of("/srv/lib/site-packages/pool.py") == {"uri": "file:///srv/lib/site-packages/pool.py"}
    assert uri_of(str(tmp_path / "other.py"))["uri"].startswith("file:///")


def test_code_of_the_program_goes_before_that_of_libraries() -> None:
    """A mark in a file that is no part of the sources is seen by nobody."""
    library = CodeSite(Site("/srv/lib/site-packages/pool.py", 9), "append")
    finding = attrs.evolve(INFLIGHT, code=Code(puts=(library,)))
    (result,) = run_of(report_of(finding))["results"]

    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 41
    assert result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("pool.py")


def test_code_without_a_file_has_no_place() -> None:
    """Nobody can open ``<string>``."""
    finding = attrs.evolve(INFLIGHT, sites=(Site("<string>", 1), Site("", 2)))

    assert run_of(report_of(finding))["results"] == []


def test_a_brace_or_a_bracket_in_a_name_means_nothing() -> None:
    """In SARIF, braces are places of arguments, and a bracket before a parenthesis begins a link."""
    finding = attrs.evolve(INFLIGHT, owner="app.{0}", because="[here](https://example.org)")
    (result,) = run_of(report_of(finding))["results"]

    assert result["message"]["text"].startswith("app.{{0}} grows by")
    assert "[here] (https://example.org)" in result["message"]["text"]


# -- any report ------------------------------------------------------------------------------------


def test_a_report_is_valid_by_the_schema() -> None:
    """That of OASIS."""
    assert not list(validator().iter_errors(json.loads(render_sarif(REPORT))))


@FEW
@given(whole_reports())
def test_any_report_is_valid_by_the_schema(report: Report) -> None:
    """Whatever stands in it; and the same twice."""
    text = render_sarif(report)

    assert not list(validator().iter_errors(json.loads(text)))
    assert text == render_sarif(report)
    assert text.isascii()
    for result in json.loads(text)["runs"][0]["results"]:
        assert result["locations"]
