"""A report as JSON, format 1; docs/reference/json.md has the schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from leakdiff.model.cause import Cause
from leakdiff.model.code import Code, CodeSite
from leakdiff.model.heap import Bound, Site, Step
from leakdiff.model.native import NativeEvidence
from leakdiff.model.report import Finding, Report, TypeGrowth
from leakdiff.model.signals import Rate, Round
from leakdiff.render.trimmed import shortened, trimmed

if TYPE_CHECKING:
    import networkx as nx

FORMAT = 1
_LONGEST_NAME = 4_096  # of a node of a graph


def render_json(report: Report) -> str:
    """Return the report as JSON text with sorted keys and a final newline."""
    return json.dumps(as_dict(report), indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def as_dict(report: Report) -> dict[str, Any]:
    """Return the report as plain dicts, lists, texts and numbers; texts that are too long are cut."""
    report = trimmed(report)
    return {
        "format": FORMAT,
        "leakdiff": report.version,
        "python": report.python,
        "taken": attrs.asdict(report.taken) if report.taken is not None else None,
        "identity": attrs.asdict(report.identity) if report.identity is not None else None,
        "verdict": report.verdict.value,
        "because": report.because,
        "unit": report.unit,
        "findings": [_finding(finding) for finding in report.findings],
        "rounds": [_round(measured) for measured in report.rounds],
        "confidence": report.confidence,
        "fixed": list(report.fixed),
        "not_analysed": list(report.not_analysed),
        "cost": {"cpu_seconds": report.cost.cpu_seconds, "walked": report.cost.walked},
        "also": [{"name": name, "text": text} for name, text in report.also],
    }


def finding_dict(finding: Finding) -> dict[str, Any]:
    """Return what a report's JSON has of one finding."""
    return _finding(trimmed(finding))


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "verdict": finding.verdict.value,
        "because": finding.because,
        "fingerprint": finding.fingerprint,
        "owner": finding.owner,
        "owner_type": finding.owner_type,
        "entries": finding.length,
        "path": [_step(step) for step in finding.path],
        "depth": finding.depth,
        "types": [_type(growth) for growth in finding.types],
        "key_shape": finding.key_shape,
        "sites": [_site(site) for site in finding.sites],
        "per_unit": _rate(finding.per_unit),
        "per_entry": finding.per_entry,
        "entries_per_unit": finding.entries_per_unit,
        "bound": _bound(finding.bound),
        "advice": finding.advice,
        "cause": _cause(finding.cause) if finding.cause else None,
        "code": _code(finding.code) if finding.code else None,
        "native": _native(finding.native) if finding.native else None,
        "waiting": [_site(site) for site in finding.waiting],
        "retained": finding.retained,
        "share": finding.share,
        "shared_with": list(finding.shared_with),
        "shape": finding.shape.value if finding.shape else None,
        "artefact": finding.artefact or None,
        "novelty": finding.novelty.value if finding.novelty else None,
        "grows": finding.grows or None,
        "graph": _graph(finding.graph) if finding.graph is not None else None,
        "units": finding.units,
    }


def _cause(cause: Cause) -> dict[str, str]:
    return {"slug": cause.slug, "title": cause.title, "why": cause.why, "fix": cause.fix, "pattern": cause.pattern}


def _code(code: Code) -> dict[str, Any]:
    return {
        "puts": [_code_site(found) for found in code.puts],
        "gones": [_code_site(found) for found in code.gones],
        "made": [_code_site(found) for found in code.made],
        "misses": [_code_site(found) for found in code.misses],
        "summary": code.summary,
        "bound": _bound(code.bound),
        "missing": code.missing or None,
        "pending": code.pending or None,
    }


def _code_site(found: CodeSite) -> dict[str, Any]:
    return {
        **_site(found.site),
        "how": found.how,
        "only": found.only or None,
        "per_unit": found.per_unit,
        "is_sure": found.is_sure,
    }


def _native(native: NativeEvidence) -> dict[str, Any]:
    return {**attrs.asdict(native), "calls": [attrs.asdict(call) for call in native.calls]}


def _step(step: Step) -> dict[str, str]:
    return {"step": step.label.strip(), "type": step.type, "label": step.label}


def _type(growth: TypeGrowth) -> dict[str, Any]:
    return {
        "name": growth.name,
        "per_unit": growth.per_unit,
        "count": growth.count,
        "per_entry": growth.per_entry,
        "site": _site(growth.site) if growth.site else None,
    }


def _site(site: Site) -> dict[str, Any]:
    return {"file": site.file, "line": site.line, "function": site.function, "code": site.code}


def _rate(rate: Rate) -> dict[str, float | None]:
    return {
        "objects": rate.objects,
        "bytes": rate.bytes,
        "blocks": rate.blocks,
        "native_bytes": rate.native_bytes,
        "descriptors": rate.descriptors,
    }


def _bound(bound: Bound | None) -> dict[str, Any] | None:
    return {"kind": bound.kind, "limit": bound.limit, "filled": bound.filled} if bound else None


def _round(measured: Round) -> dict[str, Any]:
    return {
        "phase": measured.phase.value,
        "units": measured.units,
        "objects": measured.objects,
        "blocks": measured.blocks,
        "native_bytes": measured.native_bytes,
        "fds": measured.fds,
        "threads": measured.threads,
        "freed": measured.freed,
    }


def _graph(graph: nx.DiGraph[str]) -> dict[str, Any]:
    """Return a graph as its nodes and its edges, which name nodes by their position."""
    positions = {name: position for position, name in enumerate(graph.nodes)}
    return {
        "nodes": [
            {"name": shortened(name, _LONGEST_NAME), "count": known.get("count"), "bytes": known.get("bytes")}
            for name, known in graph.nodes(data=True)
        ],
        "edges": [
            {"source": positions[source], "target": positions[target], "count": known.get("count")}
            for source, target, known in graph.edges(data=True)
        ],
    }
