"""A report, or what a session of tests found, as one page of HTML: no script, and nothing from outside.

What stands on a page is first made of plain texts and numbers, so that it can cross from one process to another.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Any

import attrs

from leakdiff.errors import MissingExtra
from leakdiff.model.baseline import novelty_sentence
from leakdiff.model.report import Finding, Report
from leakdiff.model.signals import Phase, Round
from leakdiff.render.plain import ROUND_COLUMNS, printable
from leakdiff.render.text import claim, headline, origin, rows, told
from leakdiff.render.trimmed import trimmed

if TYPE_CHECKING:
    import jinja2

_MOST_ROUNDS = 1_000  # in a table
_MOST_DRAWN = 10  # findings with pictures
_WIDE = re.compile(r'<svg [^>]*?\bwidth="([\d.]+)"')
_LEAST_SCALE = 0.75
_LEAST_TYPES = 4  # of which areas say more than a row of text
_GAP = re.compile(r"(?<=\S) {3,}")  # what stands in columns on a terminal
_WIDTH, _HEIGHT, _MARGIN = 120, 24, 2  # of the drawing of a signal
_STEPS = 4  # in each unit of its width: of points that fall into one, no more than four are drawn
_WORK = (Phase.MARK, Phase.CONFIRM, Phase.WATCH)  # rounds that measure while the step runs
_EXACT = (Phase.MARK,)  # those that count nothing but what the step left
_SIGNALS = {
    "objects": ("objects", _EXACT),
    "blocks": ("memory blocks", _WORK),
    "native_bytes": ("bytes of the C heap", _WORK),
    "fds": ("open descriptors", _WORK),
    "threads": ("threads", _WORK),
}


def render_html(report: Report) -> str:
    """Return a report as a page.

    Raises:
        MissingExtra: If jinja2 is not installed.
    """
    report = trimmed(report)
    page = as_page(report)
    pages = zip(page["findings"], told(report), strict=True)
    shown = [{**known, **_more(found, number)} for number, (known, found) in enumerate(pages)]
    rounds = [[_cell(one, name) for name in ROUND_COLUMNS] for one in report.rounds[:_MOST_ROUNDS]]
    said = page["headline"].removeprefix(page["verdict"]).partition("    [")[0].strip()
    more = {
        "said": said,
        "findings": shown,
        "rounds": rounds,
        "columns": ROUND_COLUMNS,
        "left_out": len(report.rounds) - len(rounds),
    }
    return _filled("report.html", {"title": page["headline"], "page": {**page, **more}})


def render_session(session: Mapping[str, Any]) -> str:
    """Return what a session of tests found as a page.

    Args:
        session: ``title``, ``leakdiff`` and ``python``; ``tests``, each with its ``page`` or the ``lines`` of its text;
            ``outlived``, owners with their ``rows``; ``others``, ``notes`` and ``cost``. It is made printable here.

    Raises:
        MissingExtra: If jinja2 is not installed.
    """
    notes = [["note", text] for text in session["notes"]]
    return _filled("session.html", _safe({**session, "notes": notes}))


def as_page(report: Report) -> dict[str, Any]:
    """Return what a page shows of a report, as plain texts and numbers: all that its text says, and the rounds."""
    page = {
        "verdict": report.verdict.value,
        "headline": headline(report).removeprefix("leakdiff: "),
        "findings": [_finding(finding) for finding in told(report)],
        "signals": [drawn for signal in _SIGNALS for drawn in _drawn(signal, report.rounds)],
        "also": [list(row) for row in report.also],
        "confidence": report.confidence,
        "beside": novelty_sentence(report),
        "notes": [["note", text] for text in report.not_analysed],
        "cpu_seconds": report.cost.cpu_seconds,
        "walked": report.cost.walked,
        "leakdiff": report.version,
        "python": report.python,
        "origin": origin(report),
    }
    safe: dict[str, Any] = _safe(page)
    return safe


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "verdict": finding.verdict.value,
        "novelty": finding.novelty.value if finding.novelty else "",
        "claim": claim(finding),
        "fingerprint": finding.fingerprint,
        "rows": [[name, _GAP.sub("   ", text)] for name, text in rows(finding)],
    }


def _safe(shown: Any) -> Any:
    """Return it with each text printable: a page in UTF-8 can hold it, and it turns no writing direction."""
    if isinstance(shown, str):
        return printable(shown)
    if isinstance(shown, Mapping):
        return {name: _safe(held) for name, held in shown.items()}
    return [_safe(held) for held in shown] if isinstance(shown, list | tuple) else shown


# -- a report alone --------------------------------------------------------------------------------


def _more(finding: Finding, number: int) -> dict[str, Any]:
    """Return what a page of one report has room for: the fix in code, and pictures of the first few findings."""
    cause = finding.cause
    return {
        "pattern": [printable(line) for line in cause.pattern.splitlines()] if cause is not None else [],
        "pictures": _pictures(finding) if number < _MOST_DRAWN else [],
    }


def _pictures(finding: Finding) -> list[tuple[str, int, str]]:
    """Return what is drawn, how many pixels it needs at least, and it: SVG, in which all names are escaped already."""
    if finding.owner is None and not finding.types:
        return []
    from leakdiff.render.pictures.picture import picture_of
    from leakdiff.render.pictures.svg import svg_text
    from leakdiff.render.pictures.treemap import tiles_of, treemap_svg

    picture = attrs.evolve(picture_of(finding), title="")
    drawn = [("Who holds it: the way from the root down to what grows", svg_text(picture, use_graphviz=False))]
    if len(finding.graph or ()) >= _LEAST_TYPES and (tiles := tiles_of(finding)):
        drawn.append(("What lies under the owner, by type", treemap_svg(tiles)))
    return [(said, _least_width(svg), svg) for said, svg in drawn]


def _least_width(svg: str) -> int:
    """Return the width below which a drawing is not shrunk any more: its letters would be too small."""
    width = _WIDE.search(svg)
    return round(float(width[1]) * _LEAST_SCALE) if width else 0


def _cell(measured: Round, name: str) -> str:
    value = getattr(measured, name)
    return "not measured" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


# -- drawings --------------------------------------------------------------------------------------


def _drawn(signal: str, measured: Sequence[Round]) -> list[dict[str, Any]]:
    """Draw one signal's level over the units of work; nothing where it never changed."""
    name, phases = _SIGNALS[signal]
    seen = [each for each in measured if each.phase in phases]
    gains = [each.of(signal) for each in seen]
    if not any(gains):
        return []
    units = [0, *accumulate(each.units for each in seen)]
    said = f"{sum(gains):+,} {name} over {units[-1]:,} units of work in {len(seen):,} rounds"
    return [{"name": name, "said": said, "points": _points(units, [0, *accumulate(gains)])}]


