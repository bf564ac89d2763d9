"""A second opinion: what objgraph, pympler and guppy3 saw of the same work, and where they agree."""

from __future__ import annotations

import copy
import functools
import gc
import importlib.util
import pickle
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fresh import run_fresh, shell, write_module
from leakdiff.capture import peers
from leakdiff.capture.workload import Workload
from leakdiff.errors import BadOption, StepFailed, StepGone
from leakdiff.judge.opinions import opinion_on
from leakdiff.model.heap import Step
from leakdiff.model.opinion import PeerOpinion, SecondOpinion, Sighting, Stance, TypeSeen, WeakWork
from leakdiff.model.report import Finding, Report, TypeGrowth, Verdict
from leakdiff.model.signals import Rate
from leakdiff.second import second_opinion
from strategies import reports, texts

# guppy3 has no wheels for every Python that leakdiff runs under
INSTALLED = ["objgraph", "pympler", *(["guppy3"] if importlib.util.find_spec("guppy") else [])]
HANGS = (3, 12, 0) <= sys.version_info[:3] <= (3, 12, 5)

# -- comparing -------------------------------------------------------------------------------------


def saw(*types: tuple[str, float, float], absent: str = "") -> Sighting:
    """Make what a peer saw: type names with objects and bytes per unit."""
    seen = tuple(TypeSeen(name, objects, size) for name, objects, size in types)
    return Sighting("objgraph", "3.7.0", seen, "what gc does not track", 0.05, absent)


def found(**fields: Any) -> Finding:
    """Make a finding: one ``app.Result`` and one list for each unit in ``app._inflight``."""
    finding = Finding(
        verdict=Verdict.LEAK,
        because="grew in every round",
        fingerprint="3f9a2c",
        owner="app._inflight",
        owner_type="dict",
        length=505,
        path=(Step("app", "module"),),
        depth=1,
        types=(TypeGrowth("app.Result", 1.0, 303), TypeGrowth("list", 1.0, 303)),
        key_shape=None,
        sites=(),
        per_unit=Rate(objects=2.0, bytes=120.0),
    )
    return attrs.evolve(finding, **fields)


def report(*findings: Finding, verdict: Verdict | None = None) -> Report:
    """Make the report of a check that found these."""
    gravest = findings[0].verdict if findings else Verdict.STABLE
    return Report(verdict=verdict or gravest, because="nothing grew in 5 rounds", findings=findings)


def opinion(sighting: Sighting, *findings: Finding, verdict: Verdict | None = None) -> tuple[Stance, str]:
    """Return how a sighting compares with a report."""
    told = opinion_on(sighting, report(*findings, verdict=verdict))
    return told.stance, told.because


BUFFER = found(owner="app._log", owner_type="bytearray", types=(), per_unit=Rate(bytes=64.0))
NATIVE = found(owner=None, owner_type="C heap", types=(), verdict=Verdict.NATIVE, per_unit=Rate(native_bytes=33.0))


def test_a_peer_that_sees_the_same_rate_agrees() -> None:
    """One type at the rate of the finding is enough: peers count fewer of them."""
    assert opinion(saw(("app.Result", 1.01, 0)), found()) == (
        Stance.AGREES,
        "it sees 1.01 app.Result per unit, as leakdiff does",
    )


def test_a_class_is_known_by_the_last_part_of_its_name() -> None:
    """The class or function around it is not named by objgraph."""
    inner = found(types=(TypeGrowth("app.serve.<locals>.Result", 1.0, 303),))

    assert opinion(saw(("app.Result", 1.0, 0)), inner)[0] is Stance.AGREES


def test_two_findings_share_what_a_peer_counts_together() -> None:
    """A peer has no owners: its lists are those of both."""
    index = found(owner="app._index", types=(TypeGrowth("list", 1.0, 303),))

    assert opinion(saw(("app.Result", 1.0, 0), ("list", 2.0, 0)), found(), index)[0] is Stance.AGREES


def test_another_rate_differs() -> None:
    """Both numbers are told."""
    assert opinion(saw(("app.Result", 0.5, 0)), found()) == (
        Stance.DIFFERS,
        "of app._inflight it sees 0.50 app.Result, and leakdiff 1.00 app.Result",
    )


def test_a_peer_that_sees_nothing_of_what_grows_is_blind() -> None:
    """The reason says what it would have had to see."""
    texts_only = found(types=(TypeGrowth("str", 1.0, 303), TypeGrowth("bytes", 1.0, 303)))

    assert opinion(saw(), texts_only) == (
        Stance.BLIND,
        "it sees nothing of app._inflight: what grows there is str, bytes",
    )


