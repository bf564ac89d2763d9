"""``leakdiff.track``: a line for every change of a container's length, and who cannot be tracked."""

from __future__ import annotations

import asyncio
import collections
import functools
import io
import queue
import re
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import leakdiff
from leakdiff.capture.inserts import find_watched
from leakdiff.errors import BadOption, OwnerNotFound
from leakdiff.model.shown import Shown
from leakdiff.model.snapshot import OwnerSize
from leakdiff.model.tracking import Reading, Track
from leakdiff.render.tracking import change_line
from leakdiff.tracking import readings
from reported import seen

calls: list[str] = []


def raising(*_: object) -> Any:
    """Stand for any method of the program: it must not be called."""
    calls.append("called")
    raise RuntimeError("somebody's code")


class Wicked(dict[str, int]):
    """A dict that answers nothing."""

    __len__ = raising
    __iter__ = raising
    __repr__ = raising
    __hash__ = raising  # type: ignore[assignment]
    __eq__ = raising


@functools.lru_cache(maxsize=10)
def cached(number: int) -> int:
    """Return a number."""
    return number


@pytest.fixture(autouse=True)
def shop() -> Iterator[Any]:
    """Let there be a module ``shop`` with a few containers while a test runs."""
    module: Any = types.ModuleType("shop")
    module.inflight = {"a": 1}
    module.wicked = Wicked(a=1, b=2)
    module.jobs = queue.Queue()
    module.mail = asyncio.Queue()
    module.cached = cached
    module.service = types.SimpleNamespace()
    module.number = 3
    sys.modules["shop"] = module
    yield module
    del sys.modules["shop"]
    calls.clear()


def grown_by(change: Any) -> list[tuple[int | None, bool]]:
    """Return the first two readings of ``shop.inflight``, with a change made in between."""
    seen = []
    for reading in readings("shop.inflight", seconds=10, every=0.005):
        seen.append((reading.length, reading.is_other))
        if len(seen) == 2:
            break
        change()
    return seen


class Acting(io.StringIO):
    """Does something once the first reading has been written."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self.acts = iter([lambda: None, act])

    def flush(self) -> None:
        """Act after the second line: the first one says what is tracked."""
        next(self.acts, lambda: None)()


def test_a_reading_comes_first_and_then_one_per_change(shop: Any) -> None:
    """Each says how long it is then."""
    seen = grown_by(lambda: shop.inflight.update(b=2, c=3))

    assert seen == [(1, False), (3, False)]


def test_what_stays_as_it_is_gives_one_reading() -> None:
    """Further looks that see no change yield nothing."""
    assert [reading.length for reading in readings("shop.inflight", seconds=0.03, every=0.005)] == [1]


def test_another_container_under_the_name_is_said_and_followed(shop: Any) -> None:
    """A name may be bound anew: the reading says so, and goes on with the new one."""
    seen = grown_by(lambda: setattr(shop, "inflight", {"a": 1}))

    assert seen == [(1, False), (1, True)]


def test_a_container_that_goes_away_is_said(shop: Any) -> None:
    """Where the name leads nowhere any more, the length is None, and watching goes on."""
    seen = grown_by(lambda: delattr(shop, "inflight"))

    assert seen == [(1, False), (None, False)]


def test_nothing_is_held_between_two_looks(shop: Any) -> None:
    """A container that somebody replaces is freed at once."""
    shop.inflight = collections.deque([1])
    before = sys.getrefcount(shop.inflight)
    going = readings("shop.inflight", seconds=1, every=0.001)
    next(going)
    after = sys.getrefcount(shop.inflight)

    assert after == before
    going.close()  # type: ignore[attr-defined]


def test_no_code_of_the_program_runs() -> None:
    """A dict whose methods raise has a length all the same."""
    (only,) = readings("shop.wicked", seconds=0.01, every=0.005)

    assert (only.length, calls) == (2, [])


def test_track_prints_a_line_per_change(shop: Any) -> None:
    """The lines say when, what, how long and by how much; the value says it in one."""
    out = Acting(lambda: shop.inflight.update(b=2, c=3))
    track = leakdiff.track("shop.inflight", seconds=0.2, every=0.005, to=out)

    assert re.sub(r"\d\d:\d\d:\d\d\.\d{3}", "CLOCK", out.getvalue()) == (
        "leakdiff: shop.inflight (dict), a line for each change of its length for 0.2 s or until Ctrl-C;"
        " times are UTC\n"
        "CLOCK  shop.inflight  1\n"
        "CLOCK  shop.inflight  3 (+2)\n"
    )
    assert re.sub(r"\d\.\d s", "0.2 s", repr(track)) == "<Track shop.inflight 1 → 3 (+2), 1 change in 0.2 s>"
    assert [length for _, length in track.readings] == [1, 3]


def test_ctrl_c_gives_the_track_so_far() -> None:
    """Without an end of its own it goes on until Ctrl-C, and says so."""
    out = Acting(lambda: signal.raise_signal(signal.SIGINT))
    track = leakdiff.track("shop.inflight", seconds=None, every=0.005, to=out)

    assert (track.ended, track.gained, len(track.readings)) == ("Ctrl-C", 0, 1)
    assert "until Ctrl-C; times are UTC" in out.getvalue()


def test_a_pipe_that_nobody_reads_ends_it() -> None:
    """``| head`` closes the pipe: no traceback, and what was read so far."""
    closed = io.StringIO()
    closed.close()

    assert leakdiff.track("shop.inflight", seconds=5, to=closed).ended == "nobody reads"


def test_lines_reach_a_terminal_that_knows_ascii_only(shop: Any) -> None:
    """A name with an umlaut is escaped there."""
    shop.größe = [1]
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    leakdiff.track("shop.größe", seconds=0.01, to=out)
    out.seek(0)

    assert "shop.gr\\xf6\\xdfe  1" in out.read()


def test_readings_are_bounded(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A track of days keeps the first reading and the last changes, and says how many it does not have."""
    monkeypatch.setattr("leakdiff.tracking._MOST_READINGS", 3)

    class Changing(io.StringIO):
        def flush(self) -> None:
            if len(shop.inflight) == 10:
                raise KeyboardInterrupt
            shop.inflight[len(shop.inflight)] = 1

    track = leakdiff.track("shop.inflight", seconds=10, every=0.001, to=Changing())

    assert [length for _, length in track.readings] == [2, 9, 10]
    assert (track.left_out, track.changes, track.gained) == (6, 8, 8)


