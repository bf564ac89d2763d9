"""Repeat the body of a test inside its own item, the way pytest and its plugins run it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from typing import Any
from unittest import IsolatedAsyncioTestCase, TestCase

import pytest
from pluggy import PluginManager

from leakdiff.capture.kinds import derives
from leakdiff.errors import BadBody, LeakdiffError, StepFailed
from leakdiff.session import examine
from leakdiff.testing.demands import Demands, demands_of
from leakdiff.testing.raised import below_ours, shown
from leakdiff.testing.session import Session, session_of
from leakdiff.testing.verdict import conclude, refuse, refuse_error

Once = Callable[[], object]
Rounds = Callable[[Once], None]

_NOT_RUN = ("async def functions are not natively supported", "no async plugin installed")  # as of 8.4, and before
_TIMED_OUT = "from pytest-timeout"


def can_repeat(item: pytest.Item) -> bool:
    """Tell whether a test has a body that can be called again, and does not check itself by the fixture."""
    return isinstance(item, pytest.Function) and "leakdiff" not in item.fixturenames


@contextmanager
def repeated(item: pytest.Item) -> Iterator[None]:
    """While the block runs the item, its body is run once, and then in rounds."""
    try:
        session = session_of(item.config)
        demands = demands_of(item.get_closest_marker("leakdiff"), session.settings)
        if not isinstance(item, pytest.Function):
            raise BadBody(item.nodeid, f"it is a {type(item).__name__}, which has no function to call again")
        way = _way(item)
    except LeakdiffError as error:
        refuse_error(error)
    with way(item, lambda once: _run(session, item, demands, once)):
        yield


def _way(item: pytest.Function) -> Callable[[Any, Rounds], AbstractContextManager[None]]:
    """Return how a test of its kind is made to repeat."""
    if not derives(type(getattr(item, "instance", None)), TestCase):  # isinstance() asks an object for its class
        return _calls_repeat
    return _coroutine_repeats if inspect.iscoroutinefunction(item.obj) else _method_repeats


def _run(session: Session, item: pytest.Function, demands: Demands, once: Once) -> None:
    """Run a body as often as it takes to judge it; the first run is the test itself.

    Raises:
        Failed: If it leaks, or cannot be repeated.
    """
    __tracebackhide__ = True
    once()
    outcome = _outcome_of(item)
    if outcome is not None and not outcome.success:  # a subtest failed, and with it the test
        return
    try:
        with _without_subtests(outcome):
            examined = examine(once, demands.options)
    except StepFailed as error:
        _raise_if_timed_out(error)
        refuse(_told(item, error))
    except LeakdiffError as error:
        refuse_error(error)
    if examined.evidence.interrupted is not None:
        raise KeyboardInterrupt
    conclude(session, item, "check", examined.report, demands)


def _raise_if_timed_out(error: StepFailed) -> None:
    """Leave a test that took too long to who says so, with the traceback of where it was."""
    __tracebackhide__ = True
    cause = error.__cause__
    if cause is not None and derives(type(cause), pytest.fail.Exception) and _TIMED_OUT in str(cause):
        cause.add_note(
            f"leakdiff was repeating the body ({error.where}): allow the test more time, or ask for fewer rounds, units"
        )
        raise cause.with_traceback(below_ours(cause.__traceback__)) from None


def _told(item: pytest.Function, error: StepFailed) -> str:
    """Say why a body cannot be repeated, with the traceback of what it raised."""
    raised = type(error.__cause__ or error).__name__
    refused = BadBody(item.nodeid, f"it passed once, and when it was repeated it raised {raised} ({error.where})")
    return f"leakdiff: {refused} [{refused.slug}]\n\n{shown(error)}"


# -- functions and methods -------------------------------------------------------------------------


@contextmanager
def _calls_repeat(item: pytest.Function, rounds: Rounds) -> Iterator[None]:
    """Call the hook that calls the function as often as is needed: other plugins run it as they always do."""
    repeater = _Repeater(item, rounds)
    plugins = item.config.pluginmanager
    # The last to be registered is the first to be asked. Pytest's own register() would keep it to tell plugins that
    # come later (a historic hook), and with it the test.
    PluginManager.register(plugins, repeater)
    try:
        with _lasting_loop(item):
            yield
    finally:
        plugins.unregister(repeater)


class _Repeater:
    """A plugin for the length of one test."""

    def __init__(self, item: pytest.Function, rounds: Rounds) -> None:
        self._item, self._rounds, self._is_running = item, rounds, False

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run the body in rounds; within them, leave it to others."""
        __tracebackhide__ = True
        if pyfuncitem is not self._item or self._is_running:
            return None
        self._is_running = True
        try:
            self._rounds(self._once)
        finally:
            self._is_running = False
        return True

    def _once(self) -> None:
        __tracebackhide__ = True
        item = self._item
        try:
            item.ihook.pytest_pyfunc_call(pyfuncitem=item)
        except (pytest.fail.Exception, pytest.skip.Exception) as error:
            if inspect.iscoroutinefunction(item.obj) and any(text in str(error) for text in _NOT_RUN):
                why = (
                    "it is a coroutine function, and no plugin runs those; install pytest-asyncio or anyio, and mark it"
                )
                refuse_error(BadBody(item.nodeid, why))
            raise