def test_a_peer_that_counts_objects_is_blind_for_a_buffer() -> None:
    """A buffer that grows is the same object as before."""
    assert opinion(saw(), BUFFER) == (
        Stance.BLIND,
        "it sees nothing of app._log: a bytearray grows in place, and no object is new",
    )


def test_a_peer_that_counts_bytes_sees_a_buffer() -> None:
    """Sizes are added up by type, as pympler does."""
    assert opinion(saw(("bytearray", 0, 63.5)), BUFFER)[0] is Stance.AGREES


def test_a_table_that_grows_is_not_all_of_it() -> None:
    """The bytes of the owner's own table are less than what it holds."""
    assert opinion(saw(("dict", 0, 43.0)), found()) == (
        Stance.DIFFERS,
        "of app._inflight it sees 43 bytes of dict and no object, and leakdiff 120 bytes",
    )


def test_every_peer_is_blind_for_the_c_heap() -> None:
    """They count Python objects."""
    assert opinion(saw(), NATIVE) == (
        Stance.BLIND,
        "it sees nothing of the C heap: C code holds it, where no object can be counted",
    )


def test_seeing_one_of_two_findings_differs() -> None:
    """What agrees is told, and what was not seen."""
    stance, because = opinion(saw(("app.Result", 1.0, 0)), found(), NATIVE)

    assert stance is Stance.DIFFERS
    assert because.startswith("it sees 1.00 app.Result per unit, as leakdiff does; it sees nothing of the C heap")


def test_nobody_who_counts_knows_that_a_cache_will_stop() -> None:
    """It agrees that it grows, and that is all it can say."""
    stance, because = opinion(saw(("list", 1.0, 0)), found(verdict=Verdict.FILLING))

    assert stance is Stance.AGREES
    assert because.endswith("; that it will stop, no count can tell")


@pytest.mark.parametrize(
    ("seen", "verdict", "expected"),
    [
        (saw(), Verdict.STABLE, (Stance.AGREES, "it sees nothing grow either")),
        (saw(), Verdict.INCONCLUSIVE, (Stance.BLIND, "leakdiff cannot tell, and it sees nothing grow")),
        (
            saw(("app.Event", 0.13, 7.0)),
            Verdict.STABLE,
            (Stance.DIFFERS, "it sees 0.13 app.Event per unit; leakdiff says STABLE: nothing grew in 5 rounds"),
        ),
        (
            saw(("list", 0, 9.0)),
            Verdict.INCONCLUSIVE,
            (Stance.DIFFERS, "it sees 9 bytes of list per unit; leakdiff cannot tell"),
        ),
    ],
)
def test_beside_a_report_without_findings(seen: Sighting, verdict: Verdict, expected: tuple[Stance, str]) -> None:
    """Nothing agrees with nothing, but nothing with no conclusion."""
    assert opinion(seen, verdict=verdict) == expected


def test_a_peer_that_could_not_be_asked_has_no_stance() -> None:
    """It is a row that says why."""
    assert opinion(saw(absent="it is not installed"), found()) == (Stance.ABSENT, "it is not installed")


sightings = st.builds(
    Sighting,
    peer=texts,
    version=texts,
    types=st.lists(st.builds(TypeSeen, texts, st.floats(0, 1e9), st.floats(-1e9, 1e9)), max_size=4).map(tuple),
    cannot_see=texts,
    cpu_seconds=st.floats(0, 1e6),
    absent=texts,
)


@given(reports, st.lists(sightings, max_size=3))
def test_any_opinion_has_a_reason_and_a_text(about: Report, seen: list[Sighting]) -> None:
    """One sentence for each, and nothing that could steer a terminal."""
    told = tuple(opinion_on(sighting, about) for sighting in seen)
    text = SecondOpinion(told, 303, about.verdict.value).text()

    assert all(each.because for each in told)
    assert all(line.isprintable() for line in text.split("\n"))


# -- the text --------------------------------------------------------------------------------------

TEXT = """\
second opinion on LEAK: the same work, 303 units for each

  objgraph 3.7.0: agrees
    saw   +1.00 app.Result   list +9 B   per unit
    not   what gc does not track
    why   it sees 1.00 app.Result per unit, as leakdiff does
    cost  0.05 CPU s

  guppy3: absent
    why   it is not installed"""


