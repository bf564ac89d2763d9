"""What is told at the end of a session of tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from leakdiff.render.plain import counted, printable, size
from leakdiff.testing.session import Result, Session, has_session, session_of

_MOST_LEAKS = 20
_MOST_OWNERS = 10
_FEW_OWNERS = 3  # that are shown where none is telling
_MANY = 64  # objects of one test
_MANY_ENTRIES = 16  # of which the tests are not known
_MOST_TESTS = 3
_MOST_TYPES = 3
_ADVICE = (
    "one look cannot tell a leak from a cache that fills: mark one of an owner's tests with @pytest.mark.leakdiff, or "
    "run --leakdiff=repeat"
)


def tell(config: pytest.Config, reporter: pytest.TerminalReporter) -> None:
    """Print what was found, by test and by owner, and what that cost."""
    if not has_session(config):
        return
    session = session_of(config)
    if not session.results and not session.notes and not session.watched:
        return
    reporter.write_sep("=", "leakdiff")
    for line in summary(session):
        reporter.write_line(line)


def summary(session: Session) -> Iterator[str]:
    """Yield the lines of the summary."""
    yield from _checked(session)
    if session.watched:
        yield from _watched(session)
    for note in session.notes:
        yield f"note: {note}"
    cost = sum(found.cpu_seconds for found in session.results) + session.once_cpu_seconds
    yield f"leakdiff itself took {cost:.2f} s of CPU time"


# -- what was checked ------------------------------------------------------------------------------


def _checked(session: Session) -> Iterator[str]:
    leaks = session.leaks
    for found in leaks[:_MOST_LEAKS]:
        yield f"{found.test}: {found.headline.removeprefix('leakdiff: ')}"
    if len(leaks) > _MOST_LEAKS:
        yield f"and {len(leaks) - _MOST_LEAKS} more"
    if session.results:
        yield _tally(session, leaks)


def _tally(session: Session, leaks: Sequence[Result]) -> str:
    """Count what was said, and what came of it; what passes all the same is known, ignored or allowed."""
    verdicts = Counter(found.verdict for found in session.told)
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(verdicts.items()))
    failed = sum(found.is_failure for found in leaks)
    parts = [f"{counted(len(session.results), 'check')}{f': {told}' if told else ''}", f"{failed:,} failed"]
    if len(leaks) > failed:
        parts.append(f"{len(leaks) - failed:,} passed with a leak that is known, ignored or allowed")
    if left_out := len(session.results) - len(session.told):
        parts.append(f"{left_out:,} with leaks that the baseline knows left out")
    return "; ".join(parts)


# -- what was watched ------------------------------------------------------------------------------


def _watched(session: Session) -> Iterator[str]:
    suspect = [item for item in session.outlived if not item["kept_by"]]
    known = [item for item in session.outlived if item["kept_by"]]
    watched = f"{counted(session.watched, 'test')} watched once"
    if not suspect:
        yield f"{watched}: nothing outlived them under an owner of the program's own"
    else:
        yield f"{watched}; what outlived them, by owner:"
    shown = [item for item in suspect if _is_telling(item)] or suspect[:_FEW_OWNERS]
    for item in shown[:_MOST_OWNERS]:
        yield from _owner(item)
    if more := len(suspect) - len(shown[:_MOST_OWNERS]):
        yield f"  and {counted(more, 'owner')} more of less or of one test (--leakdiff-report=PATH has them)"
    if suspect:
        yield f"  {_ADVICE}"
    yield from _known(known)
    if session.others:
        yield f"{counted(session.others, 'more object')} of tests kept by pytest, its plugins, or C code"


def _is_telling(item: Mapping[str, Any]) -> bool:
    """Tell whether an owner gained from several tests, or much: what one test made once is a cache as a rule."""
    return (
        len(item["tests"]) > 1 or item["objects"] >= _MANY or (not item["tests"] and item["entries"] >= _MANY_ENTRIES)
    )


def _owner(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines on one owner."""
    yield f"  {printable(item['owner'])} ({printable(item['owner_type'])})"
    yield f"    holds  {what_it_holds(item)}"
    if item["tests"]:
        yield f"    tests  {_first(item['tests'], _MOST_TESTS)}"
    yield f"    path   {printable(item['path'])}"
    if item["also"]:
        yield f"    also   held by {_first(item['also'], _MOST_TESTS)}"


def what_it_holds(item: Mapping[str, Any]) -> str:
    """Say what an owner holds that outlived tests, and of how many."""
    types = item["types"]
    shown = [f"{count:,} {printable(name)}" for name, count in types[:_MOST_TYPES]]
    if len(types) > _MOST_TYPES:
        shown.append(f"{len(types) - _MOST_TYPES} more types")
    if not shown:
        shown.append(counted(item["entries"], "entry", "entries") if item["entries"] else "a larger buffer")
    whole = f", {size(item['bytes'])}" if item["bytes"] else ""
    if not item["tests"]:
        return f"{', '.join(shown)}{whole}, from some of the tests: which cannot be told"
    return f"{', '.join(shown)}{whole}, from {counted(len(item['tests']), 'test')}"


def _known(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one line for each reason why something is kept that is known."""
    by_reason: dict[str, list[str]] = {}
    for item in items:
        by_reason.setdefault(item["kept_by"], []).append(printable(item["owner"]))
    for reason, owners in by_reason.items():
        yield f"  known: {_first(owners, 2)}: {reason}"


def _first(names: Sequence[str], most: int) -> str:
    shown = ", ".join(printable(name) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown
