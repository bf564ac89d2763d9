"""Reports that come back from JSON, format 1; docs/reference/json.md has the schema.

Keys that are not known are passed over, and those that older reports lack have their defaults.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import attrs

from leakdiff.errors import CannotRead
from leakdiff.model.cause import Cause
from leakdiff.model.code import Code, CodeSite
from leakdiff.model.heap import Bound, Site, Step
from leakdiff.model.native import CCall, NativeEvidence
from leakdiff.model.report import Cost, Finding, Findings, Novelty, Report, TypeGrowth, Verdict
from leakdiff.model.series import Shape
from leakdiff.model.signals import Phase, Rate, Round
from leakdiff.model.snapshot import Identity, Moment
from leakdiff.store.codec import Malformed
from leakdiff.store.fields import Fields
from leakdiff.store.files import reason_of

FORMAT = 1
MOST_BYTES = 64 << 20  # the largest report seen had 0.4 MiB

_GZIP = b"\x1f\x8b"
_OTHER = "Name a file that Report.save or `leakdiff check --json` wrote."
_WHOLE = "Take a copy that is whole, or write the report again."
_SNAPSHOT = "`leakdiff show` says what a snapshot holds."
_SESSION = "Each of its tests has a report: take one, such as with jq '.tests[0].report'."

Node = tuple[str, dict[str, int]]
Edge = tuple[str, str, dict[str, int]]
GraphMaker = Callable[[Sequence[Node], Sequence[Edge]], Any]


def read(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        CannotRead: If it cannot be read, or holds more than any report.
    """
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CannotRead(str(path), *reason_of(error, _OTHER)) from error
    except ValueError as error:  # a NUL in its name
        raise CannotRead(str(path), str(error), _OTHER) from error


def decoded(content: bytes, name: str, graph_of: GraphMaker) -> Report:
    """Return the report that JSON holds, also one in the answer of the debug endpoint to a job.

    Args:
        content: The JSON, in UTF-8.
        name: What it was read from, for the error.
        graph_of: Makes the graph of a finding.

    Raises:
        CannotRead: If it is no JSON, no report, or of a newer format.
    """
    try:
        return _report(_document(_parsed(content)), graph_of)
    except Malformed as error:
        raise CannotRead(name, error.saw, error.todo) from error


# -- the document ----------------------------------------------------------------------------------


def _parsed(content: bytes) -> dict[str, Any]:
    if len(content) > MOST_BYTES:
        raise Malformed(f"it holds more than {MOST_BYTES >> 20} MiB, as no report does", _OTHER)
    if content.startswith(_GZIP):
        raise Malformed("it is compressed, as snapshots are and reports are not", _SNAPSHOT)
    if not content.strip():
        raise Malformed("it is empty", _OTHER)
    try:
        plain = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is no JSON, or truncated or damaged", _WHOLE) from error
    if type(plain) is not dict:
        raise Malformed("it is no report of leakdiff", _OTHER)
    return plain


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _document(plain: dict[str, Any]) -> dict[str, Any]:
    """Return the part that is the report, or say what it is instead."""
    if "findings" not in plain and type(plain.get("report")) is dict:  # a job of the debug endpoint, or a test's
        plain = plain["report"]
    if type(plain.get("snapshot")) is dict:
        raise Malformed("it is a snapshot, and no report", _SNAPSHOT)
    if "tests" in plain:
        raise Malformed("it is what a session of tests found, and no single report", _SESSION)
    if type(plain.get("format")) is not int or "findings" not in plain:
        raise Malformed("it is no report of leakdiff", _OTHER)
    if plain["format"] > FORMAT:
        newer = f"it was written by a newer leakdiff (format {plain['format']}; this one reads up to {FORMAT})"
        raise Malformed(newer, "Upgrade leakdiff.")
    return plain


# -- values, each from its object ------------------------------------------------------------------


def _report(plain: dict[str, Any], graph_of: GraphMaker) -> Report:
    of = Fields(plain, "")
    return Report(
        verdict=of.choice("verdict", Verdict),
        because=of.text("because"),
        findings=Findings(of.values("findings", lambda found: _finding(found, graph_of))),
        rounds=of.values("rounds", _round),
        not_analysed=of.texts("not_analysed"),
        cost=of.value("cost", _cost, Cost()),
        python=of.text("python", ""),
        version=of.text("leakdiff", ""),
        taken=of.value("taken", _moment, None),
        identity=of.value("identity", _identity, None),
        unit=of.name("unit", "unit"),
        confidence=of.text("confidence", ""),
        fixed=of.texts("fixed"),
        also=of.values("also", lambda row: (row.name("name"), row.text("text"))),
    )


def _finding(of: Fields, graph_of: GraphMaker) -> Finding:
    owner, owner_type = of.text("owner", None), of.text("owner_type")
    path = of.values("path", _step)
    if not path:
        raise Malformed("a finding has no path", _WHOLE)
    depth = of.whole("depth", _depth(path, owner_type if owner is not None else ""), least=1)
    if depth > len(path):
        raise Malformed("a finding's depth is more than its path has steps", _WHOLE)
    return Finding(
        verdict=of.choice("verdict", Verdict),
        because=of.text("because"),
        fingerprint=of.name("fingerprint"),
        owner=owner,
        owner_type=owner_type,
        length=of.whole("entries", 0),
        path=path,
        depth=depth,
        types=of.values("types", _type),
        key_shape=of.text("key_shape", None),
        sites=of.values("sites", _site),
        per_unit=of.value("per_unit", _rate, Rate()),
        **_rest_of_finding(of),
        graph=_graph(of, graph_of),
    )


