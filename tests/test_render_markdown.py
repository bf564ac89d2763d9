"""A report as Markdown for GitHub: what a comment shows, of bounded length, and harmless whatever a name holds."""

from __future__ import annotations

import re

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from builder import one_round
from leakdiff.model.heap import Step
from leakdiff.model.report import Report, Verdict
from leakdiff.model.signals import Phase
from leakdiff.render.markdown import MOST_CHARACTERS, code, fenced, prose, render_markdown
from leakdiff.render.plain import printable
from paper import NATIVE, REPORT, whole_reports
from test_render_text import C_HEAP, DEEP, INFLIGHT, report_of, text_of

FEW = settings(max_examples=15)
READER = MarkdownIt("commonmark").enable("table")
OURS = re.compile(r"</?(?:details|summary)>")
EVIL = (
    "<img src=x onerror=alert(1)>",
    "<!-- ",
    "</summary></details>",
    "| a | b |",
    "\\| `x` \\",
    "``` ~~~",
    "`",
    "[here](https://example.org)",
    "![](https://example.org/a.png)",
    "@everyone",
    "#123",
    "GH-123",
    "org/app#7",
    "deadbeef1",
    "https://example.org",
    "www.example.org",
    "a@example.org",
    "&lt;b&gt;",
    ":bomb:",
    "**bold** _it_ ~~x~~",
    "1. one",
    "- one",
    "# one",
    "> one",
    "$x$",
)


def tokens_of(text: str) -> list[Token]:
    """Return what a reader of Markdown sees, with what stands within lines."""
    found = []
    for token in READER.parse(text):
        found.extend([token, *(token.children or ())])
    return found


def shown(text: str) -> str:
    """Return what is to be read of a text, whatever it is set in."""
    return "".join(token.content for token in tokens_of(text) if token.type in ("text", "code_inline", "text_special"))


# -- whole reports ---------------------------------------------------------------------------------


def test_a_leak_as_markdown() -> None:
    """The claim as a heading, the rows as a table with code as code, and the rest folded away."""
    plain = attrs.evolve(INFLIGHT, types=INFLIGHT.types[:1])
    report = attrs.evolve(report_of(plain), rounds=DEEP[:1], version="0.2.0", python="3.12.1")

    text = re.sub(r"(?s)(?<=```mermaid\n)flowchart .*?(?=```)", "flowchart\n", render_markdown(report))

    assert (
        text
        == text_of("""
        ## leakdiff: LEAK

        ### LEAK: `app.matching._inflight` grows by 1.00 entries per unit, 2.3 KiB each, never shrinks `[3f9a2c]`

        | | |
        |---|---|
        | what | +303 `app.matching.Result`, in 101 units |
        | owner | `app.matching._inflight`, dict, 1,512 entries, keys: `str 'req-' + 8 hex` |
        | each | 1.00 `app.matching.Result`: 2.3 KiB |
        | path | `module app.matching ─ _inflight ─ [*] ─ app.matching.Result` |
        | born | `app/matching.py:41` in `find_driver`: `result = Result(rid, driver)` |
        | why | grew in 5 of 5 further rounds by 1.00 entries per unit, up to 1,512, and no bound was found |
        | fix | remove the entry on every path `(try/finally)`, or bound the container (maxsize, TTL) |

        <details><summary>Who holds it, as a tree</summary>

        ```text
        module app.matching
        └─ _inflight: app.matching._inflight  owner: dict, 1,512 entries
           └─ [*]: app.matching.Result  +303
        ```

        </details>

        <details><summary>Who holds it, drawn</summary>

        ```mermaid
        flowchart
        ```

        </details>

        <details><summary>Rounds: 1</summary>

        | phase | units | objects | blocks | native_bytes | fds | threads | freed |
        |---|---:|---:|---:|---:|---:|---:|---:|
        | deep | 101 | 0 | 606 | 0 | 0 | 0 | 0 |

        </details>

        leakdiff `0.2.0` on Python `3.12.1`
    """)
        + "\n"
    )


def test_the_rest_of_a_report_stands_below() -> None:
    """The fix as code, confidence, the baseline, notes, and what a soak has beside."""
    text = render_markdown(REPORT)

    assert "```python\ntry:\n    ask(ride)\nfinally:\n    del _inflight[rid]\n```" in text
    assert (
        "| gone | `app/matching.py:57` in `find_driver`: `del _inflight[rid]` only if `driver.accepted` (line 56) |"
        in (text.splitlines())
    )
    assert "**mix**: 98 serves, 2 cancels" in text.splitlines()
    assert "sure: memory blocks grew in 12 of 12 rounds" in text.splitlines()
    assert "1 leak is NEW, 0 KNOWN to the baseline" in text.splitlines()
    assert "- note: the heap of another interpreter was not looked at" in text.splitlines()


def test_good_news_is_two_lines() -> None:
    """The verdict and its reason."""
    assert render_markdown(Report(Verdict.STABLE, "nothing grew in 5 rounds of 11 units (55 units)")) == (
        "## leakdiff: STABLE\n\nnothing grew in 5 rounds of 11 units (55 units)\n"
    )


def test_what_has_no_owner_has_no_picture() -> None:
    """There is nothing to draw of the C heap; the call that leaves something behind is told."""
    text = render_markdown(report_of(NATIVE))

    assert "mermaid" not in text
    assert "| call | `ujson.dump()`, leaves 3.1 KiB of the C heap per unit, called 1.00 times, ujson `5.12.0` |" in text


