"""The page of a report: all that its text says, safe whatever stands in a name, and readable by everybody."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from typing import Any

import attrs
import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder import one_round
from leakdiff.errors import MissingExtra
from leakdiff.model.report import Report, Verdict
from leakdiff.model.signals import Phase
from leakdiff.render.html import as_page, render_html, render_session, templates
from leakdiff.render.plain import printable
from leakdiff.render.text import rows, told
from paper import FULL, drawn_graph
from strategies import reports
from test_render_text import C_HEAP, CAUSE, CODE, INFLIGHT, report_of

FEW = settings(max_examples=12)  # a page takes 30 ms, and what may stand in it is drawn from little
VOID = ("meta", "link")
XMLNS = 'xmlns="http://www.w3.org/2000/svg"'  # a name, and no address that anybody opens
TAGS = "html head meta title style body main h1 h2 h3 section span code dl div dt dd figure svg polyline figcaption p "
TAGS += "table caption thead tbody tr th td a pre header nav ol li footer details summary link "
TAGS += "desc g path polygon rect text"  # of pictures
ATTRIBUTES = (
    "lang charset name content http-equiv class id tabindex href scope viewbox role aria-label aria-labelledby "
)
ATTRIBUTES += "fill stroke stroke-width points rel open style xmlns width height x y rx d transform stroke-dasharray "
ATTRIBUTES += "font-family font-size font-weight text-anchor stroke-linejoin"
EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><h1>",
    "&lt;b&gt; &amp;",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- ",
    "' onclick='x",
)
evil_reports = st.builds(
    lambda report, text: attrs.evolve(
        report,
        because=text,
        not_analysed=(text,),
        confidence=text,
        fixed=(text,),
        python=text,
        version=text,
        findings=tuple(attrs.evolve(found, owner=text, because=text, advice=text) for found in report.findings),
    ),
    reports,
    st.sampled_from(EVIL),
)


class Page(HTMLParser):
    """A page as a browser would see it: what is open, what it has, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.comments: list[str] = []
        self.text = ""
        self.style = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and what it has."""
        self.tags.append(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that has nothing in it."""
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last, and no other."""
        assert self._open.pop() == tag

    def handle_comment(self, data: str) -> None:
        """Note a comment."""
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        """Note what is to be read."""
        if self._open[-1:] == ["style"]:
            self.style += data
        else:
            self.text += data

    def values(self, name: str) -> list[str]:
        """Return the values that an attribute has anywhere."""
        return [value for found, value in self.attributes if found == name]


def squeezed(text: str) -> str:
    """Return a text without its spaces: a page does not stand in columns."""
    return "".join(text.split())


def session_of(*found: Report) -> dict[str, Any]:
    """Return a session that looked at one test for each report."""
    tests = [
        {
            "test": f"test_app.py::test_{report.because}",
            "kind": "check",
            "verdict": report.verdict.value,
            "headline": str(report),
            "owners": [finding.owner for finding in report.findings if finding.owner],
            "is_failure": bool(report.leaks),
            "page": as_page(report),
            "lines": [],
        }
        for report in found
    ]
    facts = {"leakdiff": "0.1.0", "python": "3.12.1", "cost": {"cpu_seconds": 0.25}}
    return {**facts, "notes": [], "outlived": [], "others": 0, "title": f"{len(tests)} checked", "tests": tests}


# -- one report ------------------------------------------------------------------------------------


def test_a_page_shows_every_row_of_the_text() -> None:
    """Who reads the page knows what the terminal said, row by row."""
    finding = attrs.evolve(INFLIGHT, code=CODE, cause=CAUSE, shared_with=("app.index",), retained=64.0)
    report = report_of(attrs.evolve(finding, grows="1.00 per cancels"), notes=("nothing was left out",))
    report = attrs.evolve(report, confidence="sure: grew in 12 rounds", also=(("mix", "98 serves, 2 cancels"),))
    text = squeezed(Page(render_html(report)).text)

    for line in report.text().splitlines():
        assert squeezed(line.removeprefix("leakdiff: ")) in text


def test_a_page_shows_all_findings() -> None:
    """There is room for what the first screen of a terminal leaves out."""
    page = Page(render_html(report_of(INFLIGHT, *[C_HEAP] * 7)))

    assert page.tags.count("section") == 8 + 1  # and the evidence


def test_good_news_is_one_sentence() -> None:
    """A clean report shows its first line, and no empty boxes."""
    page = Page(render_html(Report(Verdict.STABLE, "nothing grew in 5 rounds of 11 units (55 units)")))

    assert "STABLE  nothing grew in 5 rounds of 11 units (55 units)" in page.text
    assert "section" not in page.tags
    assert "svg" not in page.tags


def test_a_page_says_what_the_check_cost_and_where_it_ran() -> None:
    """CPU time, objects walked, and both versions."""
    report = attrs.evolve(report_of(INFLIGHT), python="3.12.1", version="0.2.0")
    report = attrs.evolve(report, cost=attrs.evolve(report.cost, cpu_seconds=0.444, walked=43_417))

    assert (
        "leakdiff 0.2.0 on Python 3.12.1 took 0.44 s of CPU time and walked 43,417 objects."
        in Page(render_html(report)).text
    )


def test_a_report_knows_its_page() -> None:
    """``report.html()`` stands beside ``text()`` and ``json()``."""
    report = report_of(INFLIGHT)

    assert report.html() == render_html(report)


# -- one report at length --------------------------------------------------------------------------


def test_a_page_opens_with_the_answer() -> None:
    """Verdict and claim are its only heading of the first rank; where there are several findings, a list leads on."""
    page = Page(render_html(report_of(INFLIGHT, C_HEAP)))

    assert squeezed(page.text).count(squeezed("LEAK app.matching._inflight grows by 1.00 entries per unit")) == 4
    assert page.values("href") == ["data:,", "#finding-1", "#finding-2"]
    assert [name for name in page.values("id") if name.startswith("finding")] == ["finding-1", "finding-2"]


def many_types() -> nx.DiGraph[str]:
    """Return a graph of several types, of which areas say something."""
    graph = drawn_graph()
    for name in ("list", "set"):
        graph.add_node(name, count=303, bytes=20_000)
        graph.add_edge("owner dict", name, count=303)
    return graph


MANY = attrs.evolve(FULL, graph=many_types())


def test_few_types_are_not_drawn_as_areas() -> None:
    """A row of text says as much."""
    assert Page(render_html(report_of(FULL))).values("class").count("picture") == 1


def test_a_finding_is_drawn_and_its_fix_shown_as_code() -> None:
    """The way from the root to what grows, what lies under the owner, and a few lines of Python."""
    page = Page(render_html(report_of(MANY)))

    assert [said for said in page.values("aria-label") if said.startswith("W")] == [
        "Who holds it: the way from the root down to what grows",
        "What lies under the owner, by type",
    ]
    assert "try:\n    ask(ride)\nfinally:\n    del _inflight[rid]" in page.text


def test_what_has_no_owner_is_not_drawn() -> None:
    """There is nothing to draw of the C heap."""
    assert "picture" not in Page(render_html(report_of(C_HEAP))).values("class")


def test_only_the_first_findings_are_drawn() -> None:
    """A page of many findings stays small."""
    page = Page(render_html(report_of(*[MANY] * 30)))

    assert page.values("class").count("picture") == 2 * 10
    assert page.tags.count("section") == 30 + 1


def test_all_rounds_are_in_a_table() -> None:
    """One row for each, with what was not measured said in words; a long one is folded."""
    rounds = (*(one_round(Phase.MARK, blocks=1_101),) * 2, attrs.evolve(one_round(Phase.DEEP), native_bytes=None))
    page = Page(render_html(attrs.evolve(report_of(C_HEAP), rounds=rounds)))

    assert page.values("scope") == ["col"] * 9 + ["row"] * 3
    assert squeezed("1 mark 101 0 1,101 0 0 0 0") in squeezed(page.text)
    assert "not measured" in page.text
    assert page.values("open") == [""]
    assert not Page(render_html(attrs.evolve(report_of(C_HEAP), rounds=rounds * 5))).values("open")


# -- drawings --------------------------------------------------------------------------------------


def test_rounds_are_drawn_as_levels_over_units() -> None:
    """What grows alike in each round is a straight line from one corner to the other."""
    rounds = tuple(one_round(Phase.MARK, blocks=101) for _ in range(2))
    page = Page(render_html(attrs.evolve(report_of(C_HEAP), rounds=rounds)))

    assert page.values("points") == ["2.0,22.0 60.0,12.0 118.0,2.0"]
    assert page.values("aria-label") == ["memory blocks, round by round", "All rounds"]
    assert "+202 memory blocks over 202 units of work in 2 rounds" in page.text


def test_what_never_changed_is_not_drawn() -> None:
    """Rounds in which nothing ran or nothing was measured say nothing either."""
    rounds = (one_round(Phase.MARK), one_round(Phase.DEEP, blocks=600), one_round(Phase.IDLE, blocks=7))

    assert not Page(render_html(attrs.evolve(report_of(C_HEAP), rounds=rounds))).values("points")


# -- for everybody ---------------------------------------------------------------------------------


def test_a_page_needs_nothing_from_outside_and_runs_nothing() -> None:
    """It works from a disk without a network, and its own policy forbids the rest."""
    html = render_html(report_of(INFLIGHT))
    page = Page(html)

    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page.values("content")
    assert page.values("href") == ["data:,"]
    assert "url(" not in page.style
    assert "@import" not in page.style
    assert "://" not in html.replace(XMLNS, "")


def test_a_page_fits_a_telephone_and_a_dark_room() -> None:
    """It is as wide as the screen, breaks long names, and follows the colours that the reader prefers."""
    page = Page(render_html(report_of(INFLIGHT)))

    assert "width=device-width, initial-scale=1" in page.values("content")
    assert "overflow-wrap: anywhere" in page.style
    assert "color-scheme: light dark" in page.style


def test_every_colour_of_text_stands_out_from_its_ground() -> None:
    """By 4.5 to 1 at least, as WCAG asks of text, in light and in dark."""
    style = Page(render_html(report_of(INFLIGHT))).style
    schemes = re.findall(r"--ground:.*?\}", style, re.DOTALL)

    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): #(\w{6})", scheme))
        for ground in ("ground", "raised"):
            for ink in colours.keys() - {"ground", "raised", "line"}:
                assert contrast(colours[ground], colours[ink]) >= 4.5, (ground, ink)


def contrast(one: str, other: str) -> float:
    """Return how much two colours differ (WCAG 2.2, contrast ratio)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Return how bright a colour is (WCAG 2.2, relative luminance)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# -- a session -------------------------------------------------------------------------------------


