"""A report as JSON, format 1; docs/reference/json.md has the schema."""

from __future__ import annotations

import json
from typing import Any

import attrs

from leakdiff.model.cause import Cause
from leakdiff.model.code import Code, CodeSite
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
        "findings": [finding_dict(finding) for finding in report.findings],
        "rounds": [_round(measured) for measured in report.rounds],
        "confidence": report.confidence,
        "fixed": list(report.fixed),
        "not_analysed": list(report.not_analysed),
        "cost": {"cpu_seconds": round(report.cost.cpu_seconds, 6), "walked": report.cost.walked},
    }


def finding_dict(finding: Finding) -> dict[str, Any]:
    """Return what a report's JSON has of one finding."""
    return {
        "verdict": finding.verdict.value,
        "because": finding.because,
        "fingerprint": finding.fingerprint,
        "owner": finding.owner,
        "owner_type": finding.owner_type,
        "entries": finding.length,
        "path": [_step(step) for step in finding.path],
        "types": [_type(growth) for growth in finding.types],
        "key_shape": finding.key_shape,
        "sites": [_site(site) for site in finding.sites],
        "per_unit": _rate(finding.per_unit),
        "per_entry": _rounded(finding.per_entry),
        "entries_per_unit": _rounded(finding.entries_per_unit),
        "bound": _bound(finding.bound),
        "advice": finding.advice,
        "cause": _cause(finding.cause) if finding.cause else None,
        "code": _code(finding.code) if finding.code else None,
        "native": attrs.asdict(finding.native) if finding.native else None,
        "waiting": [_site(site) for site in finding.waiting],
        "retained": _rounded(finding.retained),
        "share": _rounded(finding.share),
        "shared_with": list(finding.shared_with),
        "shape": finding.shape.value if finding.shape else None,
        "artefact": finding.artefact or None,
        "novelty": finding.novelty.value if finding.novelty else None,
        **({"grows": finding.grows} if finding.grows else {}),
    }


def _cause(cause: Cause) -> dict[str, str]:
    return {"slug": cause.slug, "title": cause.title, "why": cause.why, "fix": cause.fix}


def _code(code: Code) -> dict[str, Any]:
    return {
        "puts": [_code_site(found) for found in code.puts],
        "gones": [_code_site(found) for found in code.gones],
        "made": [_code_site(found) for found in code.made],
        "misses": [_code_site(found) for found in code.misses],
        "summary": code.summary,
        "missing": code.missing or None,
        "pending": code.pending or None,
    }


def _code_site(found: CodeSite) -> dict[str, Any]:
    return {
        **_site(found.site),
        "how": found.how,
        "only": found.only or None,
        "per_unit": _rounded(found.per_unit),
        "is_sure": found.is_sure,
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
        "descriptors": _rounded(rate.descriptors),
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
