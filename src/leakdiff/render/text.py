"""A report as text: one line, or the whole first screen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from leakdiff.model.baseline import novelty_sentence
from leakdiff.model.code import Code, CodeSite
from leakdiff.model.heap import Site
from leakdiff.model.native import C_HEAP, DESCRIPTORS, UNCOLLECTED, NativeEvidence
from leakdiff.model.report import Finding, Report, Verdict
from leakdiff.model.signals import rate_text
from leakdiff.render.plain import printable, size, when, who_of
from leakdiff.source_files import is_users_file

_MOST_FINDINGS = 5
_MOST_TYPES = 5
_MOST_SITES = 3
_UNBOUND = " without "  # says which bound the owner was not given
_LEAST_SHOWN = 0.01


def headline(report: Report) -> str:
    """Return the report in one line."""
    like_it = [finding for finding in report.findings if finding.verdict is report.verdict]
    if not like_it or report.verdict is Verdict.STABLE:
        return f"leakdiff: {report.verdict}  {printable(report.because)}"
    return f"leakdiff: {title(like_it[0])}"


def render_text(report: Report) -> str:
    """Return the whole report; ends without a newline."""
    shown = told(report)
    blocks = [finding_text(finding) for finding in shown[:_MOST_FINDINGS]]
    if not blocks:
        blocks = [headline(report)]
    if len(shown) > _MOST_FINDINGS:
        blocks.append(f"  and {len(shown) - _MOST_FINDINGS} smaller findings (--json has them all)")
    if report.also:
        blocks.append("\n".join(f"  {name:<5}  {printable(text)}" for name, text in report.also))
    if report.confidence:
        blocks.append(f"  {printable(report.confidence)}")
    if beside := novelty_sentence(report):
        blocks.append(f"  beside the baseline: {printable(beside)}")
    if report.not_analysed:
        blocks.append("\n".join(f"  note   {printable(note)}" for note in report.not_analysed))
    return "\n\n".join(blocks)


def origin(report: Report) -> str:
    """Say when a report was made, and of which process; empty where that is not known."""
    if report.taken is None or report.identity is None:
        return ""
    return f"made {when(report.taken)} of {who_of(report.identity)}"


def told(report: Report) -> list[Finding]:
    """Return the findings that are worth telling: what is stable is not, but for one of each kind that is excused."""
    excused: dict[str, Finding] = {}
    for finding in report.findings:
        if finding.verdict is Verdict.STABLE and finding.artefact:
            excused.setdefault(finding.artefact, finding)
    return [*(finding for finding in report.findings if finding.verdict is not Verdict.STABLE), *excused.values()]


def title(finding: Finding) -> str:
    """Return a finding in one line."""
    novelty = f" {finding.novelty}" if finding.novelty else ""
    return f"{finding.verdict}{novelty}  {claim(finding)}    [{finding.fingerprint}]"


def claim(finding: Finding) -> str:
    """Say in a few words what a finding says."""
    rate, unit = finding.per_unit, finding.unit
    if finding.owner is None:
        return _claim_without_owner(finding)
    name = printable(finding.owner)
    # Of live traffic, only the whole is known.
    always = ", never shrinks" if unit == "unit" and finding.verdict is Verdict.LEAK else ""
    if finding.verdict is Verdict.FILLING and finding.bound is not None:
        return f"{name} fills up: {finding.bound.filled:,} of {finding.bound.limit:,} entries, then it stops"
    if finding.entries_per_unit is not None:
        return f"{name} {_gaining(finding)}{always}"
    if rate.objects == 0:
        return f"{name} grows by {size(rate.bytes)} per {unit}{always}"
    return f"{name} grows by {rate_text(rate.objects)} objects per {unit}, {size(rate.bytes)}{always}"


def _gaining(finding: Finding) -> str:
    """Say how many entries an owner gains, and how."""
    each = f", {size(finding.per_entry)} each" if finding.per_entry else ""
    entries = f"{rate_text(finding.entries_per_unit or 0)} entries per {finding.unit}"
    if finding.verdict is Verdict.CHURN:
        return f"rises and falls, {finding.length:,} entries now{each}"
    if finding.verdict is Verdict.WARMUP:
        return f"grows more and more slowly, at last by {entries}{each}"
    return f"grows by {entries}{each}"


def _claim_without_owner(finding: Finding) -> str:
    rate, unit = finding.per_unit, finding.unit
    if finding.types:
        first = finding.types[0]
        return f"{rate_text(first.per_unit)} {printable(first.name)} per {unit} stay alive without a Python owner"
    if finding.owner_type == C_HEAP:
        return f"the C heap grows by {size(rate.native_bytes or 0)} per {unit}"
    if finding.owner_type == DESCRIPTORS:
        return "file descriptors are opened and never closed"
    if finding.owner_type == UNCOLLECTED:
        return f"{rate_text(rate.objects)} objects per {unit} in cycles that nobody collects: gc is disabled"
    return f"{rate_text(rate.blocks or 0)} memory blocks per {unit} stay allocated without an owner"


def finding_text(finding: Finding) -> str:
    """Return a finding as a block of the report; ends without a newline."""
    lines = [f"leakdiff: {title(finding)}", ""]
    lines.extend(f"  {name:<5}  {printable(text)}" for name, text in rows(finding))
    return "\n".join(lines)


def rows(finding: Finding) -> Iterator[tuple[str, str]]:
    """Yield what is known of a finding, as a name and a text each; not yet printable."""
    is_excused = finding.verdict is Verdict.STABLE and finding.artefact
    return _excused_rows(finding) if is_excused else _rows(finding)


def _rows(finding: Finding) -> Iterator[tuple[str, str]]:
    if finding.types:
        yield "what", _what(finding)
    if finding.owner is not None:
        yield "owner", _owner(finding)
        yield from _each(finding)
        yield from _sharing(finding)
    if finding.grows:
        yield "grows", finding.grows
    yield "path", _path(finding)
    for site in finding.sites[:_MOST_SITES]:
        yield "born", _site(site)
    for site in finding.waiting:
        yield "waits", _site(site)
    if finding.code is not None:
        yield from _code_rows(finding.code)
    if finding.native is not None:
        yield from _native_rows(finding.native, finding.unit)
    yield "why", finding.because
    yield from _advice_rows(finding)


def _excused_rows(finding: Finding) -> Iterator[tuple[str, str]]:
    """Yield who keeps it and what to do: no more is asked of what is no fault of the program."""
    yield "owner", _owner(finding)
    yield from _advice_rows(finding)


def _advice_rows(finding: Finding) -> Iterator[tuple[str, str]]:
    if finding.artefact:
        yield "known", finding.artefact
    if finding.cause is not None:
        yield "cause", f"{finding.cause.title}: {finding.cause.why} (leakdiff cause {finding.cause.slug})"
    if finding.advice:
        yield "fix", finding.advice


def _owner(finding: Finding) -> str:
    noun = "members" if finding.owner_type in ("set", "frozenset") else "keys"
    keys = f"         {noun}: {printable(finding.key_shape)}" if finding.key_shape else ""
    held = f", {finding.length:,} entries" if finding.entries_per_unit is not None else ""
    return f"{printable(finding.owner or '')}     {finding.owner_type}{held}{keys}"


def _each(finding: Finding) -> Iterator[tuple[str, str]]:
    """Say what one entry retains, by type."""
    shown = [(growth.per_entry or 0.0, growth.name) for growth in finding.types[:_MOST_TYPES]]
    parts = [f"{rate_text(ratio)} {printable(name)}" for ratio, name in shown if ratio >= _LEAST_SHOWN]
    if parts and finding.per_entry:
        yield "each", f"{', '.join(parts)}: {size(finding.per_entry)}"


def _sharing(finding: Finding) -> Iterator[tuple[str, str]]:
    """Say who else holds the same objects, and what removing them here alone would free."""
    if not finding.shared_with:
        return
    others = ", ".join(finding.shared_with)
    alone = f": without {finding.owner} alone, {size(finding.retained or 0)} per {finding.unit} would go"
    yield "also", f"held by {others}{alone}"


def _code_rows(code: Code) -> Iterator[tuple[str, str]]:
    for found in code.made[:1]:
        yield "made", f"{_site(found.site)}      {found.how if _UNBOUND in found.how else ''}".rstrip()
    for found in _worth_showing(code.puts):
        yield "put", _code_site(found)
    for found in _worth_showing(code.gones):
        yield "gone", _code_site(found)
    for found in code.misses[:_MOST_SITES]:
        yield "miss", f"{_site(found.site)}      {found.how}"
    if code.pending:
        yield "ends", code.pending
    if code.summary or code.missing:
        yield "code", "; ".join(dict.fromkeys(text for text in (code.summary, code.missing) if text))


def _worth_showing(sites: Sequence[CodeSite]) -> Sequence[CodeSite]:
    """Leave out lines of libraries that were seen not to run, where there are others."""
    telling = [found for found in sites if found.per_unit != 0.0 or is_users_file(found.site.file)]
    return (telling or sites)[:_MOST_SITES]


def _code_site(found: CodeSite) -> str:
    return f"{_site(found.site)}      {found.only}".rstrip()


def _native_rows(native: NativeEvidence, unit: str) -> Iterator[tuple[str, str]]:
    for call in native.calls[:_MOST_SITES]:
        left = [
            text
            for text, much in (
                (f"{size(call.bytes)} of the C heap", call.bytes >= 1),
                (f"{rate_text(call.blocks)} blocks", call.blocks >= _LEAST_SHOWN),
            )
            if much
        ]
        source = f"     {call.distribution}" if call.distribution else ""
        yield (
            "call",
            f"{call.function}()  leaves {' and '.join(left)} per {unit}, called {rate_text(call.calls)} times{source}",
        )
    if native.references:
        yield "refs", native.references
    for line in native.reproduce.splitlines():
        yield "again", line


def _what(finding: Finding) -> str:
    shown = [f"+{growth.count:,} {printable(growth.name)}" for growth in finding.types[:_MOST_TYPES]]
    more = len(finding.types) - _MOST_TYPES
    if more > 0:
        shown.append(f"and {more} more types")
    if (finding.per_unit.descriptors or 0.0) >= _LEAST_SHOWN:
        shown.append(f"{rate_text(finding.per_unit.descriptors or 0.0)} open descriptors per {finding.unit}")
    return "   ".join(shown) + (f"      in {finding.units:,} units" if finding.units else "")


def _path(finding: Finding) -> str:
    first, *rest = finding.path
    named = [f"{first.type} {first.label}" if first.type != "native" else first.label]
    named.extend(step.label.strip().removeprefix(".") for step in rest)
    if len(finding.path) > finding.depth:
        named.append(finding.path[-1].type)
    return " ─ ".join(printable(name) for name in named)


def _site(site: Site) -> str:
    place = f"{short_path(site.file)}:{site.line}"
    where = f"in {site.function}" if site.function else ""
    return f"{place}  {where:<20}  {printable(site.code)}".rstrip()


def short_path(path: str) -> str:
    """Return a path as a reader knows it: below the working folder, or from the package on."""
    for part in ("site-packages", "dist-packages"):
        if (marker := f"{os.sep}{part}{os.sep}") in path:
            return path.rpartition(marker)[2]
    try:
        relative = os.path.relpath(path) if os.path.isabs(path) else path
    except (OSError, ValueError):  # the working folder is gone, or on another drive
        relative = os.pardir
    return relative if not relative.startswith("..") else _last_parts(path.split(os.sep))


def _last_parts(parts: Sequence[str]) -> str:
    return os.sep.join(parts[-3:])