def test_a_session_is_a_table_with_links_to_the_reports_below() -> None:
    """Each row has a verdict, a test and its owners, and leads to what was found in it."""
    page = Page(render_session(session_of(report_of(INFLIGHT), Report(Verdict.STABLE, "clean"))))

    assert page.tags.count("tr") == 3
    assert page.values("href") == ["data:,", "#look-1", "#look-2"]
    assert page.values("id") == ["look-1", "look-2"]
    assert page.values("scope") == ["col", "col", "col", "row", "row"]
    assert "app.matching._inflight" in page.text


def test_what_has_no_report_shows_its_text() -> None:
    """Lines stay lines."""
    session = session_of(report_of(INFLIGHT))
    session["tests"][0] |= {"page": None, "lines": ["it is still there", "  held by <app>"]}

    assert "it is still there\n  held by <app>" in Page(render_session(session)).text


def test_what_outlived_tests_is_told_by_owner() -> None:
    """A box for each owner, with all that is known of it."""
    rows = [["holds", "2 dict, 368 B, from 2 tests"], ["path", "module app ─ <_seen>"]]
    item = {"owner": "app.<_seen>", "type": "dict", "fingerprint": "3f9a2c", "rows": rows}
    page = Page(render_session({**session_of(), "outlived": [item], "others": 1_234}))

    assert "app.<_seen> (dict) [3f9a2c]" in page.text
    assert "2 dict, 368 B, from 2 tests" in page.text
    assert "module app ─ <_seen>" in page.text
    assert "1,234 more objects of tests are kept by pytest" in page.text


