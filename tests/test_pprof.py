"""Profiles for pprof: what is written is what Go's own tool reads, also over HTTP, also as a difference."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.errors import MissingExtra
from leakdiff.model.heap import Site
from leakdiff.model.profile import Profile, Sample
from leakdiff.render.pprof import difference, message_class, profile_bytes
from leakdiff.web.desk import Desk
from leakdiff.web.jobs import Outcome
from leakdiff.web.messages import Request, Response
from leakdiff.web.routing import Asked, find_route, read_given
from leakdiff.web.settings import Settings
from leakdiff.web.views.pprof import of_snapshot
from snapshots import NOON, snapshot

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go's tool: apt-get install golang-go")
TOKEN = "0123456789abcdef" * 2
MAIN = Site("app/main.py", 9, "app.main.serve")
FIND = Site("app/matching.py", 41, "app.matching.find_driver")
SITES = Profile(
    taken=NOON,
    by="sites",
    seconds=60.0,
    samples=(Sample((FIND, MAIN), 3, 3 << 20), Sample((MAIN,), 1, 1 << 20)),
    left_out=("tracemalloc keeps 32 frames",),
)
LATER = attrs.evolve(SITES, taken=NOON + 60, samples=(Sample((FIND, MAIN), 5, 5 << 20), Sample((MAIN,), 0, 1 << 10)))


# -- what is written -------------------------------------------------------------------------------


def read(body: bytes) -> Any:
    """Return the message."""
    return message_class().FromString(gzip.decompress(body))


def stacks(body: bytes) -> dict[tuple[tuple[str, str, int], ...], tuple[int, ...]]:
    """Return the values by stack, each frame as function, file and line."""
    made = read(body)
    text, functions = made.string_table, {function.id: function for function in made.function}
    frames = {
        location.id: (
            text[functions[location.line[0].function_id].name],
            text[functions[location.line[0].function_id].filename],
            location.line[0].line,
        )
        for location in made.location
    }
    return {tuple(frames[at] for at in sample.location_id): tuple(sample.value) for sample in made.sample}


def test_stacks_are_written_innermost_first_with_objects_and_bytes() -> None:
    """Every frame has its function, file and line, and every stack how many objects and bytes it has."""
    found = stacks(profile_bytes(SITES))

    find, main = ("app.matching.find_driver", "app/matching.py", 41), ("app.main.serve", "app/main.py", 9)
    assert found == {(find, main): (3, 3 << 20), (main,): (1, 1 << 20)}


def test_a_profile_says_what_it_counts_and_when() -> None:
    """Bytes in use come first to whoever opens it; the window's time and what is left out are with it."""
    made = read(profile_bytes(SITES))
    text = made.string_table

    assert [(text[kind.type], text[kind.unit]) for kind in made.sample_type] == [
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ]
    assert text[made.default_sample_type] == "inuse_space"
    assert (made.time_nanos, made.duration_nanos, made.period) == (NOON * 1e9, 60 * 10**9, 1)
    assert [text[comment] for comment in made.comment] == ["tracemalloc keeps 32 frames"]


def test_the_same_profile_is_the_same_bytes() -> None:
    """Nothing of when or how it was written is in it."""
    assert profile_bytes(SITES) == profile_bytes(attrs.evolve(SITES))


def test_a_difference_has_negative_values() -> None:
    """A stack that has less than before counts below zero, and one that has as much is left out."""
    same = Sample((FIND,), 7, 7)
    before, after = (attrs.evolve(some, samples=(*some.samples, same)) for some in (SITES, LATER))
    found = stacks(profile_bytes(after, before))

    assert sorted(found.values()) == [(-1, (1 << 10) - (1 << 20)), (2, 2 << 20)]
    assert read(profile_bytes(LATER, SITES)).duration_nanos == 60 * 10**9


