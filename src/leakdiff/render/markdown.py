"""A report as GitHub-flavoured Markdown: for tickets, pull requests and the summary of a CI step.

Whatever stands in a name, it stays text: words that could mean anything to Markdown, to HTML or to GitHub (mentions,
numbers of issues, hashes of commits, addresses) are set as code, in which none of them does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import attrs

from leakdiff.model.baseline import novelty_sentence
from leakdiff.model.report import Finding, Report
from leakdiff.model.signals import Round
from leakdiff.render.plain import ROUND_COLUMNS, counted, printable
from leakdiff.render.text import claim, headline, origin, rows, told
from leakdiff.render.trimmed import shortened, trimmed

MOST_CHARACTERS = 60_000  # a comment on GitHub has 65,536 at most, a step's summary 1 MiB

_LONGEST = 1_000  # characters of one text
_LONGEST_ROW = 2_000  # as Markdown it can be six times as long
_MOST_FOR_ROWS = 24_000  # of one finding
_MOST_FOR_FINDINGS = 45_000
_MOST_DRAWN = 6_000
_MOST_ROUNDS = 60
_MOST_NOTES = 20
_GAP = re.compile(r" {2,}")  # what stands in columns on a terminal
_LINES = ("born", "waits", "made", "put", "gone", "miss")  # rows that begin with a line of code

_PLAIN = re.compile(
    r"\(?(?:[A-Za-z]+(?:['-][a-z]+)*|[+-]?\d{1,3}(?:,\d{3})*(?:\.\d+)?%?|\d{1,6}(?:\.\d+)?)\)?[.,:;]?", re.ASCII
)
_NUMBERED = re.compile(r"\d+[.)]", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{7,}", re.IGNORECASE | re.ASCII)  # GitHub links to a commit


def render_markdown(report: Report) -> str:
    """Return the report as Markdown of at most ``MOST_CHARACTERS``; ends with a newline."""
    report = trimmed(report, _LONGEST)
    head = [f"## leakdiff: {report.verdict}", *([] if told(report) else [prose(_good_news(report))])]
    parts = [*head, *_findings(report)]
    left = MOST_CHARACTERS - sum(len(part) + 2 for part in parts)
    for part in _rest(report):
        if len(part) + 2 <= left:
            parts.append(part)
            left -= len(part) + 2
    return "\n\n".join(parts) + "\n"


def _good_news(report: Report) -> str:
    return headline(report).partition("  ")[2]


def _rest(report: Report) -> Iterator[str]:
    """Yield what is said beside the findings, what matters most first."""
    for name, text in report.also[:_MOST_NOTES]:
        yield f"**{prose(name)}**: {prose(text)}" if name else prose(text)
    for text in (report.confidence, novelty_sentence(report)):
        if text:
            yield prose(shortened(text, _LONGEST))
    if report.not_analysed:
        yield "\n".join(f"- note: {prose(note)}" for note in report.not_analysed[:_MOST_NOTES])
    if report.rounds:
        yield _rounds(report.rounds)
    if report.version:
        made = f", {prose(shortened(origin(report), _LONGEST))}" if report.taken is not None else ""
        yield f"leakdiff {code(report.version)} on Python {code(report.python)}{made}"


# -- findings --------------------------------------------------------------------------------------


def _findings(report: Report) -> Iterator[str]:
    """Yield findings as long as there is room, and the names of how many others there are."""
    left, found = _MOST_FOR_FINDINGS, told(report)
    for number, finding in enumerate(found):
        section = "\n\n".join(_section(finding))
        left -= len(section) + 2
        if left < 0 and number > 0:  # the first has room by itself
            yield f"and {counted(len(found) - number, 'more finding')}: the report as HTML or JSON has all of them."
            return
        yield section


def _section(finding: Finding) -> Iterator[str]:
    novelty = f" {finding.novelty}" if finding.novelty else ""
    said = prose(shortened(printable(claim(finding)), _LONGEST))
    yield f"### {finding.verdict}{novelty}: {said} {code(f'[{finding.fingerprint}]')}"
    yield "\n".join(["| | |", "|---|---|", *_rows(finding)])
    yield from _drawn(finding)
    if finding.cause is not None and finding.cause.pattern:
        yield f"The fix, in an example:\n\n{fenced(finding.cause.pattern, 'python')}"


def _rows(finding: Finding) -> Iterator[str]:
    """Yield rows as long as there is room, and how many others there are."""
    left, found = _MOST_FOR_ROWS, list(rows(finding))
    for number, (name, text) in enumerate(found):
        row = f"| {prose(name)} | {_cell(name, shortened(printable(text), _LONGEST_ROW))} |"
        left -= len(row) + 1
        if left < 0:
            yield f"| | and {counted(len(found) - number, 'more row')}: the report as HTML or JSON has all of them. |"
            return
        yield row


def _cell(name: str, text: str) -> str:
    """Return a row of the text report as one cell: what stands in columns there is told one after the other."""
    columns = [column for column in _GAP.split(text.strip()) if column]
    if name == "path":
        return code(text)
    if name in _LINES:
        return _line(columns)
    return ", ".join(_column(name, column) for column in columns)


def _line(columns: Sequence[str]) -> str:
    """Tell a line of code: where it is, in which function, its text, and when it runs."""
    place, *others = columns or [""]
    told_of = [code(place)]
    for column in others:
        if column.startswith("in ") and len(told_of) == 1:
            told_of.append(f"in {code(column.removeprefix('in '))}:")
        else:
            told_of.append(prose(column) if column.startswith("only ") else code(column))
    return " ".join(told_of).removesuffix(":")


def _column(name: str, text: str) -> str:
    what, colon, shape = text.partition(": ")
    is_shape = name == "owner" and colon and what in ("keys", "members")
    return f"{what}: {code(shape)}" if is_shape else prose(text)


def _drawn(finding: Finding) -> Iterator[str]:
    """Yield the picture as a tree, and as a flowchart, which GitHub draws."""
    from leakdiff.render.pictures.mermaid import mermaid_text
    from leakdiff.render.pictures.picture import picture_of
    from leakdiff.render.pictures.tree import tree_text

    if finding.owner is None and not finding.types:
        return
    picture = attrs.evolve(picture_of(finding), title="")
    for summary, text, language in (
        ("Who holds it, as a tree", tree_text(picture), "text"),
        ("Who holds it, drawn", mermaid_text(picture), "mermaid"),
    ):
        if len(text) <= _MOST_DRAWN:
            yield _folded(summary, fenced(text, language))


# -- rounds ----------------------------------------------------------------------------------------


def _rounds(measured: Sequence[Round]) -> str:
    shown = measured[:_MOST_ROUNDS]
    title = f"Rounds: {len(shown):,} of {len(measured):,}" if len(shown) < len(measured) else f"Rounds: {len(shown):,}"
    lines = [f"| {' | '.join(ROUND_COLUMNS)} |", "|---" + "|---:" * (len(ROUND_COLUMNS) - 1) + "|"]
    lines.extend(f"| {' | '.join(_number(one, name) for name in ROUND_COLUMNS)} |" for one in shown)
    return _folded(title, "\n".join(lines))


def _number(measured: Round, name: str) -> str:
    value = getattr(measured, name)
    return shortened(f"{value:,}" if type(value) is int else "-" if value is None else str(value), 40)


# -- Markdown --------------------------------------------------------------------------------------


def prose(text: str) -> str:
    """Return a text with all words set as code that are not plain ones, of letters or digits alone."""
    words = printable(text).split()
    groups = groupby(enumerate(words), key=lambda numbered: _is_plain(*numbered))
    parts = ((is_plain, " ".join(word for _, word in group)) for is_plain, group in groups)
    return " ".join(words if is_plain else _code_in_prose(words) for is_plain, words in parts)


def _code_in_prose(words: str) -> str:
    """Return words as code, but for the mark after the last of them."""
    named = words.rstrip(".,:;")
    return code(named) + words[len(named) :][:1] if named else code(words)


def _is_plain(position: int, word: str) -> bool:
    begins_list = position == 0 and _NUMBERED.fullmatch(word)
    return bool(_PLAIN.fullmatch(word)) and not begins_list and not _HASH.fullmatch(word.strip("().,:;"))


def code(text: str) -> str:
    """Return a text as code, also where it stands in a table: what divides cells there stands beside the code."""
    return "&#124;".join(_span(part) for part in printable(text).split("|"))


def _span(text: str) -> str:
    if not text.strip():
        return ""
    ticks = "`" * (_longest_run(text) + 1)
    space = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def fenced(text: str, language: str) -> str:
    """Return lines as a block of code that nothing in them can end."""
    lines = [printable(line) for line in text.strip("\n").split("\n")]
    fence = "`" * max(3, *(_longest_run(line) + 1 for line in lines))
    return "\n".join([f"{fence}{language}", *lines, fence])


def _folded(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