def test_what_was_left_out_is_said_where_it_is_missing() -> None:
    """After a gap the first change has nothing to be told from, and the drawing begins there."""
    readings_ = (Reading(0.0, 0), Reading(8.0, 23), Reading(9.0, 26))
    track = Track("app.seen", "list", readings_, seconds=10.0, every=0.1, left_out=22)

    assert track.why() == (
        "leakdiff: app.seen 0 → 26 (+26), 24 changes in 10 s\n"
        "\n"
        "  00:00:00.000  app.seen  0\n"
        "  22 changes after that were left out\n"
        "  00:00:08.000  app.seen  23\n"
        "  00:00:09.000  app.seen  26 (+3)\n"
        "  looked at every 0.1 s: what came and went in between was not seen; times are UTC"
    )
    assert track.spark(5) == "▁▁███"


@pytest.mark.parametrize("width", [0, -3, 1_001, 2.5, "x", True])
def test_a_drawing_that_cannot_be_so_wide_is_refused(width: Any) -> None:
    """The sentence says how wide it may be."""
    track = Track("app.seen", "list", (Reading(0.0, 0),), seconds=10.0, every=0.1)

    with pytest.raises(BadOption, match=r"width must be a whole number from 1 to 1,000\."):
        track.spark(width)


@pytest.mark.parametrize("everywhere", ["no", 0, None])
def test_everywhere_is_true_or_false(everywhere: Any) -> None:
    """What is neither is refused before anything is watched: ``bool("no")`` would be True."""
    with pytest.raises(BadOption, match=r"everywhere must be True or False\."):
        leakdiff.who_adds("shop.inflight", step=list, everywhere=everywhere)


@pytest.mark.parametrize(
    ("path", "found", "kind"),
    [
        ("shop.inflight", "shop.inflight", "dict"),
        ("shop.jobs", "shop.jobs.queue", "collections.deque"),
        ("shop.mail", "shop.mail._queue", "collections.deque"),
        ("shop.cached", "shop.cached", "functools._lru_cache_wrapper"),
    ],
)
def test_queues_and_caches_are_found(path: str, found: str, kind: str) -> None:
    """A queue keeps its entries in a container inside, which is the one to watch."""
    watched = find_watched(path)

    assert (watched.path, watched.type) == (found, kind)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "shop.inflight[*]",
            (
                "shop.inflight[*] was not found: it lies among the entries of another container ([*]), and which of"
                " them is meant no name says. Give a path of names alone, such as app.matching._inflight:"
                " report.findings and snapshot.owners have such paths."
            ),
        ),
        (
            "frame of handle local seen",
            (
                "frame of handle local seen was not found: it is no path of names: what locals, tasks or C code hold"
                " cannot be looked up. Give a path of names alone, such as app.matching._inflight: report.findings and"
                " snapshot.owners have such paths."
            ),
        ),
        (
            "inflight",
            ("inflight was not found: it is one name, and a path begins with a module. Did you mean shop.inflight?"),
        ),
        (
            "shop.inflite",
            (
                "shop.inflite was not found: shop is there (module) and has no inflite. Check the spelling; what is set"
                " up later can be tracked once it is there."
            ),
        ),
        (
            "shap.inflight",
            (
                "shap.inflight was not found: no module shap is loaded in this process. Import it first, or start the"
                " path with its full name."
            ),
        ),
        (
            "shop.number",
            (
                "shop.number was not found: it is a int, no container. Give a path of names alone, such as"
                " app.matching._inflight: report.findings and snapshot.owners have such paths."
            ),
        ),
    ],
)
def test_what_cannot_be_found_is_said(path: str, sentence: str) -> None:
    """The sentence says how far the path leads, and what to do."""
    with pytest.raises(OwnerNotFound) as caught:
        leakdiff.track(path)

    assert str(caught.value) == sentence