# -- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grew in 12 of 12 rounds, by 1.52", "grew in 12 of 12 rounds, by 1.52"),
        ("only if driver.accepted (line 56)", "only if `driver.accepted` (line 56)"),
        ("held by app.index: without it", "held by `app.index`: without it"),
        ("thanks to @everyone and #123", "thanks to `@everyone` and `#123`"),
        ("in commit deadbeef1", "in commit `deadbeef1`"),
        ("1. one", "`1`. one"),
        ("a | b", "a &#124; b"),
        ("x|y", "`x`&#124;`y`"),
        ("`x`", "`` `x` ``"),
        ("\x1b[31m\u202e", r"`\x1b[31m\u202e`"),
        ("", ""),
    ],
)
def test_words_that_may_mean_something_are_code(text: str, said: str) -> None:
    """To Markdown, to HTML, or to GitHub; others stay words."""
    assert prose(text) == said


@FEW
@given(st.text() | st.sampled_from(EVIL))
def test_whatever_stands_in_code_or_prose_is_read_as_it_is(text: str) -> None:
    """No character is lost, none means anything, and neither ends the cell of a table."""
    squeezed = "".join(printable(text).split())

    for made in (code(text), prose(text)):
        assert "".join(shown(f"x {made} x").split()) == f"x{squeezed}x"
        assert "|" not in made
        assert "\n" not in made


@FEW
@given(st.text() | st.sampled_from(EVIL))
def test_nothing_ends_a_block_of_code(text: str) -> None:
    """The fence is longer than any in it."""
    (token,) = READER.parse(fenced(f"a\n{text}\nb", "text"))

    assert token.type == "fence"
    assert token.content.startswith("a\n")
    assert token.content.endswith("b\n")


# -- any report ------------------------------------------------------------------------------------


@FEW
@given(whole_reports(), st.sampled_from(EVIL))
def test_any_report_has_our_structure_only(report: Report, evil: str) -> None:
    """No name becomes a tag, a link, a picture, a heading or a cell."""
    spoilt = tuple(
        attrs.evolve(one, owner=one.owner and evil, because=evil, advice=evil, path=(Step(evil, evil), *one.path))
        for one in report
    )
    report = attrs.evolve(report, findings=spoilt, because=evil, confidence=evil, not_analysed=(evil,), python=evil)
    text = render_markdown(report)
    tokens = tokens_of(text)
    kinds = [token.type for token in tokens]

    assert not {"link_open", "image", "strong_open", "em_open", "blockquote_open", "ordered_list_open"} & (
        set(kinds) - ({"strong_open"} if report.also else set())
    )
    assert all(
        not OURS.sub("", token.content.split("\n")[0]).startswith("<") for token in tokens if "html" in token.type
    )
    lines = text.splitlines()
    assert sum(line.startswith("<details>") for line in lines) == lines.count("</details>")
    assert all(
        sum(token.type == "td_open" for token in tokens_of(table)) % columns == 0 for table, columns in tables_of(text)
    )
    assert render_markdown(report) == text


def tables_of(text: str) -> list[tuple[str, int]]:
    """Return the tables of a text with their number of columns."""
    blocks = [block for block in text.split("\n\n") if block.startswith("| ")]
    return [(block, block.partition("\n")[0].count("|") - 1) for block in blocks]


def test_a_report_of_any_length_fits_into_a_comment() -> None:
    """What does not fit is counted, and where it is to be found is said."""
    long = attrs.evolve(INFLIGHT, owner="a|" * 10_000_000, because="`" * 10_000_000)
    report = report_of(*[attrs.evolve(REPORT.findings[0])] * 100, *[long] * 3, C_HEAP, notes=("@x " * 10_000,) * 100)
    report = attrs.evolve(report, rounds=tuple(one_round(Phase.MARK, blocks=101) for _ in range(10_000)))
    text = render_markdown(report)

    assert len(text) <= MOST_CHARACTERS
    assert "more findings: the report as HTML or JSON has all of them." in text
    assert text.count("<details>") == text.count("</details>")
    assert len(render_markdown(report_of(long))) <= MOST_CHARACTERS


@pytest.mark.parametrize("name", ["x", "a|", "`|", "\U000e0001"])
def test_the_only_finding_is_always_there(name: str) -> None:
    """However long its rows are: its heading and its claim stay, and rows without room are counted."""
    long = attrs.evolve(
        REPORT.findings[0],
        path=tuple(Step(f".{name * 900}", name * 900) for _ in range(200)),
        because=name * 5_000,
        shared_with=tuple(f"{name * 900}{number}" for number in range(300)),
    )
    text = render_markdown(report_of(long))

    assert "### LEAK NEW: `app.matching._inflight` grows by 1.00 entries per unit" in text
    assert "\n| owner | " in text
    assert len(text) <= MOST_CHARACTERS
    assert text.count("<details>") == text.count("</details>")


def test_one_finding_more_is_no_findings() -> None:
    """It is counted as people count."""
    long = attrs.evolve(REPORT.findings[0], because="word, " * 10_000)
    many = next(
        text for count in range(2, 100) if "and 1 more" in (text := render_markdown(report_of(*[long] * count)))
    )

    assert "\n\nand 1 more finding: the report as HTML or JSON has all of them.\n" in many
