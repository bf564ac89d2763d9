"""Measurements: those that are kept, and one of them, its progress first and then its result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from leakdiff.model.profile import Profile, Sample
from leakdiff.model.report import Finding, Report
from leakdiff.render.html import as_page
from leakdiff.render.json import as_dict
from leakdiff.render.plain import counted
from leakdiff.render.text import claim, told
from leakdiff.web.cells import moment, span
from leakdiff.web.desk import Desk
from leakdiff.web.jobs import Job, Outcome
from leakdiff.web.routing import Asked
from leakdiff.web.view import Block, Cell, Column, Facts, Findings, Form, Link, Progress, Table, Text, View
from leakdiff.web.views.parts import notes_of, place_of, plain, plain_header, plain_site

REFRESH = 2.0
_MOST_SAMPLES = 50
_MOST_PLAIN_SAMPLES = 500
_NAMES = {"snapshot": "Snapshot", "watch": "Watch", "tracing": "Tracing", "gc": "Garbage collection"}


def jobs(asked: Asked) -> View:
    """List the measurements that are kept, the latest first."""
    kept = asked.desk.jobs.all()
    running = asked.desk.jobs.running()
    return View(
        title="Jobs",
        said=f"{name_of(running)} is under way: {running.said}." if running is not None else _counted(kept),
        blocks=[
            Table(
                columns=(
                    Column("Job"),
                    Column("Kind"),
                    Column("State"),
                    Column("Began", "time"),
                    Column("Took", "seconds"),
                    Column("Said"),
                ),
                rows=tuple(_row(job) for job in kept),
                empty="none yet",
            )
        ],
        data={"jobs": [plain_job(job) for job in kept], "running": running.id if running is not None else None},
        refresh=REFRESH if running is not None else None,
    )


def _counted(kept: Sequence[Job]) -> str:
    failed = sum(job.state == "failed" for job in kept)
    return f"{counted(len(kept), 'job')} kept, {failed:,} of them failed; none is under way."


def name_of(job: Job) -> str:
    """Return what a job is, as people call it."""
    return _NAMES.get(job.kind, job.kind)


def _row(job: Job) -> tuple[Cell, ...]:
    took = job.ended - job.began if job.ended is not None else None
    return Link(job.id, f"/jobs/{job.id}"), job.kind, job.state, job.began, took, job.said


def plain_job(job: Job) -> dict[str, Any]:
    """Return a job for JSON, without its result."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "began": job.began,
        "ended": job.ended,
        "expected": job.expected,
        "share": job.share,
        "job_said": job.said,
        "slug": job.slug or None,
    }


# -- one of them -----------------------------------------------------------------------------------


def job(asked: Asked) -> View:
    """Say how far a measurement is, or what came of it."""
    found = asked.desk.jobs.get(asked.given["job"])
    if found.state == "running":
        return _running(found)
    if found.state == "stopped":
        return _stopped(found)
    if found.state == "failed" or found.outcome is None:
        return _failed(found)
    return _done(asked.desk, found, found.outcome)


def _running(found: Job) -> View:
    left = found.began + found.expected - time.time()
    still = f", about {span(left)} left" if left > 1 else ""
    stop = Form(label="Stop", to=f"/jobs/{found.id}/stop", said="Ends it; nothing of it is kept.")
    can_stop = found.kind != "gc" and not found.is_stopping
    return View(
        title=name_of(found),
        said=f"{name_of(found)} is {'ending' if found.is_stopping else 'under way'}: {found.said}{still}.",
        blocks=[Progress(share=found.share, said=found.said), *([stop] if can_stop else []), _facts(found)],
        data=plain_job(found),
        refresh=REFRESH,
    )


def _failed(found: Job) -> View:
    return View(
        title=f"{name_of(found)} failed",
        said=f"{name_of(found)} failed: {found.said}",
        blocks=[_facts(found), Text(text="The service itself is not affected. Other measurements can be taken.")],
        data=plain_job(found),
    )


def _stopped(found: Job) -> View:
    return View(
        title=f"{name_of(found)} stopped",
        said=f"{name_of(found)} was stopped before its end, and nothing of it is kept.",
        blocks=[_facts(found)],
        data=plain_job(found),
    )


def _facts(found: Job, *further: tuple[str, Cell]) -> Facts:
    ended: tuple[tuple[str, Cell], ...] = ()
    if found.ended is not None:
        ended = (("took", span(found.ended - found.began)),)
    slug = (("slug", found.slug),) if found.slug else ()
    return Facts(
        title="Job",
        rows=(
            ("job", found.id),
            ("state", found.state),
            ("began", moment(found.began)),
            *ended,
            *slug,
            *further,
        ),
    )


