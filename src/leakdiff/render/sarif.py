"""A report as SARIF 2.1.0: code hosts show each finding at the lines that insert and remove.

The format is that of OASIS, https://docs.oasis-open.org/sarif/sarif/v2.1.0/. GitHub reads the first location of a
result, refuses a file in which a result has none, and shows 100 locations and 5,000 results at most.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from leakdiff.model.code import CodeSite
from leakdiff.model.heap import Site
from leakdiff.model.report import Finding, Novelty, Report, Verdict
from leakdiff.render.plain import printable
from leakdiff.render.text import claim, told
from leakdiff.render.trimmed import trimmed
from leakdiff.source_files import is_users_file

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"
_LEVELS = {Verdict.LEAK: "error", Verdict.NATIVE: "warning"}
_LONGEST = 1_000  # characters of a text
_MOST_RESULTS = 1_000
_MOST_PLACES = 20
_LAST_LINE = 2**31 - 1
_WITHOUT_CAUSE = {
    Verdict.LEAK: "Grows without end",
    Verdict.NATIVE: "Grows outside of Python's heap",
    Verdict.FILLING: "Fills up to a bound",
    Verdict.WARMUP: "Grows more and more slowly",
    Verdict.CHURN: "Rises and falls",
    Verdict.INCONCLUSIVE: "Cannot be told",
}

Place = tuple[str, Site]  # what a line does, and where it is


def render_sarif(report: Report) -> str:
    """Return the report as SARIF, indented, in ASCII, with a final newline."""
    return json.dumps(as_sarif(report), indent=2, ensure_ascii=True) + "\n"


def as_sarif(report: Report) -> dict[str, Any]:
    """Return the report as plain dicts, lists, texts and numbers.

    What has no line of code, such as growth of the C heap alone, is a notification: a result must have a place.
    """
    report = trimmed(report, _LONGEST)
    findings = [one for one in told(report) if one.verdict in _WITHOUT_CAUSE][:_MOST_RESULTS]
    placed = [(one, places) for one in findings if (places := _places(one))]
    rules = {_rule_id(one): _rule(one) for one, _ in placed}
    positions = {name: position for position, name in enumerate(rules)}
    run = {
        "tool": {"driver": {"name": "leakdiff", **_version(report), "rules": list(rules.values())}},
        "originalUriBaseIds": {_ROOT: {"description": _said("the folder in which leakdiff ran")}},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report, [one for one in findings if not _places(one)])],
        "results": [_result(one, places, positions[_rule_id(one)]) for one, places in placed],
        "properties": {
            "verdict": report.verdict.value,
            "because": printable(report.because),
            "python": printable(report.python),
        },
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _version(report: Report) -> dict[str, str]:
    return {"version": printable(report.version)} if report.version else {}


def _invocation(report: Report, without_place: Sequence[Finding]) -> dict[str, Any]:
    """Return what is to be said beside the results."""
    notes = [(_level(one), f"{one.verdict}: {_message(one)}") for one in without_place]
    notes.extend(("note", printable(note)) for note in report.not_analysed)
    told_of = [{"level": level, "message": _said(text)} for level, text in notes[:_MOST_RESULTS]]
    return {"executionSuccessful": True, "toolExecutionNotifications": told_of}


# -- rules: what kind of mistake -------------------------------------------------------------------


def _rule_id(finding: Finding) -> str:
    return printable(finding.cause.slug) if finding.cause is not None else finding.verdict.value.lower()


def _rule(finding: Finding) -> dict[str, Any]:
    level = {"level": _level(finding)}
    cause = finding.cause
    if cause is None:
        said = _said(_WITHOUT_CAUSE[finding.verdict])
        return {"id": _rule_id(finding), "shortDescription": said, "defaultConfiguration": level}
    return {
        "id": _rule_id(finding),
        "shortDescription": _said(printable(cause.title)),
        "fullDescription": _said(printable(cause.why)),
        "help": _said(f"{printable(cause.why)}\n\nTo mend it: {printable(cause.fix)}.{_pattern(cause.pattern)}"),
        "defaultConfiguration": level,
        "properties": {"tags": ["memory"]},
    }


def _pattern(code: str) -> str:
    lines = "".join(f"\n    {printable(line)}" for line in code.splitlines())
    return f"\n{lines}" if lines else ""


def _level(finding: Finding) -> str:
    return _LEVELS.get(finding.verdict, "note")


# -- results ---------------------------------------------------------------------------------------


def _result(finding: Finding, places: Sequence[Place], rule: int) -> dict[str, Any]:
    puts = [place for place in places if place[0] == "put" and is_users_file(place[1].file)] or places[:1]
    related = [place for place in places if place not in puts]
    return {
        "ruleId": _rule_id(finding),
        "ruleIndex": rule,
        "level": _level(finding),
        "message": _said(_message(finding)),
        "locations": [_location(place) for place in puts[:_MOST_PLACES]],
        "relatedLocations": [
            {"id": number, **_location(place)} for number, place in enumerate(related[:_MOST_PLACES], 1)
        ],
        # GitHub knows a finding again by the first; it is the same wherever the line has moved.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{printable(finding.fingerprint)}:1",
            "leakdiff/v1": printable(finding.fingerprint),
        },
        **_beside_baseline(finding),
        "properties": {"verdict": finding.verdict.value, "owner": printable(finding.owner or "")},
    }


def _message(finding: Finding) -> str:
    parts = (f"{claim(finding)}: {finding.because}", f"To mend it: {finding.advice}" if finding.advice else "")
    return " ".join(f"{printable(part).rstrip('.')}." for part in parts if part)


def _beside_baseline(finding: Finding) -> dict[str, Any]:
    if finding.novelty is None:
        return {}
    if finding.novelty is Novelty.NEW:
        return {"baselineState": "new"}
    return {"baselineState": "unchanged", "suppressions": [{"kind": "external", "status": "accepted"}]}


def _places(finding: Finding) -> list[Place]:
    """Return its lines, those first at which it is shown: where the program itself puts entries in."""
    found = list(_lines(finding))
    own = [place for place in found if is_users_file(place[1].file)]
    return [*own, *(place for place in found if place not in own)]


def _lines(finding: Finding) -> Iterator[Place]:
    code = finding.code
    by_name: Sequence[tuple[str, Sequence[CodeSite]]] = ()
    if code is not None:
        by_name = (("put", code.puts), ("gone", code.gones), ("miss", code.misses), ("made", code.made))
    lines = [(name, one.site) for name, sites in by_name[:1] for one in sites]
    lines.extend(("born", site) for site in finding.sites)
    lines.extend((_named(name, one), one.site) for name, sites in by_name[1:] for one in sites)
    lines.extend(("waits", site) for site in finding.waiting)
    for name, site in lines:
        if _is_file(site.file):
            yield name, site


def _named(name: str, found: CodeSite) -> str:
    return " ".join(part for part in (name, found.only or (found.how if name == "miss" else "")) if part)


def _is_file(path: str) -> bool:
    return bool(path.strip("/\\ ")) and not path.startswith("<")


_DOES = {
    "put": "puts entries in",
    "gone": "takes entries out",
    "miss": "may miss a removal",
    "made": "makes the owner",
    "born": "allocates what stays",
    "waits": "waits here",
}


def _location(place: Place) -> dict[str, Any]:
    does, site = place
    name, _, rest = does.partition(" ")
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": _artifact(site.file), **_region(site)},
        "message": _said(printable(" ".join((_DOES[name], rest)).strip())),
    }
    if site.function:
        location["logicalLocations"] = [{"fullyQualifiedName": printable(site.function), "kind": "function"}]
    return location


def _region(site: Site) -> dict[str, Any]:
    if not 1 <= site.line <= _LAST_LINE:
        return {}
    snippet = {"snippet": {"text": printable(site.code)}} if site.code else {}
    return {"region": {"startLine": site.line, **snippet}}


def _artifact(path: str) -> dict[str, str]:
    """Return a file by its path below the working folder, or from the root where it is not below."""
    if not os.path.isabs(path):
        return {"uri": _uri(path), "uriBaseId": _ROOT}
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # the working folder is gone, or on another drive
        relative = os.pardir
    if relative == os.pardir or relative.startswith(os.pardir + os.sep):
        return {"uri": f"file:///{_uri(path).lstrip('/')}"}
    return {"uri": _uri(relative), "uriBaseId": _ROOT}


def _uri(path: str) -> str:
    return quote(path.replace(os.sep, "/").encode("utf-8", "backslashreplace"), safe="/").removeprefix("./")


def _said(text: str) -> dict[str, str]:
    """Return a message; braces would be places for arguments, and a bracket before a parenthesis a link."""
    return {"text": text.replace("{", "{{").replace("}", "}}").replace("](", "] (") or "-"}
