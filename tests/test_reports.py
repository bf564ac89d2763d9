"""Reports that are saved in any format, and come back from JSON as what they were."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest
from hypothesis import assume, given, settings

from leakdiff.errors import BadOption, CannotRead, NothingToDraw
from leakdiff.model.report import Report, Verdict
from leakdiff.model.snapshot import Identity, Moment
from leakdiff.reports import FORMATS, format_of, load, parsed, rendered, save
from leakdiff.store import reports as stored
from paper import FULL, REPORT, has_halves, whole_reports
from reported import REPORTED
from strategies import reports
from test_render_text import INFLIGHT, report_of

FEW = settings(max_examples=25)
SCHEMA = json.loads(files("leakdiff.render").joinpath("report.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def back(report: Report) -> Report:
    """Return a report that was written as JSON and read again."""
    return parsed(report.json().encode(), "report.json")


# -- what comes back -------------------------------------------------------------------------------


@FEW
@given(whole_reports())
def test_what_is_loaded_is_what_was_saved(report: Report) -> None:
    """Every value to the last digit, and the text that is made of it."""
    assume(not has_halves(report))
    loaded = back(report)

    assert loaded == report
    assert loaded.text() == report.text()
    for one, other in zip(loaded, report, strict=True):
        assert (one.graph is None) == (other.graph is None)
        if one.graph is not None and other.graph is not None:
            assert list(one.graph.nodes(data=True)) == list(other.graph.nodes(data=True))
            assert list(one.graph.edges(data=True)) == list(other.graph.edges(data=True))


def test_every_report_of_the_plants_comes_back() -> None:
    """Whatever has been seen of real leaks reads the same afterwards."""
    for name, (_, seen) in REPORTED.items():
        report = report_of(seen.finding)
        loaded = back(report)

        assert loaded == report, name
        assert loaded.text() == report.text(), name


def test_when_it_was_and_which_process_comes_back() -> None:
    """As it was; the schema has both."""
    texts = {"service": "matching", "version": "2.4.1", "revision": "ab12cd", "host": "pod-1", "boot_id": "b00t"}
    identity = Identity(**texts, pid=4711, started=1_760_000_000.25, python="3.12.1", leakdiff="0.2.0")
    report = attrs.evolve(REPORT, taken=Moment(1_760_000_400.5, 77.125), identity=identity)
    loaded = back(report)
    VALIDATOR.validate(report.as_dict())
    assert (loaded, loaded.taken, loaded.identity) == (report, report.taken, identity)


def test_a_report_of_before_is_read(tmp_path: Path) -> None:
    """It lacks what was added since: its text has less, and nothing else is different."""
    plain = report_of(INFLIGHT).as_dict()
    (old,) = plain["findings"]
    for name in ("depth", "graph", "units", "grows", "waiting", "retained", "share", "shape", "artefact", "novelty"):
        del old[name]
    old["path"] = [{"step": step["step"], "type": step["type"]} for step in old["path"]]
    old["types"] = [{name: growth[name] for name in ("name", "per_unit", "count", "site")} for growth in old["types"]]
    old["sites"] = [{name: site[name] for name in ("file", "line", "function")} for site in old["sites"]]
    del plain["also"], plain["confidence"], plain["fixed"], plain["unit"], plain["taken"], plain["identity"]
    (tmp_path / "old.json").write_text(json.dumps(plain), encoding="utf-8")
    loaded = load(tmp_path / "old.json")

    assert loaded.findings[0].depth == 2
    assert loaded.text().splitlines() == [
        line.removesuffix("        result = Result(rid, driver)")
        for line in report_of(INFLIGHT).text().splitlines()
        if not line.startswith("  each")
    ]


def test_keys_of_later_are_passed_over() -> None:
    """Keys may be added within format 1."""
    plain = REPORT.as_dict()
    plain["colour"] = plain["findings"][0]["colour"] = {"of": "the leak"}

    assert parsed(json.dumps(plain).encode(), "report.json") == REPORT


@pytest.mark.parametrize("wrapped", [{"id": "a1", "report": REPORT.as_dict()}, {**REPORT.as_dict(), "soak": {}}])
def test_a_report_within_another_answer_is_found(wrapped: dict[str, Any]) -> None:
    """A job of the debug endpoint holds one under a name, and a soak is one with more."""
    assert parsed(json.dumps(wrapped).encode(), "job.json") == REPORT


def test_a_session_of_tests_in_json_has_reports_that_are_read() -> None:
    """As pytest's file has it: a list of tests, each with a report."""
    assert parsed(json.dumps({"test": "test_app.py::test", "report": REPORT.as_dict()}).encode(), "-") == REPORT