def _points(across: Sequence[int], up: Sequence[int]) -> str:
    """Return a line as SVG has it; both are brought to the size of the drawing, which is all the points there are."""
    low, high = min(up), max(up)
    right, above = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    pairs = ((right * (x / across[-1]), above * ((high - y) / (high - low))) for x, y in zip(across, up, strict=True))
    columns = groupby(pairs, key=lambda pair: int(pair[0] * _STEPS))
    return " ".join(f"{_MARGIN + x:.1f},{_MARGIN + y:.1f}" for _, column in columns for x, y in _outline(list(column)))


def _outline(column: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points of a column that can be told apart: where the line enters, turns highest and lowest, leaves."""
    heights = [y for _, y in column]
    kept = {0, heights.index(min(heights)), heights.index(max(heights)), len(column) - 1}
    return [column[position] for position in sorted(kept)]


# -- pages -----------------------------------------------------------------------------------------


def _filled(name: str, shown: Mapping[str, Any]) -> str:
    return templates("leakdiff.render").get_template(name).render(**shown)


def templates(*packages: str, what: str = "An HTML report", extra: str = "html") -> jinja2.Environment:
    """Return the templates of some packages, made once; the first that has one of a name goes before.

    Args:
        packages: By their names.
        what: What cannot be made without jinja2.
        extra: The extra of leakdiff that brings it along.

    Raises:
        MissingExtra: If jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise MissingExtra(what, "jinja2", extra) from error
    return _made(packages)


@functools.cache
def _made(packages: Sequence[str]) -> jinja2.Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["drawing"] = {"width": _WIDTH, "height": _HEIGHT}
    return made
