"""What is in use as a file for pprof: by allocation stack, by type, or by who holds it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from leakdiff.capture.stacks import MOST_TRACES, in_use, is_tracing, traced_size
from leakdiff.capture.turns import quick_turns
from leakdiff.errors import LeakdiffError
from leakdiff.model.heap import Site
from leakdiff.model.profile import Profile, Sample
from leakdiff.model.snapshot import Heap, OwnerSize, Snapshot
from leakdiff.render.plain import size
from leakdiff.render.pprof import profile_bytes
from leakdiff.web.desk import Desk
from leakdiff.web.messages import Response
from leakdiff.web.refusals import BadParameter, Failed, NotMeasured, Refused
from leakdiff.web.routing import Asked

By = Literal["sites", "types", "owners"]

_HEADERS = (("Content-Disposition", 'attachment; filename="heap.pb.gz"'),)
_TO_BE_SHOWN = (("X-Go-Pprof", "1"),)  # go tool pprof shows the text of an error that has it
_BESIDE = "(in no container that is listed)"
_ENTRIES = (
    "inuse_objects are entries; bytes are those of a container without those of the containers below it, whose paths "
    "begin with its own"
)
_SHALLOW = "shallow sizes of all objects that were reached"
_LINES = "a stack is the one line that allocated"
_NAME = re.compile(r"\.\w")


def heap(asked: Asked) -> Response:
    """Return a profile; a refusal is a text that ``go tool pprof`` shows."""
    given = asked.given
    try:
        with quick_turns():
            named = given["head"]
            head = _named(asked.desk, named, given["by"]) if named else _present(asked.desk, given["by"])
            base = _named(asked.desk, given["base"], head.by) if given["base"] else None
            body = profile_bytes(head, base)
    except LeakdiffError as error:
        return _refusal(error if isinstance(error, Refused) else Failed.of(error))
    return Response(status=200, body=body, type="application/octet-stream", headers=_HEADERS)


def _refusal(refused: Refused) -> Response:
    return Response(status=refused.status, body=f"{refused}\n".encode(), headers=(*refused.headers, *_TO_BE_SHOWN))


# -- which -----------------------------------------------------------------------------------------


def _named(desk: Desk, name: str, by: str | None) -> Profile:
    """Return the profile of a tracing job or of a snapshot."""
    if "-" not in name:
        return of_snapshot(desk.snapshot(name), by)
    if by not in (None, "sites"):
        raise BadParameter("by", f"{name[:80]} traced allocations", "sites, or left out")
    return desk.profile(name)


def _present(desk: Desk, by: str | None) -> Profile:
    """Return what is in use now by stack, if that can be read; else what the latest snapshot saw."""
    if by in (None, "sites") and is_tracing():
        if traced_size() <= MOST_TRACES:
            with desk.jobs.turn("pprof"):
                return in_use().profile
        if by == "sites":
            raise NotMeasured(
                "What is in use by stack",
                f"tracemalloc's tables take {size(traced_size())}, and to copy more than {size(MOST_TRACES)} would "
                "stop all threads for too long: ask for ?by=owners.",
            )
    return _seen_last(desk, by)


def _seen_last(desk: Desk, by: str | None) -> Profile:
    """Return what the latest snapshot saw; of stacks what the latest tracing did, where that is later or alone."""
    traced = desk.traced() if by in (None, "sites") else None
    try:
        latest = desk.latest().snapshot
    except NotMeasured:
        if traced is not None:
            return traced[1]
        todo = "Take a snapshot first (POST snapshot), or trace allocations (POST tracing)."
        raise NotMeasured("What is in use", desk.under_way("snapshot") or todo) from None
    if by == "sites" and traced is not None and not _knows_sites(latest, since=traced[1].taken):
        return traced[1]
    return of_snapshot(latest, by)


def _knows_sites(snapshot: Snapshot, since: float) -> bool:
    return snapshot.heap is not None and snapshot.heap.sites is not None and snapshot.taken.utc >= since


def of_snapshot(snapshot: Snapshot, by: str | None) -> Profile:
    """Return a snapshot as a profile: by owners if it knows them, else by types.

    Raises:
        NotMeasured: If it does not have what was asked for.
    """
    found = snapshot.heap
    if found is None:
        raise NotMeasured("The heap", "The snapshot is one without a walk: POST snapshot takes one with.")
    wanted: By = "sites" if by == "sites" else "types" if by == "types" or found.owners is None else "owners"
    if wanted == "sites" and found.sites is None:
        raise NotMeasured("What is in use by site", "tracemalloc was off when the snapshot was taken: POST tracing.")
    if by == "owners" and found.owners is None:
        raise NotMeasured("What owners hold", "The snapshot was taken without them.")
    samples, notes = {"sites": _by_sites, "types": _by_types, "owners": _by_owners}[wanted](found)
    left_out = (notes, *snapshot.left_out)
    return Profile(taken=snapshot.taken.utc, by=wanted, samples=samples, left_out=left_out)


def _by_sites(found: Heap) -> tuple[tuple[Sample, ...], str]:
    return tuple(Sample((one.site,), one.count, one.bytes) for one in found.sites or ()), _LINES


def _by_types(found: Heap) -> tuple[tuple[Sample, ...], str]:
    return tuple(Sample((Site("", 0, one.name),), one.count, one.bytes) for one in found.types), _SHALLOW


# -- owners as a tree ------------------------------------------------------------------------------


def _by_owners(found: Heap) -> tuple[tuple[Sample, ...], str]:
    """Return the containers as a tree: under each its own bytes, without those of the containers in it."""
    owners = {owner.path: owner for owner in found.owners or ()}
    above = {path: _nearest_above(path, owners) for path in owners}
    inside = dict.fromkeys(owners, 0)
    for path, holder in above.items():
        if holder is not None:
            inside[holder] += owners[path].bytes
    samples = [
        Sample(_stack(owner), owner.entries, max(0, owner.bytes - inside[path])) for path, owner in owners.items()
    ]
    rest = found.bytes - sum(sample.bytes for sample in samples)
    if rest > 0:
        samples.append(Sample((Site("", 0, _BESIDE),), 0, rest))
    return tuple(sorted(samples, key=lambda sample: (-sample.bytes, sample.stack[0].function))), _ENTRIES


def _nearest_above(path: str, owners: Mapping[str, OwnerSize]) -> str | None:
    return next((part for part in reversed(list(_parts(path))) if part != path and part in owners), None)


def _stack(owner: OwnerSize) -> tuple[Site, ...]:
    """Return a frame for every part of a path, innermost first; each has the whole name, for pprof adds up by name."""
    parts = list(_parts(owner.path))
    starts = [] if owner.kind in ("module", "class") else [owner.kind]
    return tuple(Site("", 0, part) for part in reversed([*starts, *parts]))


def _parts(path: str) -> Iterator[str]:
    """Yield the beginnings of a path that end where a name or a step does: ``a``, ``a.b``, ``a.b[*]``."""
    depth = 0
    for at, char in enumerate(path):
        if at and depth == 0 and (char == "[" or _NAME.match(path, at)):
            yield path[:at]
        depth += (char in "[(") - (char in "])")
    yield path
