"""What changes something: each begins a measurement in the background and says where its result will be."""

from __future__ import annotations

from leakdiff.web import captures
from leakdiff.web.jobs import Job
from leakdiff.web.routing import Asked
from leakdiff.web.view import Progress, View

_TITLES = {"snapshot": "Snapshot", "watch": "Watch", "tracing": "Tracing", "gc": "Collection"}
_NOT_IN_BETWEEN = "A collection cannot be stopped; it ends by itself."


def snapshot(asked: Asked) -> View:
    """Take a snapshot of the heap."""
    return _begun(captures.begin_snapshot(asked.desk))


def watch(asked: Asked) -> View:
    """Watch live traffic."""
    return _begun(captures.begin_watch(asked.desk, asked.given["seconds"]))


def tracing(asked: Asked) -> View:
    """Trace allocations for a while."""
    return _begun(captures.begin_tracing(asked.desk, asked.given["seconds"]))


def gc(asked: Asked) -> View:
    """Run a full collection."""
    return _begun(captures.begin_collection(asked.desk))


def stop(asked: Asked) -> View:
    """End a measurement that is under way."""
    job = asked.desk.jobs.stop(asked.given["job"])
    said = _NOT_IN_BETWEEN if job.kind == "gc" else "It ends within a second."
    return View(
        title=_TITLES[job.kind],
        said=said if job.state == "running" else f"It has ended already: {job.said}",
        data={"job": job.id, "kind": job.kind, "state": job.state, "url": f"jobs/{job.id}"},
        status=202,
        location=f"/jobs/{job.id}",
    )


def _begun(job: Job) -> View:
    """Say that a job has begun; the URL in the data is relative to that of the request, whatever stands before it."""
    place = f"jobs/{job.id}"
    return View(
        title=_TITLES[job.kind],
        said=f"Begun; it takes about {job.expected:.0f} s. Its progress and its result are at {place}.",
        blocks=(Progress(share=job.share, said=job.said),),
        data={"job": job.id, "kind": job.kind, "url": place, "expected_seconds": job.expected},
        status=202,
        location=f"/{place}",
    )