# -- what cannot be read ---------------------------------------------------------------------------


def changed(**keys: Any) -> bytes:
    """Return a report's JSON with other values at its top."""
    return json.dumps({**REPORT.as_dict(), **keys}).encode()


def of_finding(**keys: Any) -> bytes:
    """Return a report's JSON with other values in its finding."""
    plain = REPORT.as_dict()
    return changed(findings=[{**plain["findings"][0], **keys}])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"leakdiff: STABLE", "it is no JSON, or truncated or damaged"),
        (REPORT.json().encode()[:-100], "it is no JSON, or truncated or damaged"),
        (b'{"format": NaN}', "it is no JSON, or truncated or damaged"),
        (b"[" * 100_000, "it is no JSON, or truncated or damaged"),
        (b"[1]", "it is no report of leakdiff"),
        (b'{"verdict": "LEAK"}', "it is no report of leakdiff"),
        (b"\x1f\x8b\x08", "it is compressed, as snapshots are and reports are not"),
        (b'{"format": 1, "snapshot": {}}', "it is a snapshot, and no report"),
        (b'{"format": 1, "tests": []}', "it is what a session of tests found, and no single report"),
        (changed(format=2), "it was written by a newer leakdiff (format 2; this one reads up to 1)"),
        (changed(verdict="MAYBE"), "verdict is none of LEAK, NATIVE, FILLING, WARMUP, CHURN, STABLE, INCONCLUSIVE"),
        (changed(because=None), "it has no because"),
        (changed(findings={}), "findings should be a list and is an object"),
        (changed(not_analysed=[1]), "not_analysed[0] should be a text and is a whole number"),
        (changed(unit="unit\x1b[31m"), "unit is no name"),
        (changed(also=[{"name": "\u202e", "text": ""}]), "also[0].name is no name"),
        (changed(rounds=[{"phase": "mark", "units": 0}]), "rounds[0].units is out of range"),
        (changed(cost={"cpu_seconds": "long"}), "cost.cpu_seconds should be a number and is a text"),
        (of_finding(path=[]), "a finding has no path"),
        (of_finding(depth=0), "findings[0].depth is out of range"),
        (of_finding(depth=4), "a finding's depth is more than its path has steps"),
        (of_finding(fingerprint="f" * 101), "findings[0].fingerprint is no name"),
        (of_finding(entries=True), "findings[0].entries should be a whole number and is true or false"),
        (of_finding(entries=2**300), "findings[0].entries is out of range"),
        (of_finding(per_unit={"objects": 1.5, "bytes": "x"}), "findings[0].per_unit.bytes should be a number"),
        (of_finding(per_entry="1e999"), "findings[0].per_entry should be a number and is a text"),
        (of_finding(sites=[{"file": "a.py"}]), "findings[0].sites[0] has no line"),
        (
            of_finding(graph={"nodes": [], "edges": [{"source": 0, "target": 1}]}),
            "an edge of a finding's graph leads to a node that is not there",
        ),
    ],
)
def test_what_is_no_report_is_refused_with_what_was_seen(content: bytes, said: str) -> None:
    """One sentence that says where it is wrong; the rest says what to do."""
    with pytest.raises(CannotRead) as refused:
        parsed(content, "report.json")

    assert str(refused.value).startswith(f"report.json cannot be read: {said}")
    assert str(refused.value).endswith(".")


def test_a_number_without_end_is_refused() -> None:
    """JSON can write numbers that are not finite without saying so."""
    with pytest.raises(CannotRead, match=r"findings\[0\]\.per_entry is not finite"):
        parsed(REPORT.json().replace('"per_entry": 2355.2', '"per_entry": 1e999').encode(), "report.json")