samples = st.lists(
    st.builds(
        Sample,
        st.lists(st.sampled_from((MAIN, FIND)), min_size=1, max_size=3).map(tuple),
        st.integers(0, 9),
        st.integers(0, 99),
    ),
    max_size=6,
)


@given(samples, samples)
def test_swapping_the_sides_negates_a_difference(before: list[Sample], after: list[Sample]) -> None:
    """What one has more than the other is what the other has less, and nothing differs from itself."""
    there = {sample.stack: (sample.objects, sample.bytes) for sample in difference(after, before)}
    back = {sample.stack: (-sample.objects, -sample.bytes) for sample in difference(before, after)}

    assert there == back
    assert difference(after, after) == ()


def test_any_name_can_be_written() -> None:
    """Names may be of any script, and may hold what no text file can."""
    odd = (Site("café/приклад.py", 1, "モジュール.関数"), Site("\udcff.py", 2, "a\x00b"))
    found = stacks(profile_bytes(Profile(taken=NOON, by="sites", samples=(Sample(odd, 1, 1),))))

    assert list(found) == [(("モジュール.関数", "café/приклад.py", 1), ("a\x00b", "\\udcff.py", 2))]


def test_without_protobuf_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever lacks the package is told how to install it."""
    message_class.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)

    with pytest.raises(MissingExtra, match=r"needs protobuf.*leakdiff\[web\]"):
        profile_bytes(SITES)


# -- what Go's tool reads --------------------------------------------------------------------------


def go(folder: Path, *arguments: object) -> str:
    """Run ``go tool pprof`` and return all that it prints."""
    ended = subprocess.run(
        [shutil.which("go") or "go", "tool", "pprof", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin:/usr/local/go/bin", "HOME": str(folder), "PPROF_TMPDIR": str(folder), "TZ": "UTC"},
    )
    return ended.stdout + ended.stderr


def write(folder: Path, name: str, body: bytes) -> Path:
    """Write a file and return where it is."""
    path = folder / name
    path.write_bytes(body)
    return path


@needs_go
def test_go_prints_the_top(tmp_path: Path) -> None:
    """The lines with most bytes come first, with what is below them."""
    said = go(tmp_path, "-top", write(tmp_path, "heap", profile_bytes(SITES)))

    assert "Type: inuse_space" in said
    assert "3MB 75.00% 75.00%        3MB 75.00%  app.matching.find_driver" in said
    assert "1MB 25.00%   100%        4MB   100%  app.main.serve" in said


@needs_go
def test_go_prints_every_frame(tmp_path: Path) -> None:
    """Raw output has function, file and line of each, and the comment."""
    said = go(tmp_path, "-raw", write(tmp_path, "heap", profile_bytes(SITES)))

    assert "Comment: tracemalloc keeps 32 frames" in said
    assert "inuse_objects/count inuse_space/bytes[dflt]" in said
    assert "app.matching.find_driver app/matching.py:41" in said


@needs_go
def test_go_subtracts_one_file_from_another(tmp_path: Path) -> None:
    """Stacks of two files are the same stacks to it, so that what shrank is below zero."""
    files = [write(tmp_path, name, profile_bytes(one)) for name, one in (("base", SITES), ("head", LATER))]
    said = go(tmp_path, "-top", "-unit=kb", "-diff_base", *files)

    assert " 2048kB 50.00%" in said
    assert "-1023kB" in said


@needs_go
def test_go_reads_a_difference_that_we_made(tmp_path: Path) -> None:
    """What the endpoint subtracts itself is as good."""
    said = go(tmp_path, "-top", "-unit=kb", write(tmp_path, "heap", profile_bytes(LATER, SITES)))

    assert " 2048kB" in said
    assert "-1023kB" in said


@needs_go
def test_go_reads_a_hundred_thousand_stacks_and_drops_none(tmp_path: Path) -> None:
    """Their objects add up."""
    many = tuple(Sample((Site("m.py", line, "m.f"), MAIN), 1, 1) for line in range(1, 100_001))
    body = profile_bytes(Profile(taken=NOON, by="sites", samples=many))
    said = go(tmp_path, "-top", "-sample_index=inuse_objects", write(tmp_path, "heap", body))

    assert "100000   100%   100%     100000   100%  m.f" in said


# -- what the endpoint answers ---------------------------------------------------------------------

EARLY = snapshot(
    types={"dict": (2, 400), "app.Result": (10, 600)},
    owners={"app.matching._inflight": (10, 700), "app.matching._inflight[*].log": (30, 500), "app.seen": (5, 100)},
    sites={"app/matching.py:41": (10, 600)},
)
LATE = snapshot(at=60, types={"dict": (2, 400), "app.Result": (15, 900)}, owners={"app.matching._inflight": (15, 950)})


@pytest.fixture
def desk() -> Desk:
    """Return a desk with two snapshots and a tracing job."""
    made = Desk(Settings(cooldown=0), None)
    for outcome in (Outcome(said="", snapshot=EARLY), Outcome(said="", snapshot=LATE), Outcome(said="", profile=SITES)):
        job = made.begin("test", lambda _, outcome=outcome: outcome, expected=1.0)  # type: ignore[misc]
        while made.jobs.get(job.id).state == "running":
            threading.Event().wait(0.001)
    return made


def ask(desk: Desk, query: str = "") -> Response:
    """Return what the view answers."""
    request = Request(method="GET", path="/pprof/heap", query=query)
    route, _ = find_route("GET", request.path)
    answer = route.load()(Asked(desk=desk, request=request, format="text", given=read_given(route, request)))
    assert isinstance(answer, Response)
    return answer


def named(answer: Response) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return the values by stack, each frame by its function."""
    return {tuple(frame[0] for frame in stack): values for stack, values in stacks(answer.body).items()}