def _done(desk: Desk, found: Job, outcome: Outcome) -> View:
    report = outcome.report
    return View(
        title=name_of(found),
        verdict=report.verdict.value if report is not None else "",
        said=outcome.said if report is None else " ".join(outcome.said.removeprefix(f"{report.verdict}: ").split()),
        blocks=[
            *(_of_report(found, report) if report is not None else []),
            *(_of_snapshot(desk, outcome) if outcome.snapshot is not None else []),
            *(_of_profile(found, outcome.profile) if outcome.profile is not None else []),
            _facts(found, *outcome.facts),
        ],
        data={**plain_job(found), **_plain_outcome(desk, outcome)},
    )


def _plain_outcome(desk: Desk, outcome: Outcome) -> dict[str, Any]:
    snapshot = outcome.snapshot
    name = snapshot_name(desk, outcome)
    return {
        "facts": [{"name": fact, "value": value} for fact, value in outcome.facts],
        "snapshot": plain_header(name or "", snapshot) if snapshot is not None else None,
        "report": plain(as_dict(outcome.report)) if outcome.report is not None else None,
        "profile": _plain_profile(outcome.profile) if outcome.profile is not None else None,
    }


# -- what a job found ------------------------------------------------------------------------------


def _of_report(found: Job, report: Report) -> list[Block]:
    return [
        findings_table(report),
        Findings(title="Report", page=as_page(report), text=report.text()),
        Facts(rows=(("to attach to a ticket", Link("report.html", f"/report.html?job={found.id}")),)),
    ]


def findings_table(report: Report, most: int | None = None) -> Table:
    """List the findings of a report, the gravest first, each with a link to its page."""
    findings = told(report)
    shown = findings[:most]
    return Table(
        title="Findings",
        columns=(Column("Finding"), Column("Verdict"), Column("What")),
        rows=tuple(_finding_row(finding) for finding in shown),
        empty="none: nothing grew that stayed",
        left_out=len(findings) - len(shown),
    )


def _finding_row(finding: Finding) -> tuple[Cell, ...]:
    name = Link(finding.fingerprint, f"/findings/{finding.fingerprint}")
    return name, finding.verdict.value, claim(finding)


def snapshot_name(desk: Desk, outcome: Outcome) -> str | None:
    """Return the name of the snapshot that a job took; None where it is no longer kept."""
    return next((kept.id for kept in desk.snapshots() if kept.snapshot is outcome.snapshot), None)


def _of_snapshot(desk: Desk, outcome: Outcome) -> list[Block]:
    name = snapshot_name(desk, outcome)
    if name is None:
        return [Text(text="The snapshot is not kept any more: only the latest are.")]
    views = tuple(
        (what, Link(what, f"/{what}?snapshot={name}")) for what in ("summary", "owners", "types", "sites", "resources")
    )
    names = [kept.id for kept in desk.snapshots()]
    before = next(iter(names[names.index(name) + 1 :]), None)
    diff = (("what changed since", Link(before, f"/diff?base={before}&head={name}")),) if before is not None else ()
    rows: tuple[tuple[str, Cell], ...] = (("snapshot", name), *views, *diff)
    return [Facts(title="Look at", rows=rows)]


def _of_profile(found: Job, profile: Profile) -> list[Block]:
    shown = profile.samples[:_MOST_SAMPLES]
    window = f" in {span(profile.seconds)}" if profile.seconds else ""
    return [
        Table(
            title=f"What was allocated{window} and is still there, by line",
            columns=(
                Column("Line", "code"),
                Column("Function", "code"),
                Column("Blocks", "number"),
                Column("Bytes", "bytes"),
                Column("Called from", "code"),
            ),
            rows=tuple(_sample_row(sample) for sample in shown),
            empty="nothing is still there",
            left_out=len(profile.samples) - len(shown),
        ),
        Facts(rows=(("for go tool pprof", Link("pprof/heap", f"/pprof/heap?head={found.id}")),)),
        *notes_of(profile.left_out),
    ]


def _sample_row(sample: Sample) -> tuple[Cell, ...]:
    if not sample.stack:
        return "(unknown)", None, sample.objects, sample.bytes, None
    line, callers = sample.stack[0], sample.stack[1:]
    called_from = place_of(callers[0]) if callers else None
    return place_of(line), line.function or None, sample.objects, sample.bytes, called_from


def _plain_profile(profile: Profile) -> dict[str, Any]:
    return {
        "taken": profile.taken,
        "by": profile.by,
        "seconds": profile.seconds,
        "samples": [
            {
                "stack": [plain_site(site) for site in sample.stack],
                "objects": sample.objects,
                "bytes": sample.bytes,
            }
            for sample in profile.samples[:_MOST_PLAIN_SAMPLES]
        ],
        "left_out": max(0, len(profile.samples) - _MOST_PLAIN_SAMPLES),
        "not_analysed": list(profile.left_out),
    }
