"""Begin a session of tests that asked for leakdiff on the command line or in its ini file."""

from __future__ import annotations

import pytest

from leakdiff.errors import LeakdiffError
from leakdiff.testing.session import session_of


def start(config: pytest.Config) -> None:
    """Check every option, and register what this session needs.

    Raises:
        UsageError: If an option cannot work: one sentence, with its slug.
    """
    try:
        session = session_of(config)
    except LeakdiffError as error:
        raise pytest.UsageError(f"leakdiff: {error} [{error.slug}]") from None
    settings = session.settings
    if settings.mode == "once":
        from leakdiff.testing.once import Once

        config.pluginmanager.register(Once(session), "leakdiff-once")
    elif settings.mode == "repeat":
        config.pluginmanager.register(Repeat(), "leakdiff-repeat")
    if (settings.reports or settings.write_baseline) and not hasattr(config, "workerinput"):
        from leakdiff.testing.files import Files

        config.pluginmanager.register(Files(session), "leakdiff-files")  # last: it writes what the others found


class Repeat:
    """Repeats every test that can be repeated."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> object:
        """Repeat the body of a test that has no marker, which does it."""
        from leakdiff.testing.bodies import can_repeat, repeated

        if item.get_closest_marker("leakdiff") or item.get_closest_marker("leakdiff_soak") or not can_repeat(item):
            return (yield)
        with repeated(item):
            return (yield)
