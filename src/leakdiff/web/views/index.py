"""The first page: does it leak, what runs, what is broken, what to press, and where to look."""

from __future__ import annotations

import time
from typing import Any

import attrs

from leakdiff import live
from leakdiff.capture.collector import tracked_about
from leakdiff.model.report import ACCUSING, Verdict
from leakdiff.model.snapshot import Identity, Snapshot
from leakdiff.model.trend import Trend
from leakdiff.render.plain import size
from leakdiff.render.text import headline
from leakdiff.watcher import told
from leakdiff.web.cells import span
from leakdiff.web.desk import Desk, Seen
from leakdiff.web.jobs import Job
from leakdiff.web.refusals import Broken, NotMeasured, NotReady
from leakdiff.web.routing import ROUTES, Asked
from leakdiff.web.view import Block, Cell, Column, Facts, Form, Link, Progress, Table, Text, View
from leakdiff.web.views.health import NO_MONITOR, faults_of, owner_faults
from leakdiff.web.views.jobs import REFRESH, findings_table, name_of, plain_job
from leakdiff.web.views.parts import plain, snapshot_form, tracing_form, watch_form
from leakdiff.web.views.trend import time_to_limit, trend_said

_WORKERS = "With several workers each answer may come from another one: look at the pid."
_NOT_MEASURED = "Nothing was measured yet: press Watch to see whether it leaks and who holds it."
_NOT_YET = "Not known yet: {}. Press Watch to see now whether it leaks and who holds it."
_COMPUTING = "It is being computed, for somebody who asked before: ask again in a few seconds."
_STOPPED_FOR = (0.4e-6, 1.5e-6)  # seconds a full collection takes for each object it tracks, at best and at worst
_NEARLY_FULL = 0.9
_MOST_FINDINGS = 5


@attrs.frozen(kw_only=True)
class _Known:
    """What is known at this moment."""

    identity: Identity
    now: Snapshot | None
    seen: Seen | None
    trend: Trend | None
    running: Job | None
    growth: float | None
    is_computing: bool
    faults: tuple[str, ...]


def index(asked: Asked) -> View:
    """Say whether it leaks, what grows and who holds it, as far as that is known, and how to learn more."""
    desk = asked.desk
    known = _known(desk)
    verdict = _verdict(known)
    return View(
        title="leakdiff",
        verdict=verdict.value if verdict is not None else "",
        said=_said(known),
        blocks=_blocks(desk, known),
        data=_plain(desk, known),
        refresh=REFRESH if known.running is not None else None,
    )


# -- what is known ---------------------------------------------------------------------------------


def _known(desk: Desk) -> _Known:
    """Gather what is known; what fails is a sentence, and the rest goes on."""
    faults = _faults(desk)
    trend = now = None
    is_computing = False
    try:
        trend = desk.trend()
    except NotMeasured:
        pass
    except NotReady:
        is_computing = True
    except Broken as error:  # says of itself what could not be shown
        faults.append(str(error))
    except Exception as error:  # noqa: BLE001 - a store may be anybody's
        faults.append(f"The history cannot be read: {told(error)}")
    try:
        now = live.measure(who=desk.settings.who)
    except Exception as error:  # noqa: BLE001 - whatever it is, the rest of the page is good
        faults.append(f"Memory cannot be measured: {told(error)}")
    return _Known(
        identity=desk.identity(),
        now=now,
        seen=next(iter(desk.reports()), None),
        trend=trend,
        running=desk.jobs.running(),
        growth=desk.monitor.growth() if desk.monitor is not None else None,
        is_computing=is_computing,
        faults=tuple(faults),
    )


def _faults(desk: Desk) -> list[str]:
    faults = [*faults_of(desk.monitor.health()), *owner_faults(desk.monitor)] if desk.monitor is not None else []
    last = next((job for job in desk.jobs.all() if job.state != "running"), None)
    if last is not None and last.state == "failed":
        faults.append(f"The last measurement ({last.kind}, job {last.id}) failed: {last.said}")
    return faults


def _verdict(known: _Known) -> Verdict | None:
    """Return the graver of what was watched and what the history says; a watch counts for more where both accuse."""
    found = [known.seen.report.verdict] if known.seen is not None else []
    if known.trend is not None:
        found.append(known.trend.verdict)
    accusing = [verdict for verdict in found if verdict in ACCUSING]
    sure = [verdict for verdict in found if verdict is not Verdict.INCONCLUSIVE]
    return next(iter(accusing or sure or found), None)


def _said(known: _Known) -> str:
    told_by = []
    if known.seen is not None:
        report, ended = known.seen.report, known.seen.job.ended or known.seen.job.began
        claim = " ".join(headline(report).removeprefix(f"leakdiff: {report.verdict}").partition("    [")[0].split())
        told_by.append((report.verdict, f"{claim} (watched {_ago(ended)})"))
    if known.seen is None and known.trend is not None and known.trend.verdict is Verdict.INCONCLUSIVE:
        told_by.append((known.trend.verdict, _NOT_YET.format(known.trend.because)))
    elif known.trend is not None:
        told_by.append((known.trend.verdict, f"{trend_said(known.trend)} (by the monitor's history)"))
    verdict = _verdict(known)
    said = [sentence for of, sentence in told_by if of is verdict] or [sentence for _, sentence in told_by]
    running = f"{name_of(known.running)} is under way. " if known.running is not None else ""
    return running + next(iter(said), _NOT_MEASURED)


def _ago(utc: float) -> str:
    return f"{span(max(0.0, time.time() - utc))} ago"