def test_the_text_has_a_block_for_each_peer() -> None:
    """What it saw, what it cannot see, how that compares, and what it cost."""
    one = opinion_on(saw(("app.Result", 1.0, 0), ("list", 0, 9.0)), report(found()))
    other = PeerOpinion(Sighting("guppy3", absent="it is not installed"), Stance.ABSENT, "it is not installed")

    assert SecondOpinion((one, other), 303, "LEAK").text() == TEXT


# -- the work of a report --------------------------------------------------------------------------


def work() -> None:
    """Do nothing."""


class Service:
    """Something with a method."""

    def handle(self) -> None:
        """Do nothing."""


class Slotted:
    """Something that nobody can refer to weakly."""

    __slots__ = ()

    def handle(self) -> None:
        """Do nothing."""


def test_a_function_is_found_again() -> None:
    """As long as its module keeps it."""
    kept = WeakWork(work, setup=work)

    assert kept.missing() == ""
    assert (kept.find("step"), kept.find("setup"), kept.find("teardown")) == (work, work, None)


def test_a_bound_method_is_found_again_while_its_object_lives() -> None:
    """The method object itself lives for the call only."""
    service = Service()
    kept = WeakWork(service.handle)

    assert kept.find("step") == service.handle
    del service
    gc.collect()
    assert kept.missing() == "step"


@pytest.mark.parametrize("step", [lambda: None, functools.partial(work), Slotted().handle, print])
def test_what_cannot_be_kept_weakly_is_missing(step: Any) -> None:
    """It was given, and nobody can say where it is."""
    kept = WeakWork(work, setup=step)
    del step
    gc.collect()

    assert kept.missing() in ("setup", "")  # pytest itself keeps the lambda of the parameter
    assert WeakWork(functools.partial(print, 1)).missing() == "step"


def test_the_function_of_a_decorated_check_is_found() -> None:
    """``@leakdiff.check()`` runs it through a partial of nothing."""
    assert WeakWork(functools.partial(work)).find("step") is work


def test_a_lambda_is_gone_with_its_caller() -> None:
    """A report keeps nothing of the program alive."""
    kept = WeakWork(lambda: None)
    gc.collect()

    with pytest.raises(StepGone, match="the step cannot be run again"):
        second_opinion(report(), work=kept)


def test_a_setup_that_is_gone_is_not_left_out() -> None:
    """Running the step without it would be another piece of work."""
    kept = WeakWork(work, setup=lambda: None)
    gc.collect()

    with pytest.raises(StepGone, match="the setup cannot be run again"):
        second_opinion(report(), work=kept)


def test_copies_refer_to_the_same_work_and_pickles_to_none() -> None:
    """A report can be copied, and sent to another process."""
    kept = WeakWork(work)

    assert copy.deepcopy(kept).find("step") is work
    assert pickle.loads(pickle.dumps(kept)).missing() == "step"  # noqa: S301 - our own


@pytest.mark.parametrize("units", [0, True, 1.5])
def test_units_that_cannot_work_are_refused(units: Any) -> None:
    """As everywhere: a whole number of at least 1."""
    with pytest.raises(BadOption, match="units"):
        second_opinion(report(), work, units=units)


# -- asking ----------------------------------------------------------------------------------------


class Counter:
    """A peer that counts what it is shown, in place of a real one."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.kept: list[int] = []

    def mark(self) -> None:
        """Forget what grew until now."""
        self.kept.clear()

    def growth(self) -> peers.Seen:
        """Return what grew since the mark."""
        if self.kept and self.fails:
            raise ValueError(self.fails)
        return {"app.Result": (len(self.kept), 0), "<app.Secret at 7>": (len(self.kept), 0)}


def kind(make: Any, *, reads_modules: bool = False) -> peers.Kind:
    """Make a peer's entry."""
    return peers.Kind("counter", make, "nothing", reads_modules=reads_modules)


def asked(counter: Counter, units: int = 7) -> Sighting:
    """Ask a counter about a step that leaves one thing behind for each unit."""
    workload = Workload(lambda count: counter.kept.extend(range(count)))
    return peers.ask(kind(lambda: counter), workload, units, 3)


def test_a_peer_is_shown_the_units_after_a_warm_up() -> None:
    """What grew in the warm-up is not counted; names that only a repr has are not told."""
    seen = asked(Counter())

    assert seen.types == (TypeSeen("(types with a repr of their own)", 1.0), TypeSeen("app.Result", 1.0))


