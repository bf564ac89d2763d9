"""What is taken out of measurements before anyone may see them here: what could be a piece of a key or a literal."""

from __future__ import annotations

import re
from typing import TypeVar

import attrs

from leakdiff.model.code import Code, CodeSite
from leakdiff.model.heap import Bound, Site
from leakdiff.model.profile import Profile
from leakdiff.model.report import Finding, Report, TypeGrowth
from leakdiff.model.snapshot import Heap, OwnerSize, SiteCount, Snapshot

_HIDDEN = "'...'"
_QUOTES = re.compile(r"['\"]")
_NUMBER = re.compile(r"(?<!line )(?<![\w.])[0-9][0-9_]{4,}(?![\w.])")  # longer than most limits; lines are told as such
_QUOTED = re.compile(r"(['\"])(.*?)\1")

_Site = TypeVar("_Site", Site, Site | None)


def discreet_report(report: Report) -> Report:
    """Return a report without source lines and literals, and without the graphs, which nobody asks for here."""
    findings = tuple(_finding(finding) for finding in report.findings)
    return attrs.evolve(report, because=masked(report.because), findings=findings)


def discreet_snapshot(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot without source lines, and with nothing of a key but its length and alphabet."""
    heap = snapshot.heap
    if heap is None:
        return snapshot
    sites = None if heap.sites is None else tuple(_site_count(found) for found in heap.sites)
    owners = None if heap.owners is None else tuple(_owner(owner) for owner in heap.owners)
    kept: Heap = attrs.evolve(heap, sites=sites, owners=owners)
    return attrs.evolve(snapshot, heap=kept)


def discreet_profile(profile: Profile) -> Profile:
    """Return a profile without source lines; one that has none, as those read here, is returned as it is.

    A stack has up to 32 lines and a profile 30,000 stacks: copies of lines would take a hundred times as much memory.
    """
    lines = {site: _site(site) for sample in profile.samples for site in sample.stack if site.code}
    if not lines:
        return profile
    samples = (
        attrs.evolve(sample, stack=tuple(lines.get(site, site) for site in sample.stack)) for sample in profile.samples
    )
    return attrs.evolve(profile, samples=tuple(samples))


def masked(text: str) -> str:
    """Return what was read from source without its literals: texts, and numbers that are longer than most limits.

    A text that was cut off has no closing quote, so all between the first quote and the last goes, and where one is
    missing all that follows.
    """
    quotes = [found.start() for found in _QUOTES.finditer(text)]
    if quotes:
        end = quotes[-1] + 1 if len(quotes) % 2 == 0 else len(text)
        text = text[: quotes[0]] + _HIDDEN + text[end:]
    return _NUMBER.sub("...", text)


def discreet_shape(shape: str | None) -> str | None:
    """Return the shape of keys without the start they share: it is a piece of each of them, such as a tenant's name."""
    return None if shape is None else _QUOTED.sub(lambda found: f"{len(found[2])} characters", shape)


def _finding(finding: Finding) -> Finding:
    return attrs.evolve(
        finding,
        because=masked(finding.because),
        advice=masked(finding.advice),
        key_shape=discreet_shape(finding.key_shape),
        types=tuple(_growth(growth) for growth in finding.types),
        sites=tuple(_site(site) for site in finding.sites),
        waiting=tuple(_site(site) for site in finding.waiting),
        bound=_bound(finding.bound),
        code=None if finding.code is None else _code(finding.code),
        graph=None,
    )


def _growth(growth: TypeGrowth) -> TypeGrowth:
    return attrs.evolve(growth, site=_site(growth.site))


def _code(code: Code) -> Code:
    return attrs.evolve(
        code,
        puts=tuple(_code_site(found) for found in code.puts),
        gones=tuple(_code_site(found) for found in code.gones),
        made=tuple(_code_site(found) for found in code.made),
        misses=tuple(_code_site(found) for found in code.misses),
        summary=masked(code.summary),
        missing=masked(code.missing),
        pending=masked(code.pending),
        bound=_bound(code.bound),
    )


def _code_site(found: CodeSite) -> CodeSite:
    return attrs.evolve(found, site=_site(found.site), how=masked(found.how), only=masked(found.only))


def _site(site: _Site) -> _Site:
    return site if site is None or not site.code else attrs.evolve(site, code="")


def _bound(bound: Bound | None) -> Bound | None:
    return None if bound is None else attrs.evolve(bound, kind=masked(bound.kind))


def _site_count(found: SiteCount) -> SiteCount:
    return attrs.evolve(found, site=_site(found.site)) if found.site.code else found


def _owner(owner: OwnerSize) -> OwnerSize:
    if owner.bound is None and "'" not in (owner.key_shape or ""):
        return owner
    return attrs.evolve(owner, key_shape=discreet_shape(owner.key_shape), bound=_bound(owner.bound))