def test_without_jinja2_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the command, instead of an ImportError from within."""
    monkeypatch.setitem(sys.modules, "jinja2", None)

    with pytest.raises(MissingExtra, match=r"needs jinja2, which is not installed: pip install 'leakdiff\[html\]'\."):
        report_of(INFLIGHT).html()


def test_a_page_does_not_grow_with_the_rounds() -> None:
    """A line has no more points than its drawing has room for: its heights and depths, its beginning and its end."""
    measured = [one_round(Phase.MARK, objects=1 + number % 7 - 3) for number in range(20_000)]
    measured[5_000] = one_round(Phase.MARK, objects=9_000)
    measured[5_001] = one_round(Phase.MARK, objects=-9_000)
    few, many = (
        as_page(attrs.evolve(report_of(INFLIGHT), rounds=tuple(rounds)))["signals"][0]["points"].split(" ")
        for rounds in (measured[:7], measured)
    )
    heights = [float(point.partition(",")[2]) for point in many]

    assert len(few) == 8
    assert len(many) < 2_000
    assert (min(heights), max(heights)) == (2.0, 22.0)
    assert (many[0].partition(",")[0], many[-1].partition(",")[0]) == ("2.0", "118.0")


def test_templates_are_read_once() -> None:
    """A session of tests makes a page for each; what says that jinja2 is missing still looks each time."""
    assert templates("leakdiff.render") is templates("leakdiff.render")
    assert templates("leakdiff.web", "leakdiff.render") is not templates("leakdiff.render")


# -- any report ------------------------------------------------------------------------------------


@FEW
@given(reports | evil_reports)
def test_any_page_has_our_tags_only(report: Report) -> None:
    """No name, path, line of code, reason or note becomes a tag, an attribute or a comment."""
    page = Page(render_html(report))

    assert set(page.tags) <= set(TAGS.split())
    assert {name for name, _ in page.attributes} <= set(ATTRIBUTES.split())
    assert not page.comments
    has_evidence = bool(report.rounds or report.also or report.not_analysed)
    assert page.tags.count("section") == len(told(report)) + has_evidence
    assert page.tags.count("h1") == page.tags.count("main") == 1


@FEW
@given(reports | evil_reports)
def test_any_page_says_what_the_report_says(report: Report) -> None:
    """Every row of every finding, the confidence and each note are there to be read, as they are."""
    text = squeezed(Page(render_html(report)).text)

    for finding in told(report):
        assert all(squeezed(printable(said)) in text for _, said in rows(finding))
    assert all(squeezed(printable(note)) in text for note in (*report.not_analysed, report.confidence))


@FEW
@given(reports)
def test_any_page_is_the_same_twice_and_can_be_written(report: Report) -> None:
    """Nothing depends on the clock or on chance, and no half of a surrogate pair is left."""
    assert render_html(report).encode() == render_html(report).encode()


@FEW
@given(st.lists(evil_reports, max_size=3))
def test_any_session_has_our_tags_only(found: list[Report]) -> None:
    """Neither does what a test is called, nor what an owner is called in the table."""
    page = Page(render_session(session_of(*found)))

    assert set(page.tags) <= set(TAGS.split())
    assert {name for name, _ in page.attributes} <= set(ATTRIBUTES.split())
    assert ["data:,", *(f"#{name}" for name in page.values("id"))] == page.values("href")