def test_a_file_that_is_not_there_or_not_a_file_is_told(tmp_path: Path) -> None:
    """By the name that was given, and with what to do."""
    with pytest.raises(CannotRead, match=r"nowhere\.json cannot be read: there is no such file\. Check the name"):
        load(tmp_path / "nowhere.json")
    with pytest.raises(CannotRead, match=r"cannot be read: it is a folder\. Name a file that"):
        load(tmp_path)
    with pytest.raises(CannotRead, match="null"):
        load("report\0.json")


def test_a_file_that_no_report_fills_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in it."""
    monkeypatch.setattr(stored, "MOST_BYTES", 1 << 20)

    with pytest.raises(CannotRead, match="it holds more than 1 MiB, as no report does"):
        parsed(b" " * (1 << 20) + b"{}", "report.json")


# -- formats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "begins"),
    [
        (".json", "{\n"),
        (".html", "<!DOCTYPE html>"),
        (".md", "## leakdiff: LEAK\n"),
        (".sarif", "{\n"),
        (".TXT", "leakdiff: LEAK NEW  app.matching._inflight grows by"),
        (".svg", "<svg "),
        (".dot", "digraph "),
        (".mmd", "flowchart "),
    ],
)
def test_the_ending_of_a_file_names_its_format(tmp_path: Path, ending: str, begins: str) -> None:
    """Whole, in UTF-8, and with a line that ends."""
    REPORT.save(tmp_path / f"incident{ending}")
    content = (tmp_path / f"incident{ending}").read_text("utf-8")

    assert content.startswith(begins)
    assert content.endswith("\n")


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """As in ``Report.load(path)``."""
    REPORT.save(tmp_path / "report.json")

    assert Report.load(tmp_path / "report.json") == REPORT


def test_an_ending_that_names_no_format_is_refused(tmp_path: Path) -> None:
    """With those that do, and nothing is written."""
    with pytest.raises(BadOption, match=r"a file whose ending names a format: \.txt, \.html, \.htm, \.md, \.json"):
        save(REPORT, tmp_path / "incident.pdf")

    assert not list(tmp_path.iterdir())


def test_each_ending_has_one_format() -> None:
    """So that none hides another."""
    endings = [ending for known in FORMATS.values() for ending in known.endings]

    assert len(endings) == len(set(endings))
    assert [format_of(f"a{known.endings[0]}") for known in FORMATS.values()] == list(FORMATS)


def test_a_format_that_is_not_there_is_refused() -> None:
    """With those that are."""
    with pytest.raises(BadOption, match=r"to='pdf' cannot work: to must be one of text, html, md, json, sarif, dot"):
        rendered(REPORT, "pdf")


@pytest.mark.parametrize("style", ["dot", "mermaid", "svg"])
def test_a_picture_is_of_the_first_finding(style: str) -> None:
    """As ``finding.draw()`` has it."""
    assert rendered(REPORT, style) == FULL.draw(style)


@pytest.mark.parametrize("style", ["dot", "mermaid", "svg"])
def test_good_news_cannot_be_drawn(style: str) -> None:
    """It says so, instead of an empty picture."""
    with pytest.raises(NothingToDraw, match="A picture of the report cannot be drawn: it has no finding"):
        rendered(Report(Verdict.STABLE, "nothing grew"), style)


# -- the schema ------------------------------------------------------------------------------------


def test_the_schema_is_one() -> None:
    """By the rules of JSON Schema, and with a name that is no address."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["$id"] == "urn:leakdiff:report:1"


@FEW
@given(whole_reports())
def test_every_report_is_as_the_schema_says(report: Report) -> None:
    """What programs rely on."""
    VALIDATOR.validate(json.loads(report.json()))


@settings(max_examples=10)
@given(reports)
def test_the_schema_knows_every_key(report: Report) -> None:
    """None is written that is not in it."""
    assert set(report.as_dict()) <= set(SCHEMA["properties"])
    for finding in report.as_dict()["findings"]:
        assert set(finding) == set(SCHEMA["$defs"]["finding"]["properties"])


def test_the_schema_refuses_what_is_no_report() -> None:
    """So that it can be relied on in both directions."""
    wrong = attrs.evolve(REPORT, because="").as_dict()
    wrong["findings"][0]["path"] = []

    assert [error.json_path for error in VALIDATOR.iter_errors(wrong)] == ["$.findings[0].path"]
