"""Every public result shows itself in one line: bounded, printable, and saying how much."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import leakdiff.model
from leakdiff.model.alive import Alive, Holder, Holders, InstanceOwner, InstanceOwners
from leakdiff.model.baseline import Baseline
from leakdiff.model.diff import Change, Changes
from leakdiff.model.entries import Entries, Entry, Peek
from leakdiff.model.heap import Bound, Site, Step
from leakdiff.model.one_line import LONGEST, bounded, one_line
from leakdiff.model.opinion import PeerOpinion, SecondOpinion, Sighting, Stance
from leakdiff.model.report import Cost, Finding, Findings, Report, TypeGrowth, Verdict
from leakdiff.model.series import Shape
from leakdiff.model.signals import Rate
from leakdiff.model.snapshot import Cgroup, Identity, Moment, TypeCount
from leakdiff.model.soak import ScenarioRun, SoakReport
from leakdiff.model.trend import OwnerTrend, SeriesTrend, Slope, TimeToLimit, Trend
from leakdiff.render.sheets import Sheet, sheets_of, sheets_text
from reported import REPORTED
from snapshots import cheap, snapshot, st_snapshots

HOSTILE = (
    "",
    "[red]LEAK[/red]",
    "[link=https://evil.example]x[/link]",
    "<script>alert(1)</script>",
    "\x1b[31m\x1b]8;;https://evil.example\x07",
    "\u202egnp.exe",
    "a\nb\r\tc\x00",
    "\ud800",
    "| a | b |`*_",
    "x" * 10_000_000,
)
_TEXTS = st.sampled_from(HOSTILE[:-1]) | st.text() | st.builds(str.__mul__, st.text(min_size=1), st.just(1_000))
_NUMBERS = st.integers() | st.floats()
_PARTS = st.none() | st.booleans() | _NUMBERS | _TEXTS | st.lists(_TEXTS, max_size=3).map(tuple)


def _all_classes() -> Iterator[type]:
    for found in pkgutil.iter_modules(leakdiff.model.__path__):
        module = importlib.import_module(f"leakdiff.model.{found.name}")
        yield from (cls for cls in vars(module).values() if attrs.has(cls) and cls.__module__ == module.__name__)


def value_classes() -> list[type]:
    """Return every attrs class of the model that shows its fields in general."""
    return [cls for cls in _all_classes() if vars(cls).get("__repr__") is one_line]


def test_values_show_themselves_in_general() -> None:
    """Nearly all values of the model have the repr that this file tests."""
    names = {cls.__name__ for cls in value_classes()}

    assert len(names) > 50
    assert {"Change", "Cost", "Identity", "OwnerTrend", "TypeCount", "TrendRow"} <= names


@pytest.mark.parametrize("cls", value_classes(), ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
@given(st.data())
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_the_repr_of_any_value_is_one_bounded_line(cls: type, data: st.DataObject) -> None:
    """Whatever the fields hold: the name of the class, and at most 200 printable characters."""
    value: Any = object.__new__(cls)
    for field in attrs.fields(cls):
        object.__setattr__(value, field.name, data.draw(_PARTS))
    shown = repr(value)

    assert shown.startswith(f"<{cls.__name__}")
    assert shown.endswith(">")
    assert shown.isprintable()
    assert len(shown) <= LONGEST


def test_no_public_value_has_the_repr_that_attrs_makes() -> None:
    """A new class has to say how it shows itself: ``__repr__ = one_line`` does."""
    made_by_attrs = [cls.__qualname__ for cls in _all_classes() if _is_made_by_attrs(cls.__repr__)]

    assert made_by_attrs == []


def _is_made_by_attrs(shown: Callable[..., Any]) -> bool:
    return shown.__module__ != "leakdiff.model.one_line" and "attrs generated" in shown.__code__.co_filename


_FINDING = REPORTED["dict_by_request_id"][1].finding
_SERIES = SeriesTrend(name="app._orders", what="entries", shape=Shape.LINEAR, per_hour=Slope(value=1, low=1, high=2))


def _hostile_results(text: str) -> list[Any]:
    """Return every kind of result with a text in all its names."""
    site = Site(text, 41, text, text)
    finding = attrs.evolve(
        _FINDING,
        owner=text,
        owner_type=text,
        because=text,
        advice=text,
        key_shape=text,
        path=(Step(text, text), Step(text, text)),
        types=(TypeGrowth(text, 1.0, 5, site),),
        sites=(site,),
    )
    report = Report(Verdict.LEAK, text, (finding,), confidence=text, not_analysed=(text,))
    taken = snapshot(
        types={text: (5, 500)}, owners={text: (3, 300)}, sites={"app.py:1": (1, 1)}, service=text, left_out=(text,)
    )
    sighting = Sighting(text, text, (), text, 0.1)
    return [
        report,
        report.findings,
        finding,
        SoakReport(report, (ScenarioRun(text, 1.0, 5, text, 1),)),
        SecondOpinion((PeerOpinion(sighting, Stance.BLIND, text),), 5, text),
        attrs.evolve(taken, label=text),
        taken.types,
        taken.owners,
        taken - snapshot(owners={text: (1, 100)}),
        Changes((Change(text, 1, 2, 3, 4),)),
        Trend(
            verdict=Verdict.LEAK,
            because=text,
            owners=(OwnerTrend(path=text, entries=_SERIES, because=text),),
            notes=(text,),
        ),
        InstanceOwners((InstanceOwner(text, "module", text, 5, 280, 1.0),)),
        Holders((Holder(text, text, text, (Step(text, text),)),)),
        Alive(type=text, holders=(Holder(text, text, text, (Step(text, text),), said=text),), notes=(text,)),
        Entries(text, text, 5, (Entry(Peek(text, text), Peek(text, text, ((text, text),), 3)),)),
    ]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_harmless_in_every_face(text: str) -> None:
    """Names are text and no markup: of terminals, of rich and of HTML; and what is shown stays small."""
    for value in _hostile_results(text):
        plain, page = repr(value), value._repr_mimebundle_()["text/html"]
        console = _printed(value, 80)

        assert plain.isprintable()
        assert len(plain) <= LONGEST
        assert _tags(page) <= _TAGS
        assert len(page) < 60_000
        assert len(console) < 60_000
        assert all(character.isprintable() for line in console.split("\n") for character in line)
        assert not text.startswith("[") or text.partition("]")[0] in console.replace("\n", "")


@given(_TEXTS)
@settings(max_examples=20, deadline=None)
def test_any_name_is_harmless_in_every_face(text: str) -> None:
    """The same by chance."""
    for value in _hostile_results(text):
        assert _tags(value._repr_mimebundle_()["text/html"]) <= _TAGS
        assert all(line.isprintable() for line in _printed(value, 40).split("\n"))
        assert all(line.isprintable() for line in sheets_text(sheets_of(value)).split("\n"))


@given(st_snapshots())
@settings(max_examples=20, deadline=None)
def test_any_snapshot_and_diff_shows_itself(taken: Any) -> None:
    """Whatever was measured can be shown: as a line, as a table, and as a page."""
    for value in (taken, taken - cheap(), taken.types, taken.owners, taken.sites):
        assert len(repr(value)) <= LONGEST
        assert value._repr_mimebundle_()["text/plain"] == repr(value)
        assert _printed(value, 40)


_TAGS = {"div", "p", "strong", "em", "small", "table", "thead", "tbody", "tr", "td", "th"}


def _tags(page: str) -> set[str]:
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
            found.add(tag)
            found.update(name for name, _ in given if name not in ("class", "style"))

    Reader().feed(page)
    return found


def _printed(value: Any, width: int) -> str:
    console = pytest.importorskip("rich.console", reason="rich is not installed: pip install rich")
    out = StringIO()
    console.Console(file=out, width=width, color_system=None, legacy_windows=False).print(value)
    return out.getvalue()


# -- what each of them says ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            Report(Verdict.LEAK, "grew", (_FINDING,)),
            "<Report LEAK, 1 finding: app._orders grows by 1.00 entries per unit, never shrinks>",
        ),
        (Report(Verdict.STABLE, "nothing grows"), "<Report STABLE, 0 findings: nothing grows>"),
        (_FINDING, "<Finding LEAK  app._orders grows by 1.00 entries per unit, never shrinks    [3f9a2c]>"),
        (Findings((_FINDING,)), "<Findings 1: LEAK app._orders [3f9a2c]>"),
        (Cost(0.5, 44_547), "<Cost cpu_seconds 0.5, walked 44,547>"),
        (Change("app._orders", 5, 10), "<Change app._orders, before 5, after 10, bytes_before 0 B, bytes_after 0 B>"),
        (Site("app.py", 41, "find_driver", "x = 1"), "<Site app.py:41 in find_driver>"),
        (Step("._inflight", "dict"), "<Step ._inflight: dict>"),
        (Bound("deque(maxlen)", 1_000, 312), "<Bound deque(maxlen), limit 1,000, filled 312>"),
        (TypeCount("app.Result", 1_204, 60_000), "<TypeCount app.Result, count 1,204, bytes 58.6 KiB>"),
        (Identity(service="rides", pid=12), "<Identity rides, pid 12, started 0>"),
        (Moment(0.0, 5.0), "<Moment utc 0, monotonic 5>"),
        (Rate(objects=1.0, bytes=56.0), "<Rate objects 1, bytes 56 B>"),
        (Baseline(), "<Baseline 0 known leak(s)>"),
        (
            Trend(verdict=Verdict.LEAK, because="", points=1_200, replicas=3, hours=72.0),
            "<Trend LEAK, 1,200 snapshots, 3 replicas, 72.0 hours>",
        ),
        (Trend(verdict=Verdict.LEAK, because="", owners=(OwnerTrend(path="app.x", entries=_SERIES),)).owners,
         "<OwnerTrends 1: STABLE app.x>"),
        (SoakReport(Report(Verdict.STABLE, "")), "<SoakReport STABLE, 0 scenario(s), 0 units>"),
        (
            SecondOpinion((PeerOpinion(Sighting("objgraph"), Stance.AGREES, ""),), 101, "LEAK"),
            "<SecondOpinion on LEAK: objgraph agrees, 101 units>",
        ),
        (Entries("app._orders", "dict", 1_512), "<Entries 0 of 1,512 in app._orders>"),
        (Entry(Peek("str", "'a'"), Peek("app.Result", "app.Result")), "<Entry key 'a', value app.Result>"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)  # fmt: skip
def test_a_line_for_each(value: object, shown: str) -> None:
    """What a prompt answers, word by word."""
    assert repr(value) == shown


def test_a_long_text_keeps_its_bracket() -> None:
    """What is cut says so."""
    assert bounded("<Snapshot " + "x" * 500 + ">").endswith("xxx...>")
    assert bounded("x" * 500, 10) == "xxxxxxx..."
    assert bounded("a\nb") == "a\\nb"


# -- rich ------------------------------------------------------------------------------------------


def _report() -> Report:
    return Report(Verdict.LEAK, "grew in every round", (_FINDING,), confidence="sure: 20 of 20 rounds")


def test_a_report_is_a_table_in_a_rich_console() -> None:
    """The first screen: what it is, the findings, how sure, and what to ask next."""
    assert _lines(_printed(_report(), 80)) == [
        "leakdiff: LEAK  app._orders grows by 1.00 entries per unit, never shrinks",
        "[3f9a2c]",
        "        verdict  what grows                                          each  cause",
        "3f9a2c  LEAK     app._orders grows by 1.00 entries per unit, never",
        "                 shrinks",
        "sure: 20 of 20 rounds",
        "findings[0].why() tells all of the first, why() of all",
    ]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_tables_fit_the_console(width: int) -> None:
    """No line is wider than the console, at any width."""
    for value in _hostile_results("app.matching.a_rather_long_name_of_an_owner._inflight"):
        assert max(map(len, _printed(value, width).splitlines())) <= width


def test_rich_pretty_shows_fields() -> None:
    """Where rich shows structure it shows ours: how much, and no nested dump."""
    pretty = pytest.importorskip("rich.pretty", reason="rich is not installed: pip install rich")
    shown = pretty.pretty_repr(_report())

    assert shown.splitlines() == [
        "Report(",
        "    verdict=LEAK,",
        "    because=grew in every round,",
        "    findings=1,",
        "    cost=cpu_seconds 0, walked 0,",
        "    unit=unit,",
        "    confidence=sure: 20 of 20 rounds",
        ")",
    ]
    assert pretty.pretty_repr(_report().findings).splitlines()[1] == (
        "    <Finding LEAK  app._orders grows by 1.00 entries per unit, never shrinks    [3f9a2c]>"
    )


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


# -- notebooks -------------------------------------------------------------------------------------


def test_a_finding_is_a_fragment_in_a_notebook() -> None:
    """One line of text, and the rows as HTML, without colours of our own."""
    shown = _FINDING._repr_mimebundle_(include=None, exclude=None)

    assert sorted(shown) == ["text/html", "text/plain"]
    assert shown["text/plain"] == repr(_FINDING)
    assert shown["text/html"].startswith(
        '<div class="leakdiff" style="overflow-x:auto"><p><strong>LEAK  app._orders grows by 1.00 entries per unit, '
        "never shrinks    [3f9a2c]</strong></p><table><tbody><tr>"
        '<td style="text-align:left;vertical-align:top">what</td>'
    )
    assert "color" not in shown["text/html"]


def test_a_finding_of_a_report_knows_its_class() -> None:
    """A finding shows the same, taken out of its report or not."""
    finding: Finding = _report().findings[0]

    assert finding._repr_mimebundle_() == _FINDING._repr_mimebundle_()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Cgroup(version=2, usage=4 << 20, limit=8 << 20), "<Cgroup version 2, usage 4.0 MiB, limit 8.0 MiB>"),
        (TimeToLimit(limit=8 << 20, low=1.0, high=None), "<TimeToLimit limit 8.0 MiB, low 1>"),
        (Bound("deque(maxlen)", 1_024, 12), "<Bound deque(maxlen), limit 1,024, filled 12>"),
    ],
    ids=range(3),
)
def test_a_limit_is_told_in_its_own_unit(value: object, shown: str) -> None:
    """Bytes as sizes, entries as counts."""
    assert repr(value) == shown


def test_what_takes_two_columns_is_aligned_by_columns() -> None:
    """A table is as wide as a terminal shows it, not as many characters as it has."""
    text = sheets_text([Sheet("t", ("name", "n"), (("\u6f22\u5b57", "1"), ("abcde", "20")), frozenset({1}))])

    assert text.splitlines() == ["t", "  name    n", "  \u6f22\u5b57    1", "  abcde  20"]