def test_a_snapshot_by_owners_is_a_tree_whose_bytes_add_up(desk: Desk) -> None:
    """Each container counts without those below it, what is in none of them stands aside, and all is the heap."""
    found = named(ask(desk, "head=s1"))

    inflight = ("app.matching._inflight", "app.matching", "app")
    log = ("app.matching._inflight[*].log", "app.matching._inflight[*]", *inflight)
    assert found == {
        log: (30, 500),
        inflight: (10, 200),
        ("app.seen", "app"): (5, 100),
        ("(in no container that is listed)",): (0, 200),
    }
    assert EARLY.heap is not None
    assert sum(size for _, size in found.values()) == EARLY.heap.bytes


def test_a_snapshot_by_types_and_by_sites(desk: Desk) -> None:
    """A type or a line is a stack of one frame."""
    assert named(ask(desk, "head=s1&by=types")) == {("app.Result",): (10, 600), ("dict",): (2, 400)}
    assert list(stacks(ask(desk, "head=s1&by=sites").body).values()) == [(10, 600)]


def test_two_snapshots_are_subtracted(desk: Desk) -> None:
    """Only what differs is there."""
    assert named(ask(desk, "head=s2&base=s1&by=types")) == {("app.Result",): (5, 300)}


def test_without_a_name_it_is_the_latest(desk: Desk) -> None:
    """Where tracemalloc is off, what the latest snapshot saw is what is in use."""
    answer = ask(desk)

    assert ("app.matching._inflight", "app.matching", "app") in named(answer)
    assert (answer.status, answer.type) == (200, "application/octet-stream")
    assert dict(answer.headers)["Content-Disposition"] == 'attachment; filename="heap.pb.gz"'


def test_a_tracing_job_is_named_by_its_id(desk: Desk) -> None:
    """Its stacks are those of the window."""
    job = next(job.id for job in desk.jobs.all() if job.outcome is not None and job.outcome.profile is not None)

    assert stacks(ask(desk, f"head={job}").body) == stacks(profile_bytes(SITES))
    assert ask(desk, f"head={job}&by=types").status == 400