@pytest.mark.parametrize("path", ["x" * 1_000_000, "shop." + "y" * 1_000_000, "\x1b[2J\n", "\ud800"])
def test_a_hostile_path_is_refused_in_a_short_sentence(path: str) -> None:
    """It is no longer than can be read, and cannot steer a terminal."""
    with pytest.raises(OwnerNotFound) as caught:
        leakdiff.track(path)

    assert (len(str(caught.value)) < 2_000, str(caught.value).isprintable()) == (True, True)


def test_an_object_with_containers_names_them(shop: Any) -> None:
    """Who gives an object around the container learns the container's name."""
    shop.service.__dict__.update(seen=[1], left={2})
    with pytest.raises(OwnerNotFound, match=r"Name one of those it has: shop\.service\.seen, shop\.service\.left\."):
        leakdiff.who_adds("shop.service")


def test_findings_and_owners_are_owners_too() -> None:
    """What a report or a snapshot says can be handed on."""
    out = io.StringIO()
    owner = OwnerSize(path="shop.inflight", kind="module", type="dict", entries=1, bytes=64)

    assert leakdiff.track(owner, seconds=0.01, to=out).owner == "shop.inflight"
    assert leakdiff.track(seen("shop: module ─ .inflight: dict").finding, seconds=0.01, to=out).owner == "shop.inflight"
    with pytest.raises(OwnerNotFound, match="no Python object owns this growth"):
        leakdiff.track(seen("shop: module ─ .inflight: dict", is_owned=False).finding, to=out)


@pytest.mark.parametrize("knobs", [{"seconds": 0}, {"seconds": "5"}, {"every": 0}, {"seconds": True}])
def test_times_that_cannot_work_are_refused(knobs: dict[str, Any]) -> None:
    """Before anything is watched."""
    with pytest.raises(BadOption, match="must be a number of seconds"):
        readings("shop.inflight", **knobs)


def test_an_object_itself_is_refused_without_looking_at_it() -> None:
    """Who gives the container instead of its path is told so, and none of its methods is called."""
    with pytest.raises(BadOption, match="owner=a Wicked cannot work: owner must be a path of names"):
        leakdiff.track(Wicked())  # type: ignore[arg-type]

    assert calls == []


def test_a_track_tells_itself_as_text_and_as_a_drawing() -> None:
    """The readings as lines; the lengths over time in one line."""
    noon = 1_700_000_000.0
    track = Track(
        "app.seen",
        "list",
        (Reading(noon, 10), Reading(noon + 5, 1_200), Reading(noon + 8, None), Reading(noon + 9, 5, is_other=True)),
        seconds=10.0,
        every=0.1,
    )

    assert track.why() == (
        "leakdiff: app.seen 10 → 5 (-5), 3 changes in 10 s\n"
        "\n"
        "  22:13:20.000  app.seen  10\n"
        "  22:13:25.000  app.seen  1,200 (+1,190)\n"
        "  22:13:28.000  app.seen  is not there any more\n"
        "  22:13:29.000  app.seen  5 (another container)\n"
        "  looked at every 0.1 s: what came and went in between was not seen; times are UTC"
    )
    assert (type(track.why()), len(track.spark(width=12))) == (Shown, 12)


def test_hostile_names_cannot_steer_a_terminal() -> None:
    """A type or a name may hold escapes."""
    line = change_line("app.\x1b[31mred", Reading(0.0, 1), None)

    assert line == "00:00:00.000  app.\\x1b[31mred  1"


def test_readings_stop_by_themselves() -> None:
    """The time is what was asked for, whatever the looks are apart."""
    began = time.monotonic()
    list(readings("shop.inflight", seconds=0.02, every=60))

    assert time.monotonic() - began < 30


def test_who_blocks_its_own_event_loop_is_told() -> None:
    """What the loop serves stands still while its thread waits: that nothing changes says nothing then."""
    shown = io.StringIO()

    async def ask() -> tuple[str, ...]:
        leakdiff.track("sys.modules", seconds=0.01, to=shown)
        return leakdiff.who_adds("sys.modules", seconds=0.01).not_seen

    notes = asyncio.run(ask())

    assert "and stands still meanwhile: await asyncio.to_thread(leakdiff.track, 'sys.modules')" in shown.getvalue()
    assert notes[-1].endswith("and stood still meanwhile: await asyncio.to_thread(leakdiff.who_adds, path)")
