"""Names that mean something to a terminal, a browser, Markdown or a parser are harmless in every format."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakdiff.model.heap import Site, Step
from leakdiff.model.report import Finding, Report, TypeGrowth
from leakdiff.render.trimmed import MOST_CHARACTERS
from leakdiff.reports import FORMATS, encoded, parsed, rendered
from paper import FULL, NATIVE, drawn_graph
from test_render_markdown import OURS, tokens_of
from test_render_text import report_of

_MARKUP = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></svg></section>",
    "]]></text><!-- ",
    "{{ 7 * 7 }}{% raw %}{0}",
    "&lt;b&gt;&amp;&#0;",
    "| cell | `code` | \\",
    "```\n# heading\n![](https://example.org)",
    "[here](javascript:alert(1)) @everyone #123",
    'x"]; evil [label="\\',
    'n1["x"] --> evil; click n1 "javascript:alert(1)"',
    "%%{init: {}}%%\nend",
)
_STEERING = ("\x1b[2J\x1b]0;owned\x07", "\u202eevil\u2066", "\r\n\x00\x85\u2028", "\udc80\ud800", "\ufeff\u200b")
_LONG = ("x" * 10_000_000, "<" * 10_000_000, "`|" * 5_000_000)
hostile = st.sampled_from((*_MARKUP, *_STEERING)) | st.text(st.characters(exclude_categories=()), max_size=12).filter(
    str.strip
)


def spoilt(finding: Finding, name: str) -> Finding:
    """Return a finding in which every text of the program is another."""
    site = Site(name, 7, name, name)
    graph = drawn_graph()
    graph.add_edge("dict", name, count=1)
    code = finding.code and attrs.evolve(
        finding.code,
        puts=tuple(attrs.evolve(one, site=site, how=name, only=name) for one in finding.code.puts),
        gones=tuple(attrs.evolve(one, site=site, how=name, only=name) for one in finding.code.gones),
        summary=name,
        pending=name,
    )
    return attrs.evolve(
        finding,
        owner=finding.owner and name,
        owner_type=name,
        because=name,
        path=(Step(name, "module"), *(Step(f".{name}", name) for _ in finding.path[1:])),
        types=(TypeGrowth(name, 1.0, 303, site, 1.0), *finding.types),
        key_shape=name,
        sites=(site,),
        waiting=(site,),
        shared_with=(name,),
        advice=name,
        code=code,
        native=finding.native and attrs.evolve(finding.native, references=name, reproduce=" ".join(name.splitlines())),
        graph=graph,
    )


def report_with(name: str) -> Report:
    """Return a report in which every text of the program is the same hostile one."""
    report = report_of(spoilt(FULL, name), spoilt(NATIVE, name), notes=(name,))
    return attrs.evolve(report, because=name, confidence=name, fixed=(name,), also=(("mix", name),))


PLAIN = report_with("name")


class Tags(HTMLParser):
    """The elements of a page, as a browser counts them; what is within ``style`` is no element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note one."""
        self.tags.append(tag)
        self.names.update(name for name, _ in attributes)


DRAWN = {"svg", "title", "desc", "style", "g", "rect", "path", "polygon", "text"}
AROUND = {"h3", "div"}  # of a picture: whether there is a second one depends on what holds what
ELEMENTS = [tag for tag in Tags(rendered(PLAIN, "html")).tags if tag not in DRAWN | AROUND]
ATTRIBUTES = Tags(rendered(PLAIN, "html")).names


@settings(max_examples=12)
@given(hostile)
def test_no_name_adds_an_element_to_a_page(name: str) -> None:
    """The same elements in the same order as with a plain name, but for what a picture has room for."""
    page = Tags(rendered(report_with(name), "html"))

    assert [tag for tag in page.tags if tag not in DRAWN | AROUND] == ELEMENTS
    assert page.names <= ATTRIBUTES | {"stroke-dasharray"}
    assert "script" not in page.tags


@settings(max_examples=12)
@given(hostile)
def test_no_name_adds_an_element_to_a_picture(name: str) -> None:
    """Nor an attribute that does something."""
    page = Tags(rendered(report_with(name), "svg"))

    assert set(page.tags) <= DRAWN
    assert not [one for one in page.names if one.startswith("on") or "href" in one]


@settings(max_examples=12)
@given(hostile)
def test_no_name_adds_a_cell_or_a_tag_to_markdown(name: str) -> None:
    """As a reader of Markdown sees it: cells, headings and folded parts are as many as with a plain name."""
    tokens = tokens_of(rendered(report_with(name), "md"))
    kinds = {token.type for token in tokens}

    assert not kinds & {"link_open", "image", "blockquote_open", "ordered_list_open"}
    assert all(OURS.match(token.content) for token in tokens if token.type in ("html_block", "html_inline"))
    rows = sum(token.type == "tr_open" for token in tokens)
    rounds = len(PLAIN.rounds) + 1
    cells = sum(token.type in ("td_open", "th_open") for token in tokens)
    assert cells == 8 * rounds + 2 * (rows - rounds)


@settings(max_examples=12)
@given(hostile)
def test_a_terminal_shows_every_text_as_it_is(name: str) -> None:
    """No character of the text formats steers anything, but for ends of lines."""
    for to in ("text", "md", "dot", "mermaid"):
        assert all(line.isprintable() for line in rendered(report_with(name), to).split("\n")), to


@settings(max_examples=12)
@given(hostile)
def test_what_programs_read_stays_what_it_is(name: str) -> None:
    """JSON comes back as it was; SARIF has the same results; both are ASCII, and the same twice."""
    report = report_with(name)
    loaded = parsed(report.json().encode(), "report.json")

    assert loaded.json() == report.json()
    assert report.json().isascii()
    (run,) = json.loads(report.sarif())["runs"]
    assert [result["level"] for result in run["results"]] in (["error", "warning"], ["error"])  # no file is "<x>"
    for to in FORMATS:
        assert rendered(report, to) == rendered(report, to), to
        assert encoded(rendered(report, to)), to


@pytest.mark.parametrize("name", _LONG, ids=["letters", "markup", "ticks"])
def test_a_name_of_ten_megabytes_makes_no_format_long(name: str) -> None:
    """Each text is cut; what is made of it stays below a megabyte."""
    report = report_with(name)

    for to in FORMATS:
        assert len(encoded(rendered(report, to))) < 1 << 20, to
    cut = parsed(report.json().encode(), "report.json").findings[0].owner
    assert cut is not None
    assert len(cut) == MOST_CHARACTERS
    assert cut.endswith("…")