def _rest_of_finding(of: Fields) -> dict[str, Any]:
    return {
        "per_entry": of.number("per_entry", None),
        "entries_per_unit": of.number("entries_per_unit", None),
        "bound": of.value("bound", _bound, None),
        "advice": of.text("advice", ""),
        "cause": of.value("cause", _cause, None),
        "code": of.value("code", _code, None),
        "native": of.value("native", _native, None),
        "waiting": of.values("waiting", _site),
        "retained": of.number("retained", None),
        "share": of.number("share", None),
        "shared_with": of.texts("shared_with"),
        "shape": of.choice("shape", Shape, None),
        "artefact": of.text("artefact", ""),
        "novelty": of.choice("novelty", Novelty, None),
        "grows": of.text("grows", ""),
        "units": of.number("units", 0),
    }


def _depth(path: Sequence[Step], owner_type: str) -> int:
    """Return how many steps lead to the owner, of a report that does not say so: the only one of its type, or all."""
    like_it = [depth for depth, step in enumerate(path, 1) if step.type == owner_type]
    return like_it[0] if len(like_it) == 1 else len(path)


def _step(of: Fields) -> Step:
    return Step(of.text("label", None) or of.text("step"), of.text("type"))


def _type(of: Fields) -> TypeGrowth:
    return TypeGrowth(
        name=of.text("name"),
        per_unit=of.number("per_unit"),
        count=of.whole("count"),
        site=of.value("site", _site, None),
        per_entry=of.number("per_entry", None),
    )


def _site(of: Fields) -> Site:
    return Site(of.text("file"), of.whole("line"), of.text("function", ""), of.text("code", ""))


def _rate(of: Fields) -> Rate:
    exact = {name: of.number(name, 0.0) for name in ("objects", "bytes")}
    return Rate(**exact, **{name: of.number(name, None) for name in ("blocks", "native_bytes", "descriptors")})


def _bound(of: Fields) -> Bound:
    return Bound(of.text("kind"), of.whole("limit"), of.whole("filled"))


def _cause(of: Fields) -> Cause:
    return Cause(*(of.text(field.name, "") for field in attrs.fields(Cause)))


def _code(of: Fields) -> Code:
    return Code(
        puts=of.values("puts", _code_site),
        gones=of.values("gones", _code_site),
        summary=of.text("summary", ""),
        bound=of.value("bound", _bound, None),
        missing=of.text("missing", ""),
        pending=of.text("pending", ""),
        made=of.values("made", _code_site),
        misses=of.values("misses", _code_site),
    )


def _code_site(of: Fields) -> CodeSite:
    return CodeSite(
        site=_site(of),
        how=of.text("how", ""),
        only=of.text("only", ""),
        per_unit=of.number("per_unit", None),
        is_sure=of.flag("is_sure", True),  # noqa: FBT003 - a default
    )


def _native(of: Fields) -> NativeEvidence:
    return NativeEvidence(
        kind=of.text("kind"),
        calls=of.values("calls", _call),
        references=of.text("references", ""),
        reproduce=of.text("reproduce", ""),
    )


def _call(of: Fields) -> CCall:
    names = {name: of.text(name, "") for name in ("function", "module", "distribution")}
    return CCall(**names, **{name: of.number(name, 0.0) for name in ("calls", "bytes", "blocks")})


def _round(of: Fields) -> Round:
    return Round(
        phase=of.choice("phase", Phase),
        units=of.whole("units", least=1),
        native_bytes=of.whole("native_bytes", None),
        **{name: of.whole(name, 0) for name in ("objects", "blocks", "fds", "threads", "freed")},
    )


def _moment(of: Fields) -> Moment:
    return Moment(of.number("utc", 0.0), of.number("monotonic", 0.0))


def _identity(of: Fields) -> Identity:
    names = ("service", "version", "revision", "host", "boot_id", "python", "leakdiff")
    texts = {name: of.text(name, "") for name in names}
    return Identity(pid=of.whole("pid", 0), started=of.number("started", 0.0), **texts)


def _cost(of: Fields) -> Cost:
    return Cost(of.number("cpu_seconds", 0.0), of.whole("walked", 0))


# -- the graph of a finding ------------------------------------------------------------------------


def _graph(of: Fields, graph_of: GraphMaker) -> Any:
    found: tuple[tuple[Node, ...], tuple[tuple[int, int, dict[str, int]], ...]] | None
    found = of.value("graph", lambda drawn: (drawn.values("nodes", _node), drawn.values("edges", _edge)), None)
    if found is None:
        return None
    nodes, edges = found
    if any(max(source, target) >= len(nodes) for source, target, _ in edges):
        raise Malformed("an edge of a finding's graph leads to a node that is not there", _WHOLE)
    return graph_of(nodes, [(nodes[source][0], nodes[target][0], known) for source, target, known in edges])


def _node(of: Fields) -> Node:
    return of.text("name"), _counted(of, "count", "bytes")


def _edge(of: Fields) -> tuple[int, int, dict[str, int]]:
    return of.whole("source", least=0), of.whole("target", least=0), _counted(of, "count")


def _counted(of: Fields, *names: str) -> dict[str, int]:
    found = {name: of.whole(name, None) for name in names}
    return {name: count for name, count in found.items() if count is not None}