@contextmanager
def _lasting_loop(item: pytest.Function) -> Iterator[None]:
    """Keep anyio's event loop between two runs of the body: it ends with the last of those who use it."""
    backend = item.funcargs.get("anyio_backend")
    with _runner_of(backend) if backend is not None and inspect.iscoroutinefunction(item.obj) else nullcontext():
        yield


def _runner_of(backend: Any) -> AbstractContextManager[object]:
    try:
        from anyio.pytest_plugin import extract_backend_and_options, get_runner
    except ImportError:  # not where it is in anyio 3 and 4: each run of the body gets its own loop
        return nullcontext()
    return get_runner(*extract_backend_and_options(backend))


# -- methods of unittest.TestCase ------------------------------------------------------------------


def _outcome_of(item: pytest.Function) -> Any:
    """Return what unittest notes of a running test case; None elsewhere."""
    case = getattr(item, "instance", None)
    return case.__dict__.get("_outcome") if derives(type(case), TestCase) else None


@contextmanager
def _without_subtests(outcome: Any) -> Iterator[None]:
    """Let subtests be parts of the body: each of some hundred runs of it would report all of them again."""
    if outcome is None:
        yield
        return
    did = outcome.result_supports_subtests
    outcome.result_supports_subtests = False
    try:
        yield
    finally:
        outcome.result_supports_subtests = did


@contextmanager
def _method_repeats(item: pytest.Function, rounds: Rounds) -> Iterator[None]:
    """Replace the method that pytest gives the test case: what setUp and tearDown do is done once."""
    method = item.obj
    item.obj = functools.wraps(method)(lambda: rounds(method))  # it may be marked as one that is expected to fail
    try:
        yield
    finally:
        item.obj = method


@contextmanager
def _coroutine_repeats(item: Any, rounds: Rounds) -> Iterator[None]:
    """Let the test case run its coroutine again and again in its own event loop."""
    case = item.instance
    method = getattr(case, item.name)
    if not derives(type(case), IsolatedAsyncioTestCase):
        refuse_error(BadBody(item.nodeid, "it is a coroutine method, and its test case has no event loop to run it in"))

    setattr(case, item.name, functools.wraps(method)(lambda: rounds(_Isolated(case, method).once)))
    try:
        yield
    finally:
        delattr(case, item.name)


class _Isolated:
    """A coroutine method and its test case; no closure, which would be the name of all that the case holds."""

    def __init__(self, case: Any, method: Callable[[], Any]) -> None:
        self._case, self._method = case, method

    def once(self) -> None:
        """Run the method in the loop of setUp and tearDown.

        In a copy of the context that it is called in, which cannot be entered twice.
        """
        runner: Any = self._case.__dict__["_asyncioRunner"]
        runner.run(self._method(), context=copy_context())
