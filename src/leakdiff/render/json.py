"""A report as JSON, format 1; docs/reference/json.md has the schema."""

from __future__ import annotations

import json
from typing import Any

from leakdiff.model.heap import Bound, Site, Step
from leakdiff.model.report import Finding, Report, TypeGrowth
from leakdiff.model.signals import Rate, Round

FORMAT = 1


def render_json(report: Report) -> str:
    """Return the report as JSON text with sorted keys and a final newline."""
    return json.dumps(as_dict(report), indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def as_dict(report: Report) -> dict[str, Any]:
    """Return the report as plain dicts, lists, texts and numbers."""
    return {
        "format": FORMAT,
        "leakdiff": report.version,
        "python": report.python,
        "verdict": report.verdict.value,
        "because": report.because,
        "unit": report.unit,
        "findings": [_finding(finding) for finding in report.findings],
        "rounds": [_round(measured) for measured in report.rounds],
        "not_analysed": list(report.not_analysed),
        "cost": {"cpu_seconds": round(report.cost.cpu_seconds, 6), "walked": report.cost.walked},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "verdict": finding.verdict.value,
        "because": finding.because,
        "fingerprint": finding.fingerprint,
        "owner": finding.owner,
        "owner_type": finding.owner_type,
        "entries": finding.entries,
        "path": [_step(step) for step in finding.path],
        "types": [_type(growth) for growth in finding.types],
        "key_shape": finding.key_shape,
        "sites": [_site(site) for site in finding.sites],
        "per_unit": _rate(finding.per_unit),
        "per_entry": _rounded(finding.per_entry),
        "entries_per_unit": _rounded(finding.entries_per_unit),
        "bound": _bound(finding.bound),
        "advice": finding.advice,
    }


def _step(step: Step) -> dict[str, str]:
    return {"step": step.label.strip(), "type": step.type}


def _type(growth: TypeGrowth) -> dict[str, Any]:
    return {
        "name": growth.name,
        "per_unit": _rounded(growth.per_unit),
        "count": growth.count,
        "site": _site(growth.site) if growth.site else None,
    }


def _site(site: Site) -> dict[str, Any]:
    return {"file": site.file, "line": site.line, "function": site.function}


def _rate(rate: Rate) -> dict[str, float | None]:
    return {
        "objects": _rounded(rate.objects),
        "bytes": _rounded(rate.bytes),
        "blocks": _rounded(rate.blocks),
        "native_bytes": _rounded(rate.native_bytes),
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


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