# -- the page --------------------------------------------------------------------------------------


def _blocks(desk: Desk, known: _Known) -> list[Block]:
    return [
        *([Text(title="What is broken", text="\n".join(known.faults))] if known.faults else []),
        *_running(known),
        *_watched(known),
        *_history(desk, known),
        *([_memory(known.now, known.growth)] if known.now is not None else []),
        watch_form(),
        snapshot_form(),
        tracing_form(),
        _gc_form(),
        _links(),
        _who(known.identity),
    ]


def _running(known: _Known) -> list[Block]:
    job = known.running
    if job is None:
        return []
    link = Facts(title="Under way", rows=((name_of(job), Link(job.id, f"/jobs/{job.id}")),))
    return [link, Progress(share=job.share, said=job.said)]


def _watched(known: _Known) -> list[Block]:
    if known.seen is None:
        return []
    job = known.seen.job
    when = Facts(title="The last watch", rows=((_ago(job.ended or job.began), Link(job.id, f"/jobs/{job.id}")),))
    return [when, findings_table(known.seen.report, _MOST_FINDINGS)]


def _history(desk: Desk, known: _Known) -> list[Block]:
    trend = known.trend
    if desk.monitor is None:
        return [Text(title="The history", text=NO_MONITOR)]
    if trend is None:
        return [Text(title="The history", text=_COMPUTING)] if known.is_computing else []
    is_said = trend.because in _said(known)
    rows: list[tuple[str, Cell]] = [
        ("verdict", trend.verdict.value),
        *([] if is_said else [("because", trend.because)]),
        ("more", Link("trend", "/trend")),
    ]
    if trend.deploy is not None:
        rows.append(("since version", trend.deploy.version or "one without a name"))
    limit = time_to_limit(trend)
    if limit is not None:
        rows.append(("time to the limit", limit))
    if trend.enough_in is not None:
        rows.append(("enough to tell in", span(trend.enough_in * 3_600)))
    return [Facts(title="The history", rows=tuple(rows))]


def _memory(now: Snapshot, growth: float | None) -> Facts:
    memory, cgroup = now.memory, now.cgroup
    rows: list[tuple[str, Cell]] = [("resident set", size(memory.rss))]
    if memory.native is not None:
        rows.append(("native heap", size(memory.native)))
    rows.append(("memory blocks", f"{memory.blocks:,}"))
    if growth is not None:
        rows.append(("grows by", f"{size(growth * 3_600)} an hour, by the monitor's latest measurements"))
    if cgroup is not None:
        rows.append(("container", _container(cgroup.usage, cgroup.limit)))
    if now.units is not None:
        rows.append(("units of work", f"{now.units:,}"))
    return Facts(title="Memory now", rows=tuple(rows))


def _container(usage: int, limit: int | None) -> str:
    if not limit:
        return f"{size(usage)}, no limit"
    warning = ": it will be killed soon" if usage / limit >= _NEARLY_FULL else ""
    return f"{size(usage)} of {size(limit)}, {usage / limit:.0%}{warning}"


def _gc_form() -> Form:
    """Offer a full collection, and say how long everything will stand still."""
    objects = tracked_about()
    low, high = (span(objects * cost) for cost in _STOPPED_FOR)
    return Form(
        label="Collect garbage",
        to="/gc",
        said=f"Stops all threads of this process while it runs, from {low} to {high} for about {objects:,} objects.",
    )


def _links() -> Table:
    shown = [route for route in ROUTES if route.method == "GET" and "{" not in route.path and route.path != "/"]
    return Table(
        title="Views",
        columns=(Column("Path"), Column("What it answers")),
        rows=tuple((Link(route.path.removeprefix("/"), route.path), route.said) for route in shown),
    )


def _who(identity: Identity) -> Facts:
    return Facts(
        title="Which process",
        rows=(
            ("service", identity.service or "not named"),
            ("version", identity.version or "not named"),
            ("revision", identity.revision or "not named"),
            ("host", identity.host),
            ("pid", str(identity.pid)),
            ("up for", span(max(0.0, time.time() - identity.started)) if identity.started else "unknown"),
            ("boot", identity.boot_id or "unknown"),
            ("Python", identity.python),
            ("leakdiff", identity.leakdiff),
            ("note", _WORKERS),
        ),
    )


# -- JSON ------------------------------------------------------------------------------------------


def _plain(desk: Desk, known: _Known) -> dict[str, Any]:
    seen, trend, now = known.seen, known.trend, known.now
    return {
        "faults": list(known.faults),
        "running": plain_job(known.running) if known.running is not None else None,
        "watch": _plain_watch(seen) if seen is not None else None,
        "trend": plain(trend),
        "monitor": plain(desk.monitor.health()) if desk.monitor is not None else None,
        "memory": plain(now.memory) if now is not None else None,
        "container": plain(now.cgroup) if now is not None else None,
        "growth_bytes_per_second": plain(known.growth),
        "units": now.units if now is not None else None,
        "identity": plain(known.identity),
        "views": [{"method": route.method, "path": route.path, "said": route.said} for route in ROUTES],
    }


def _plain_watch(seen: Seen) -> dict[str, Any]:
    return {
        "job": seen.job.id,
        "ended": seen.job.ended,
        "verdict": seen.report.verdict.value,
        "headline": headline(seen.report).removeprefix("leakdiff: "),
        "findings": [
            {"fingerprint": finding.fingerprint, "verdict": finding.verdict.value, "owner": finding.owner}
            for finding in seen.report.findings
        ],
    }
