"""What the fixture ``leakdiff`` offers."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import pytest

from leakdiff.errors import LeakdiffError
from leakdiff.model.report import Report
from leakdiff.session import examine
from leakdiff.testing.session import session_of
from leakdiff.testing.settings import make_demands
from leakdiff.testing.verdict import conclude, refuse_error


class Leakdiff:
    """Checks of parts of one test; a check that finds a leak fails the test with its report."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._item: pytest.Item = request.node
        self._session = session_of(request.config)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of everything."""

    def check(
        self,
        step: Callable[..., Any],
        *,
        setup: Callable[..., Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        **demands: Any,
    ) -> Report:
        """Repeat a step in rounds as ``leakdiff.check`` does, and fail the test if it leaks.

        Args:
            step: The work: a function or a coroutine function.
            setup: Called once before.
            teardown: Called once after.
            **demands: As for the marker: ``rounds``, ``units``, ``warmup``, ``ignore``, ``max_growth``, ``verdicts``.

        Returns:
            The report, where the test does not fail by it.
        """
        __tracebackhide__ = True
        try:
            asked = make_demands(self._session.settings.options, demands)
            examined = examine(step, asked.options, setup=setup, teardown=teardown)
        except LeakdiffError as error:
            refuse_error(error)
        if examined.evidence.interrupted is not None:
            raise KeyboardInterrupt
        conclude(self._session, self._item, "check", examined.report, asked)
        return examined.report
