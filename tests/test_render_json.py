"""The JSON report, format 1: the documented keys, plain values, and nothing lost on the way."""

from __future__ import annotations

import json

from hypothesis import given, settings

from leakdiff.model.report import Report
from leakdiff.render.json import as_dict, render_json
from strategies import reports
from test_render_text import INFLIGHT, report_of

FEW = settings(max_examples=15)
REPORT = {
    "format",
    "leakdiff",
    "python",
    "verdict",
    "because",
    "unit",
    "findings",
    "rounds",
    "not_analysed",
    "cost",
    "confidence",
    "fixed",
    "also",
    "taken",
    "identity",
}
FINDING = {
    "verdict",
    "because",
    "fingerprint",
    "owner",
    "owner_type",
    "entries",
    "path",
    "depth",
    "types",
    "key_shape",
    "sites",
    "per_unit",
    "per_entry",
    "entries_per_unit",
    "bound",
    "advice",
    "cause",
    "code",
    "native",
    "waiting",
    "retained",
    "share",
    "shared_with",
    "shape",
    "artefact",
    "novelty",
    "grows",
    "graph",
    "units",
}
ROUND = {"phase", "units", "objects", "blocks", "native_bytes", "fds", "threads", "freed"}
SITE = {"file", "line", "function", "code"}


def test_a_finding_as_json() -> None:
    """What stands on the screen stands here as names and numbers."""
    (finding,) = as_dict(report_of(INFLIGHT))["findings"]

    assert finding == {
        "verdict": "LEAK",
        "because": "grew in 5 of 5 further rounds by 1.00 entries per unit, up to 1,512, and no bound was found",
        "fingerprint": "3f9a2c",
        "owner": "app.matching._inflight",
        "owner_type": "dict",
        "entries": 1_512,
        "path": [
            {"step": "app.matching", "type": "module", "label": "app.matching"},
            {"step": "._inflight", "type": "dict", "label": "._inflight"},
            {"step": "[*]", "type": "app.matching.Result", "label": "[*]"},
        ],
        "depth": 2,
        "types": [
            {"name": "app.matching.Result", "per_unit": 1.0, "count": 303, "per_entry": 1.0, "site": None},
            {"name": "dict", "per_unit": 1.0, "count": 303, "per_entry": 1.0, "site": None},
            {"name": "bytes", "per_unit": 1.0, "count": 303, "per_entry": 1.0, "site": None},
        ],
        "key_shape": "str 'req-' + 8 hex",
        "sites": [
            {
                "file": "app/matching.py",
                "line": 41,
                "function": "find_driver",
                "code": "result = Result(rid, driver)",
            }
        ],
        "per_unit": {"objects": 3.0, "bytes": 2_355.2, "blocks": 6.0, "native_bytes": None, "descriptors": None},
        "per_entry": 2_355.2,
        "entries_per_unit": 1.0,
        "bound": None,
        "advice": "remove the entry on every path (try/finally), or bound the container (maxsize, TTL)",
        "cause": None,
        "code": None,
        "native": None,
        "waiting": [],
        "retained": None,
        "share": None,
        "shared_with": [],
        "shape": None,
        "artefact": None,
        "novelty": None,
        "grows": None,
        "graph": None,
        "units": 303,
    }


@FEW
@given(reports)
def test_json_round_trips(report: Report) -> None:
    """What a reader loads is what ``as_dict()`` returns, to the last surrogate."""
    assert json.loads(render_json(report)) == as_dict(report)


@FEW
@given(reports)
def test_json_is_ascii_with_sorted_keys_and_a_final_newline(report: Report) -> None:
    """Two reports can be compared as text, on any terminal and in any encoding."""
    text = render_json(report)

    assert text.isascii()
    assert text.endswith("}\n")
    assert text == render_json(report)
    assert list(json.loads(text)) == sorted(REPORT)


@FEW
@given(reports)
def test_json_has_exactly_the_documented_keys(report: Report) -> None:
    """No key is missing where there is nothing to say, and none comes and goes."""
    written = as_dict(report)

    assert written["format"] == 1
    assert set(written) == REPORT
    assert set(written["cost"]) == {"cpu_seconds", "walked"}
    assert all(set(measured) == ROUND for measured in written["rounds"])
    for finding in written["findings"]:
        assert set(finding) == FINDING
        assert set(finding["per_unit"]) == {"objects", "bytes", "blocks", "native_bytes", "descriptors"}
        assert finding["bound"] is None or set(finding["bound"]) == {"kind", "limit", "filled"}
        assert all(set(step) == {"step", "type", "label"} for step in finding["path"])
        assert all(set(growth) == {"name", "per_unit", "count", "per_entry", "site"} for growth in finding["types"])
        places = [*finding["sites"], *(growth["site"] for growth in finding["types"] if growth["site"])]
        assert all(set(site) == SITE for site in places)
