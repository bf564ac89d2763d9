"""The page of a view: whole, harmless whatever stands in a name, relative, and readable without a script."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any, get_args
from urllib.parse import urljoin

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.render.html import as_page
from leakdiff.web.cells import amount, span, tell
from leakdiff.web.charts import draw
from leakdiff.web.desk import Desk
from leakdiff.web.html import page_of
from leakdiff.web.messages import Request
from leakdiff.web.refusals import NotThere
from leakdiff.web.routing import ROUTES, Asked
from leakdiff.web.settings import Settings
from leakdiff.web.view import (
    Block,
    Chart,
    Column,
    Facts,
    Findings,
    Form,
    Input,
    Kind,
    Link,
    Progress,
    Steps,
    Table,
    Text,
    View,
)
from leakdiff.web.views.files import static
from snapshots import MATCHING, NOON
from test_render_html import EVIL
from test_render_text import INFLIGHT, report_of

VOID = ("meta", "link", "input", "wbr")
TAGS = (
    "html head meta link script noscript title body a header p span div button nav ul li main h1 h2 h3 section table "
)
TAGS += (
    "caption thead tbody tr th td code svg polygon polyline dl dt dd figure figcaption time pre ol em strong wbr form "
)
TAGS += "label input select option progress footer"
HARMFUL = (*EVIL, "\u202egnp.exe", "\ud800", "javascript:alert(1)", "//evil.example/x", "a\nb\x1b[31m", "")
PATHS = ("/", "/types", "/findings/3f9a2c")
RISING = tuple((NOON + 300.0 * at, 1e6 + 1e4 * at) for at in range(100))


@attrs.frozen
class Element:
    """A tag, what it has, and the text in it."""

    tag: str
    has: dict[str, str]
    texts: list[str] = attrs.field(factory=list)

    @property
    def text(self) -> str:
        """All text in it, the spaces of the template squeezed."""
        return " ".join("".join(self.texts).split())


class Page(HTMLParser):
    """A page as a browser would see it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.all.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that has nothing in it."""
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last, and no other."""
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        """Note a text with all the elements it is in."""
        for element in self._open:
            element.texts.append(data)

    def find(self, tag: str, **has: str) -> list[Element]:
        """Return the elements of a tag that have these attributes; ``class_`` is the class."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in has.items()}
        return [each for each in self.all if each.tag == tag and wanted.items() <= each.has.items()]

    def one(self, tag: str, **has: str) -> Element:
        """Return the only element of a tag that has these attributes."""
        (found,) = self.find(tag, **has)
        return found


def shown(*blocks: Block, path: str = "/types", query: str = "", **facts: Any) -> Page:
    """Return the page of a view with these blocks."""
    view = View(**{"title": "types", "blocks": blocks, **facts})
    return Page(page_of(view, path, MATCHING, query))


def view_full_of(text: str) -> View:
    """Return a view with every block, and a text everywhere it can stand."""
    report = report_of(attrs.evolve(INFLIGHT, owner=text, because=text, advice=text), notes=(text,))
    cells = (text, Link(text, text), Chart(RISING, text), 17, 1.5, None)
    return View(
        title=text,
        said=text,
        verdict=text,
        blocks=(
            Table(title=text, columns=tuple(Column(text, "code") for _ in cells), rows=(cells,), left_out=2),
            Table(title=text, columns=(Column(text),), rows=(), empty=text),
            Facts(title=text, rows=tuple((text, cell) for cell in cells)),
            Text(title=text, text=text),
            Text(title=text, text=f"{text}\n{text}", is_preformatted=True),
            Findings(title=text, page=as_page(report), text=text),
            Steps(title=text, steps=((text, text), (text, ""), ("[*]", text)), owner=1),
            Form(label=text, to=text, inputs=(Input(name=text, label=text, value=text),), said=text),
            Form(label=text, to=text, inputs=(Input(name=text, label=text, value=text, choices=(text, "x")),)),
            Progress(share=0.25, said=text),
        ),
        data={"slug": text},
        refresh=2.0,
    )


def as_lines(page: Page) -> list[list[str]]:
    """Return the rows of the first table, cell by cell."""
    rows: list[list[str]] = []
    for element in page.all:
        if element.tag == "tr":
            rows.append([])
        elif element.tag in ("th", "td"):
            rows[-1].append(element.text)
    return rows


# -- what is told ----------------------------------------------------------------------------------


def test_the_answer_stands_on_top() -> None:
    """The heading is the verdict and the sentence, and a tab tells which process it is of."""
    page = shown(verdict="LEAK", said="app.cache grows by 1.00 entries per unit.")

    assert page.one("h1").text == "LEAK app.cache grows by 1.00 entries per unit."
    assert page.one("title").text == "LEAK: types - matching 17 - leakdiff"
    assert page.one("html").has["lang"] == "en"


def test_every_block_is_shown() -> None:
    """Nothing that a view says gets lost, whatever says it."""
    page = Page(page_of(view_full_of("app.cache"), "/types", MATCHING))
    text = page.one("main").text

    assert text.count("app.cache") >= 40
    assert "2 more are not shown." in text
    assert {"table", "dl", "pre", "ol", "form", "select", "progress", "svg"} <= {each.tag for each in page.all}
    assert page.one("progress").has["value"] == "0.250"


def test_a_table_is_told_with_units_and_exact_values() -> None:
    """Sizes are rounded for the eye; what is rounded can be read whole, and columns are sorted by it."""
    columns = (
        Column("type", "code"),
        Column("count", "number"),
        Column("bytes", "bytes"),
        Column("grew", "bytes change"),
        Column("by", "change"),
        Column("took", "seconds"),
        Column("at", "time"),
    )
    page = shown(Table(title="Types", columns=columns, rows=(("app.A", 1_200, 1_153_434, -2_048, 5, 0.3, NOON),)))

    assert as_lines(page) == [
        ["type", "count", "bytes", "grew", "by", "took", "at"],
        ["app.A", "1,200", "1.1 MiB", "-2.0 KiB", "+5", "300 ms", "2026-03-01 12:00:00Z"],
    ]
    assert [each.has["title"] for each in page.find("span") if "title" in each.has] == [
        "1,153,434 bytes",
        "-2,048 bytes",
        "0.300 s",
    ]
    assert [each.has["data-order"] for each in page.find("td")] == ["1200", "1153434", "-2048", "5", "0.3", repr(NOON)]
    assert page.one("caption").text == "Types"
    assert [each.has["scope"] for each in page.find("th")] == ["col"] * 7 + ["row"]
    assert page.one("div", class_="scroll").has.items() >= {("tabindex", "0"), ("role", "region")}


def test_names_may_break_at_their_dots() -> None:
    """A long path wraps where a reader would break it, and is copied as it is."""
    html = page_of(View(title="x", blocks=(Facts(rows=(("a", "b"),)), _codes("app.matching._inflight"))), "/", MATCHING)

    assert "<code>app<wbr>.matching<wbr>._inflight</code>" in html


def _codes(name: str) -> Table:
    return Table(columns=(Column("path", "code"),), rows=((name,),))


def test_a_verdict_is_told_apart_at_a_glance() -> None:
    """Wherever a cell is a verdict it has its weight and colour, and no other text has."""
    page = shown(Table(columns=(Column("verdict"),), rows=(("LEAK",), ("STABLE",), ("LEAKY",))))

    assert [each.has["class"] for each in page.find("span") if each.text.isupper()] == [
        "verdict LEAK",
        "verdict STABLE",
    ]


def test_an_empty_table_says_so() -> None:
    """Where there is nothing a sentence says so, and no headings stand above nothing."""
    page = shown(Table(title="Sites", columns=(Column("site"),), rows=(), empty="tracemalloc was off."))

    assert not page.find("table")
    assert page.one("main").text.endswith("Sites tracemalloc was off.")


def test_a_path_is_a_chain_with_its_owner() -> None:
    """Steps are a list, in order, and the owner among them is said in words and not by colour alone."""
    steps = (("module app", "module"), ("cache", "dict"), ("[*]", "app.Result"))
    page = shown(Steps(title="Who holds it", steps=steps, owner=1))

    assert page.one("ol", class_="steps").text == "module app root cache dict owner [*] app.Result grows"
    assert page.one("li", class_="owner").text == "cache dict owner"


def test_findings_lead_to_their_pages() -> None:
    """The fingerprint of a finding is a link, wherever a report is shown."""
    page = shown(Findings(page=as_page(report_of(INFLIGHT)), text=""), path="/jobs/17-1-ab")

    assert page.one("a", href=f"../findings/{INFLIGHT.fingerprint}").text == INFLIGHT.fingerprint


@pytest.mark.parametrize("path", PATHS)
def test_the_navigation_leads_to_every_view(path: str) -> None:
    """All views that need no name are one step away, and the present one is marked."""
    page = shown(path=path)
    paths = {urljoin(f"/prefix{path}", each.has["href"]) for each in page.find("a")}
    marked = [each.text for each in page.all if "aria-current" in each.has]

    for route in ROUTES:
        if route.is_view and route.method == "GET" and "{" not in route.path:
            assert f"/prefix{route.path}" in paths
    assert marked == {"/": ["overview"], "/types": ["types"]}.get(path, [])


def test_a_page_leads_to_its_other_formats() -> None:
    """What is seen can be fetched by a program with the same parameters."""
    page = shown(query="like=a%26b&format=html&limit=5")

    assert [each.has["href"] for each in page.find("a") if each.has["href"][0] == "?"] == [
        "?like=a%26b&limit=5&format=json",
        "?like=a%26b&limit=5&format=text",
    ]


def test_a_page_that_changes_asks_for_itself() -> None:
    """It is reloaded without a script, taken over with one, and left alone where nothing changes."""
    moving, still = shown(refresh=1.0), shown()

    assert moving.one("meta", http_equiv="refresh").has["content"] == "2"
    assert moving.one("main").has["data-refresh"] == "1.0"
    assert not still.find("meta", http_equiv="refresh")
    assert "data-refresh" not in still.one("main").has


# -- refusals --------------------------------------------------------------------------------------


def test_a_refusal_is_a_page_with_its_slug() -> None:
    """The sentence stands on top; a script sees that it is no answer to go on with."""
    page = shown(title="Conflict", said="A watch is under way.", status=409, data={"slug": "busy"})

    assert page.one("h1").text == "A watch is under way."
    assert page.one("main").has["data-slug"] == "busy"
    assert not [each for each in page.find("a") if each.has["href"].startswith("?")]


@pytest.mark.parametrize(("job", "is_elsewhere"), [("16-1-abcd", True), ("17-1-abcd", False), ("x", False)])
def test_a_job_of_another_worker_is_asked_for_again(job: str, is_elsewhere: bool) -> None:  # noqa: FBT001
    """With several workers the next request may reach the one that knows the job; what this one forgot stays so."""
    page = shown(path=f"/jobs/{job}", status=404, data={"slug": "not-known"})

    assert ("data-elsewhere" in page.one("main").has) is is_elsewhere
    assert len(page.find("a", href=f"../jobs/{job}")) == is_elsewhere


def test_who_may_not_look_sees_no_process() -> None:
    """A page without a process names none, leads nowhere and needs no further file."""
    page = Page(page_of(View(title="Unauthorized", said="The token is missing.", status=401), "/types", None))

    assert "pod-1" not in page.one("html").text
    assert not page.find("nav")
    assert not page.find("script")


# -- harmless --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HARMFUL)
def test_no_name_can_change_a_page(text: str) -> None:
    """Whatever a program calls its things, the page has our elements only, no code of its own, and steers nothing."""
    html = page_of(view_full_of(text), "/types", MATCHING)
    page, plain = Page(html), Page(page_of(view_full_of("x"), "/types", MATCHING))
    names = {name for each in page.all for name in each.has}

    assert html.encode()
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert {each.tag for each in page.all} <= set(TAGS.split())
    assert {each.tag for each in page.all} <= {each.tag for each in plain.all} | {"wbr"}
    assert not [name for name in names if name == "style" or name.startswith("on")]
    assert page.one("script").has == {"src": "./static/leakdiff.js", "defer": ""}
    assert not page.one("script").text
    assert not page.find("style")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("text", [*HARMFUL, "/jobs/17-1-ab", "/history?series=entries%3Aapp.cache&since=60"])
def test_every_link_stays_below_the_prefix(path: str, text: str) -> None:
    """Nothing depends on where a proxy mounts the endpoint, and nothing leads away from it."""
    page = Page(page_of(view_full_of(text), path, MATCHING))
    links = [each.has[name] for each in page.all for name in ("href", "src", "action") if name in each.has]

    assert len(links) > 20
    for link in links:
        assert link == "data:," or re.match(r"(\./|\.\./|[?#])", link)
        assert urljoin(f"https://host/prefix{path}", link).startswith("https://host/prefix/") or link == "data:,"


# -- forms -----------------------------------------------------------------------------------------


def test_forms_are_plain() -> None:
    """They work in any browser: a method, where to, a label for each input, and a button that says what it does."""
    watch = Form(label="Watch", to="/watch", inputs=(Input(name="seconds", label="Seconds", value="60"),), said="Slow.")
    series = Input(name="series", label="Series", value="rss", choices=("blocks", "rss"))
    page = shown(watch, Form(label="Show", to="/history", method="get", inputs=(series,)), path="/jobs/17-1-ab")
    forms = page.find("form")

    assert [(each.has["method"], each.has["action"]) for each in forms] == [
        ("post", "../watch"),
        ("get", "../history"),
    ]
    assert page.one("input").has.items() >= {("name", "seconds"), ("value", "60"), ("type", "number")}
    assert [each.text for each in page.find("option") if "selected" in each.has] == ["rss"]
    assert {each.has["for"] for each in page.find("label")} == {
        each.has["id"] for each in page.all if each.tag in ("input", "select")
    }
    assert [each.text for each in page.find("button") if "type" not in each.has] == ["Watch", "Show"]


# -- charts ----------------------------------------------------------------------------------------


def heights(*values: float) -> list[float]:
    """Return how high above the bottom a line through values is drawn."""
    line = draw(Chart(tuple(enumerate(map(float, values))), "")).line
    return [120.0 - float(pair.partition(",")[2]) for pair in line.split()]


def test_a_chart_is_read_aloud_and_drawn() -> None:
    """It has its words as a label, its least and largest value beside it, and the time it spans."""
    page = shown(Facts(rows=(("memory", Chart(RISING, "from 1 to 2", "bytes")),)))

    assert page.one("svg").has["role"] == "img"
    assert page.one("svg").has["aria-label"] == "from 1 to 2"
    assert page.one("span", class_="high").text == "1.9 MiB"
    assert page.one("span", class_="low").text == "976.6 KiB"
    assert [each.text for each in page.find("time")] == ["2026-03-01 12:00:00Z", "2026-03-01 20:15:00Z"]


def test_a_line_rises_with_its_values() -> None:
    """The least value is at the bottom, the largest at the top, and the others between."""
    assert heights(10, 20, 30) == [4.0, 60.0, 116.0]


def test_what_is_flat_looks_flat() -> None:
    """Noise of a thousandth is not drawn as a mountain, and a level line is drawn at all."""
    assert max(heights(1_000, 1_001, 1_000)) - min(heights(1_000, 1_001, 1_000)) < 3
    assert heights(7, 7, 7) == [4.0, 4.0, 4.0]


def test_a_spike_is_never_lost() -> None:
    """A long line is thinned so that its highest and lowest points stay."""
    points = [(float(at), 1.0) for at in range(5_000)]
    points[2_345] = (2_345.0, 9.0)

    line = draw(Chart(tuple(points), "")).line
    assert len(line.split()) <= 242
    assert ",4.0" in line


def test_what_cannot_be_drawn_is_said() -> None:
    """Without a reading there is no line; a single one is a level line; what is no number is left out."""
    nothing = draw(Chart(((NOON, float("nan")), (float("inf"), 1.0)), "never read"))

    assert not nothing.line
    assert len(draw(Chart(((NOON, 5.0),), "")).line.split()) == 2
    assert shown(Facts(rows=(("memory", Chart((), "never read")),))).one("dd").text == "never read"


# -- cells -----------------------------------------------------------------------------------------


@given(st.floats() | st.integers(-(10**18), 10**18), st.sampled_from(get_args(Kind)))
def test_any_number_can_be_told(value: float, kind: Kind) -> None:
    """Whatever was measured, or went wrong in measuring, there is a text for it."""
    told = tell(value, kind)

    assert told.text
    assert told.order == "" or float(told.order) == float(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.0123, "12 ms"),
        (0.9999, "1.0 s"),
        (59.99, "1 min"),
        (303, "5 min 3 s"),
        (7_500, "2 h 5 min"),
        (86_399, "1 d"),
        (273_600, "3 d 4 h"),
        (-90, "-1 min 30 s"),
        (float("inf"), "inf s"),
    ],
)
def test_a_time_is_told_in_the_units_that_matter(seconds: float, text: str) -> None:
    """Two units at most, and none is ever full."""
    assert span(seconds) == text


def test_changes_have_a_sign() -> None:
    """What grew is told apart from how much there is."""
    assert [amount(value, "change") for value in (505, -3, 0, 1.5)] == ["+505", "-3", "0", "+1.50"]
    assert [amount(value, "bytes change") for value in (2_048, -2_048, 0)] == ["+2.0 KiB", "-2.0 KiB", "0 B"]


# -- files -----------------------------------------------------------------------------------------


def fetch(name: str) -> tuple[str, str]:
    """Return a static file and its type."""
    desk = Desk(Settings(), None)
    found = static(Asked(desk=desk, request=Request(method="GET", path=""), format="html", given={"name": name}))
    assert found.status == 200
    return found.body.decode(), found.type


def test_the_stylesheet_begins_with_that_of_saved_reports() -> None:
    """A page that is served looks like a report that was saved, and needs nothing from outside."""
    style, type_ = fetch("leakdiff.css")

    assert type_ == "text/css; charset=utf-8"
    assert style.startswith(":root {")
    assert "prefers-color-scheme: dark" in style
    assert ".scroll { overflow-x: auto;" in style
    assert "url(" not in style
    assert "@import" not in style


def test_the_script_needs_nothing_but_the_page() -> None:
    """It makes no code of texts and asks no other host."""
    script, type_ = fetch("leakdiff.js")

    assert type_ == "text/javascript; charset=utf-8"
    for word in ("eval", "innerHTML", "http://", "https://", "document.write", "setAttribute('style"):
        assert word not in script


@pytest.mark.parametrize("name", ["page.html", "..", "../html.py", "leakdiff.css/", "", "LEAKDIFF.CSS"])
def test_no_other_file_is_served(name: str) -> None:
    """Names are looked up in a list and never joined to a folder."""
    with pytest.raises(NotThere):
        fetch(name)