def test_a_peer_that_raises_is_a_row_without_its_message() -> None:
    """The message could hold a value of the program."""
    assert asked(Counter(fails="card 4111")).absent == "it raised ValueError"


def test_a_peer_that_is_missing_is_a_row() -> None:
    """Nothing else fails for it."""

    def make() -> peers.Peer:
        raise ModuleNotFoundError("no such module")

    assert peers.ask(kind(make), Workload(work), 7, 3).absent == "it is not installed"


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """guppy3 cannot be installed on 3.15."""

    def make() -> peers.Peer:
        raise ModuleNotFoundError("no such module")

    monkeypatch.setattr(sys, "version_info", (3, 15, 2))
    guppy = attrs.evolve(peers.PEERS[-1], make=make)

    absent = peers.ask(guppy, Workload(work), 7, 3).absent
    assert absent == "it is not installed, and has no wheels for Python 3.15 and later"


@pytest.mark.parametrize(("version", "hangs"), [((3, 12, 1), True), ((3, 12, 5), True), ((3, 12, 6), False)])
def test_peers_that_would_hang_are_not_asked(
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, int, int],
    hangs: bool,  # noqa: FBT001
) -> None:
    """Some interpreters hand out freed objects to who asks what the module _asyncio refers to."""
    monkeypatch.setattr(sys, "version_info", version)
    seen = peers.ask(kind(Counter, reads_modules=True), Workload(work), 7, 3)

    assert ("gh-122695" in seen.absent) is hangs


def test_a_step_that_raises_is_no_fault_of_the_peer() -> None:
    """The error is the step's, as in a check."""

    def step() -> None:
        raise LookupError("lost")

    with pytest.raises(StepFailed, match="the warm-up for counter"):
        peers.ask(kind(Counter), Workload(step), 7, 3)


# -- the real ones ---------------------------------------------------------------------------------

REAL = """
import json
from leakdiff.model.heap import Step
from leakdiff.model.report import Finding, Report, TypeGrowth, Verdict
from leakdiff.model.signals import Rate
from leakdiff.second import second_opinion

log = []


class Result:
    pass


kept, buffer = [], bytearray()


async def objects(units):
    kept.extend(Result() for _ in range(units))


def texts(units):
    kept.extend(f"text {len(kept) + number}" for number in range(units))


def nothing(units):
    [Result() for _ in range(units)]


def rows(step):
    seen = second_opinion(Report(Verdict.STABLE, "made up"), step, units=303)
    return {each.sighting.peer: types(each.sighting) for each in seen}


def types(sighting):
    return [[each.name, round(each.per_unit, 2)] for each in sighting.types if each.per_unit > 0]


order = []
second_opinion(
    Report(Verdict.STABLE, "made up"),
    lambda: None,
    setup=lambda: order.append("setup"),
    teardown=lambda: order.append("teardown"),
    units=3,
)
print(json.dumps({step.__name__: rows(step) for step in (objects, texts, nothing)} | {"order": order}))
"""


@pytest.mark.skipif(HANGS, reason="gh-122695: two of the peers are not asked")
def test_what_the_peers_see() -> None:
    """All see objects, objgraph no texts, and none of them anything in work that leaves nothing behind."""
    seen = run_fresh(REAL)
    objects, strings, nothing = seen["objects"], seen["texts"], seen["nothing"]

    assert all(["__main__.Result", 1.0] in objects[peer] for peer in INSTALLED)
    assert strings["objgraph"] == []
    assert all(strings[peer] == [["str", 1.0]] for peer in INSTALLED[1:])
    assert all(types == [] for types in nothing.values())
    assert seen["order"] == ["setup", "teardown"]


def test_the_shell_prints_a_second_opinion_after_the_report(tmp_path: Path) -> None:
    """The report first; with JSON on standard output, the opinion goes to standard error."""
    write_module(tmp_path, "kept = []\ndef step():\n    kept.append([])\n")
    command = ("check", "app.py", "--units", "29", "--patience", "0.05", "--second-opinion")
    text, plain = shell(tmp_path, *command), shell(tmp_path, *command, "--json", "-")

    assert text.out.index("leakdiff: LEAK") < text.out.index("second opinion on LEAK")
    assert "it sees 1.00 list per unit, as leakdiff does" in text.out
    assert "second opinion on LEAK" in plain.err
    assert plain.out.startswith("{")
    assert (text.code, plain.code) == (1, 1)