def test_stacks_without_a_name_are_those_of_the_latest_that_knows_them(desk: Desk) -> None:
    """A tracing, where no snapshot since it knows better; nobody is sent to trace what was traced."""
    assert stacks(ask(desk, "by=sites").body) == stacks(profile_bytes(SITES))

    knows = attrs.evolve(EARLY, taken=attrs.evolve(EARLY.taken, utc=SITES.taken + 1))
    desk.begin("test", lambda _: Outcome(said="", snapshot=knows), expected=1.0)
    while desk.jobs.running() is not None:
        threading.Event().wait(0.001)
    assert list(stacks(ask(desk, "by=sites").body).values()) == [(10, 600)]


def test_a_tracing_alone_is_what_is_in_use() -> None:
    """Without any snapshot it is what is known; owners and types it does not know."""
    made = Desk(Settings(cooldown=0), None)
    made.begin("test", lambda _: Outcome(said="", profile=SITES), expected=1.0)
    while made.jobs.running() is not None:
        threading.Event().wait(0.001)

    assert stacks(ask(made).body) == stacks(profile_bytes(SITES))
    assert ask(made, "by=owners").status == 404


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("head=s9", 404, "keeps no snapshot 's9'"),
        ("head=1-2-abc", 404, "keeps no job '1-2-abc'"),
        ("head=s2&by=sites", 404, "tracemalloc was off when the snapshot was taken"),
    ],
)
def test_what_is_not_there_is_said_in_a_way_that_go_shows(desk: Desk, query: str, status: int, sentence: str) -> None:
    """A plain text with the header by which ``go tool pprof`` knows that it is meant for people."""
    answer = ask(desk, query)

    assert (answer.status, answer.type) == (status, "text/plain; charset=utf-8")
    assert sentence in answer.body.decode()
    assert ("X-Go-Pprof", "1") in answer.headers


def test_nothing_measured_says_what_to_do() -> None:
    """A process that has no snapshot and traces nothing says how to come by either."""
    answer = ask(Desk(Settings(), None))

    assert answer.status == 404
    assert "POST snapshot" in answer.body.decode()
    assert "POST tracing" in answer.body.decode()


def test_owners_that_were_not_read_are_types() -> None:
    """A snapshot without owners is told by types."""
    assert EARLY.heap is not None
    without = attrs.evolve(EARLY, heap=attrs.evolve(EARLY.heap, owners=None))

    assert of_snapshot(without, None).by == "types"


# -- over HTTP -------------------------------------------------------------------------------------


@contextmanager
def served(desk: Desk) -> Iterator[str]:
    """Serve the view with a login, and yield where; a URL for Go's tool carries the login."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            is_ours = path == "/debug/pprof/heap" and self.headers.get("Authorization", "").startswith("Basic ")
            answer = ask(desk, query) if is_ours else Response(status=401)
            self.send_response(answer.status)
            for name, value in (("Content-Type", answer.type), *answer.headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: object) -> None:
            del args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://me:{TOKEN}@127.0.0.1:{server.server_port}/debug/pprof/heap"
        finally:
            server.shutdown()
            thread.join()


@needs_go
def test_go_reads_the_url_with_the_token_in_it(desk: Desk, tmp_path: Path) -> None:
    """What it fetches it prints, as a difference too."""
    with served(desk) as url:
        whole = go(tmp_path, "-top", "-unit=b", url)
        change = go(tmp_path, "-top", "-unit=b", f"{url}?head=s2&base=s1&by=types")

    assert "app.matching._inflight" in whole
    assert "300B   100%   100%       300B   100%  app.Result" in change


@needs_go
def test_go_shows_why_there_is_nothing(desk: Desk, tmp_path: Path) -> None:
    """The sentence of a refusal reaches whoever asked."""
    with served(desk) as url:
        said = go(tmp_path, "-top", f"{url}?head=s2&by=sites")

    assert "What is in use by site is not known yet. tracemalloc was off" in said
