"""Soak what a test returns, or gives to the fixture, and fail the test by what that finds."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from leakdiff.errors import BadBody, BadOption, BadScenario, LeakdiffError, StepFailed
from leakdiff.model.soak import SoakReport
from leakdiff.soaking.faults import Faulty
from leakdiff.soaking.plan import Plan, make_plan
from leakdiff.soaking.scenarios import Scenario
from leakdiff.soaks import soak_planned
from leakdiff.testing.demands import NAMES, Demands, make_demands
from leakdiff.testing.raised import shown
from leakdiff.testing.session import Session, session_of
from leakdiff.testing.verdict import conclude, refuse, refuse_error

_CALLS = ("setup", "teardown")


@contextmanager
def soaked(item: pytest.Item) -> Iterator[None]:
    """While the block runs the item, the scenarios that its function returns are soaked, as its marker says."""
    try:
        session = session_of(item.config)
        marker = item.get_closest_marker("leakdiff_soak")
        given = dict(marker.kwargs) if marker is not None else {}
        if marker is not None and marker.args:
            must = 'given arguments by name: duration="20s", seed=0'
            raise BadOption("@pytest.mark.leakdiff_soak(...)", marker.args[0], must)
        _asked(session, given)
        if not isinstance(item, pytest.Function):
            raise BadBody(item.nodeid, f"it is a {type(item).__name__}, which returns no scenarios")
        if inspect.iscoroutinefunction(item.obj):
            raise BadBody(item.nodeid, "it is a coroutine function; a plain one can return coroutine functions to soak")
    except LeakdiffError as error:
        refuse_error(error)
    with _returns_taken(item, lambda returned: soak_in(session, item, _returned(item, returned), **given)):
        yield


@contextmanager
def _returns_taken(item: pytest.Function, take: Callable[[object], object]) -> Iterator[None]:
    """Replace the item's function for a while by one that hands on what it returns, and returns nothing."""
    function = item.obj

    def called(*args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True
        take(function(*args, **kwargs))

    item.obj = called
    try:
        yield
    finally:
        item.obj = function


def _returned(item: pytest.Item, returned: object) -> object:
    """Return what a test returned, if that can be soaked."""
    is_one = type(returned) in (Scenario, Faulty, list, tuple) or callable(returned)
    if not is_one:
        todo = "Return a function, a leakdiff.Scenario(...), or a list of them."
        refuse_error(BadScenario(f"of {item.nodeid}", f"the test returned a {type(returned).__name__}", todo))
    return returned


def soak_in(session: Session, item: pytest.Item, scenarios: object, **arguments: Any) -> SoakReport:
    """Soak scenarios on behalf of a test, and fail it if they leak.

    Args:
        session: The session of the test.
        item: The test.
        scenarios: As for ``leakdiff.soak``.
        **arguments: As for ``leakdiff.soak``, and ``ignore``, ``max_growth`` and ``verdicts`` as for the marker.

    Returns:
        The report, where the test does not fail by it.

    Raises:
        Failed: With the report as its text, and no traceback.
    """
    __tracebackhide__ = True
    try:
        plan, demands, calls = _asked(session, arguments)
        found = soak_planned(scenarios, plan, **calls)
    except StepFailed as error:
        refuse(f"leakdiff: {error} [{error.slug}]\n\n{shown(error)}")
    except LeakdiffError as error:
        refuse_error(error)
    if found.interrupted:
        raise KeyboardInterrupt
    conclude(session, item, "soak", found.report, demands)
    return found


def _asked(session: Session, given: dict[str, Any]) -> tuple[Plan, Demands, dict[str, Any]]:
    """Sort arguments into how to soak, what to demand, and what to call before and after."""
    demands = {name: value for name, value in given.items() if name in NAMES}
    calls = {name: value for name, value in given.items() if name in _CALLS}
    rest = {name: value for name, value in given.items() if name not in (*NAMES, *_CALLS)}
    return make_plan(**rest), make_demands(session.settings.options, demands), calls
