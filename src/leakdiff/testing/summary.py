"""What is told at the end of a session of tests."""

from __future__ import annotations

import pytest

from leakdiff.testing.session import has_session, session_of

_MOST_LEAKS = 20


def tell(config: pytest.Config, reporter: pytest.TerminalReporter) -> None:
    """Print what was found, by test, and what that cost."""
    if not has_session(config):
        return
    session = session_of(config)
    if not session.results and not session.notes:
        return
    reporter.write_sep("=", "leakdiff")
    leaks = session.leaks
    for found in leaks[:_MOST_LEAKS]:
        reporter.write_line(f"{found.test}: {found.headline.removeprefix('leakdiff: ')}")
    if len(leaks) > _MOST_LEAKS:
        reporter.write_line(f"and {len(leaks) - _MOST_LEAKS} more")
    for note in session.notes:
        reporter.write_line(f"note: {note}")
    cost = sum(found.cpu_seconds for found in session.results)
    reporter.write_line(
        f"{len(session.results)} checked, {len(leaks)} leak; leakdiff itself took {cost:.2f} s of CPU time"
    )
