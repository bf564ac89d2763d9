"""What the fixture ``leakdiff`` offers."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import attrs
import pytest

from leakdiff.errors import BadRounds, LeakdiffError
from leakdiff.model.report import Report
from leakdiff.session import examine
from leakdiff.testing.blocks import NoGrowth
from leakdiff.testing.demands import Demands, make_demands
from leakdiff.testing.expect import ContainerWatch, ExpectGone
from leakdiff.testing.rounds import Rounds, found_by
from leakdiff.testing.scene import Scene
from leakdiff.testing.session import session_of
from leakdiff.testing.verdict import conclude, refuse_error

_PLUGIN = "leakdiff-bodies"
_KEY = pytest.StashKey["Leakdiff"]()


class Leakdiff:
    """Checks of parts of one test; a check that finds a leak fails the test with its report."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._item: pytest.Item = request.node
        self._session = session_of(request.config)
        self._scene = Scene(self._session, self._item)
        self._expected: list[ExpectGone | ContainerWatch] = []
        self._blocks: list[NoGrowth] = []
        self._rounds: Rounds | None = None
        self._left = 0  # in which pass a loop was left

    def __enter__(self) -> Self:
        plugins = self._item.config.pluginmanager
        if not plugins.has_plugin(_PLUGIN):  # once: pytest remembers every plugin for good
            plugins.register(_EndsOfBodies(), _PLUGIN)
        checks: Leakdiff = self
        self._item.stash[_KEY] = checks
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of everything."""
        del self._item.stash[_KEY]
        self._give_up()

    # -- repeating ---------------------------------------------------------------------------------

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

        Raises:
            Failed: If it leaks, or cannot be checked: an argument cannot work, the step raises, or the test has the
                marker.
        """
        __tracebackhide__ = True
        try:
            self._refuse_in_repeated_body("check")
            asked = make_demands(self._session.settings.options, demands)
            examined = examine(step, asked.options, setup=setup, teardown=teardown)
        except LeakdiffError as error:
            refuse_error(error)
        if examined.evidence.interrupted is not None:
            raise KeyboardInterrupt
        conclude(self._session, self._item, "check", examined.report, asked)
        return examined.report

    def rounds(self, **demands: Any) -> Iterator[None]:
        """Repeat the body of a ``for`` loop as the check asks for, and fail the test at its end if it leaks.

        The body is one unit of work. It runs in the test itself, and may await in a coroutine; between two passes the
        event loop waits. The loop has to come to its end: one that is left early fails the test.

        Args:
            **demands: As for the marker; on top of those of ``no_growth``, where the loop stands in such a block.

        Returns:
            What ``for`` goes through; yields None.

        Raises:
            Failed: At the end of the loop, if it leaks; if an argument cannot work, the loop is left early or stands in
                another one, or the test has the marker.
        """
        __tracebackhide__ = True
        try:
            self._refuse_in_repeated_body("rounds")
            given = self._blocks[-1].demands if self._blocks else self._demands({})
            return self._loop(self._demands(demands, given))
        except LeakdiffError as error:
            refuse_error(error)

    def no_growth(self, **demands: Any) -> _Block:
        """Fail the test if what a ``with`` block does leaks.

        With a loop over ``leakdiff.rounds()`` inside, the loop is judged as by the marker. Without one the block runs
        once, and tells facts: what was born in it, is alive after it and a collection, and is held by something that
        was there before. Left out is what only local variables of running functions refer to, which is in flight; what
        imported modules hold; what pytest and the interpreter keep, as far as that is known; and bounded containers
        that are not full. Text, bytes and numbers are not seen: a loop sees those, and so does ``watch_container``.

        Args:
            **demands: As for the marker. In a block that runs once ``max_growth`` is a number of entries that each
                owner may gain, or of objects where it is no container.

        Returns:
            What ``with`` enters.

        Raises:
            Failed: At the end of the block, if it leaks, or if the walk stopped before it had found anything; if an
                argument cannot work, or the test has the marker.
        """
        __tracebackhide__ = True
        try:
            self._refuse_in_repeated_body("no_growth")
            return _Block(self, NoGrowth(self._scene, self._demands(demands)))
        except LeakdiffError as error:
            refuse_error(error)

    def soak(self, scenarios: Any, **arguments: Any) -> Any:
        """Run a mix of scenarios as traffic, and fail the test if it leaks.

        Args:
            scenarios: Callables, coroutine functions, or ``leakdiff.Scenario`` with a weight each.
            **arguments: As for ``leakdiff.soak``.

        Returns:
            The report, where the test does not fail by it.

        Raises:
            Failed: If it leaks, or cannot be soaked: an argument cannot work, or a scenario raises.
        """
        __tracebackhide__ = True
        from leakdiff.testing.soaks import soak_in

        return soak_in(self._session, self._item, scenarios, **arguments)

    # -- expecting ---------------------------------------------------------------------------------

    def expect_gone(self, obj: Any, *, grace: float = 1.0) -> ExpectGone:
        """Fail the test with who holds an object, if that does not go away.

        It is checked when the body of the test has ended, each time if the body is repeated; with
        ``with leakdiff.expect_gone(obj):`` at the end of the block; or at once by ``.check()`` of what is returned.

        Args:
            obj: The object; a weak reference to it is kept.
            grace: Seconds that others have to let go of it. An event loop does not run meanwhile.

        Returns:
            What ``with`` enters, and what has ``check()``.

        Raises:
            Failed: When it is checked, if the object is alive; at once, if it cannot be weakly referenced, is the value
                of a fixture, or ``grace`` cannot work.
        """
        __tracebackhide__ = True
        try:
            expected = ExpectGone(self._scene, self._session.settings.options, obj, grace)
        except LeakdiffError as error:
            refuse_error(error)
        self._expected.append(expected)
        return expected

    def watch_container(self, path: str, *, max_growth: float = 0) -> ContainerWatch:
        """Fail the test if a container gains entries until the end of the test, or of a ``with`` block.

        Args:
            path: Its name, such as ``app.matching._inflight``. What stands under it is counted, also when it is
                replaced by another container.
            max_growth: Entries that it may gain.

        Returns:
            What ``with`` enters, and what has ``check()``.

        Raises:
            Failed: When it is checked, if it has gained more, or is gone; at once, if there is no such container, or
                ``max_growth`` cannot work.
        """
        __tracebackhide__ = True
        try:
            watch = ContainerWatch(self._scene, path, self._demands({"max_growth": max_growth}).max_growth)
        except LeakdiffError as error:
            refuse_error(error)
        self._expected.append(watch)
        return watch

    # -- inside ------------------------------------------------------------------------------------

    def _demands(self, given: dict[str, Any], outer: Demands | None = None) -> Demands:
        if outer is None:
            return make_demands(self._session.settings.options, given)
        others = {"ignore": outer.ignore, "max_growth": outer.max_growth, "verdicts": outer.verdicts}
        return make_demands(outer.options, {**others, **given})

    def _refuse_in_repeated_body(self, name: str) -> None:
        if self._item.get_closest_marker("leakdiff") is not None:
            raise BadRounds(
                f"leakdiff.{name}() stands in a test with the marker, which repeats the whole body by itself",
                "Take one of the two away.",
            )

    def _loop(self, asked: Demands) -> Iterator[None]:
        __tracebackhide__ = True
        if self._rounds is not None:
            refuse_error(
                BadRounds("A loop over leakdiff.rounds() began inside another one", "Repeat the work in one of them.")
            )
        rounds = self._rounds = Rounds(asked.options)
        for block in self._blocks:
            block.hand_over()
        try:
            for _ in rounds:
                yield
                self._end_of_pass()
            self._rounds = None
            examined = found_by(rounds)
        except GeneratorExit:
            self._left = rounds.passes
            raise
        except LeakdiffError as error:
            refuse_error(error)
        finally:
            rounds.close()
            self._rounds = None
        kind = "no_growth" if self._blocks else "check"
        conclude(self._session, self._item, kind, _again(examined.report, self._item), asked)

    def _end_of_pass(self) -> None:
        """Check what was expected in one pass of a loop."""
        while self._expected:
            expected = self._expected.pop()
            if not expected.is_done:
                expected.check_in_loop()

    def begin_block(self, block: NoGrowth) -> None:
        """Begin a block of ``no_growth``."""
        self._blocks.append(block)
        block.begin()

    def end_block(self, block: NoGrowth, *, is_well: bool) -> None:
        """End a block of ``no_growth``."""
        __tracebackhide__ = True
        self._blocks.remove(block)
        self._stop_loop()
        block.end(is_well=is_well)
        if is_well:
            self._refuse_left_loop()

    def end_body(self) -> None:
        """Check what was expected of a body that has passed."""
        __tracebackhide__ = True
        self._stop_loop()
        self._refuse_left_loop()
        expected, self._expected = self._expected, []
        for item in expected:
            if not item.is_done:
                item.check()

    def fail_body(self) -> None:
        """Forget what was expected of a body that has failed."""
        self._give_up()
        self._left = 0

    def _give_up(self) -> None:
        self._stop_loop()
        self._expected.clear()
        while self._blocks:
            self._blocks.pop().end(is_well=False)

    def _stop_loop(self) -> None:
        """End a loop that somebody keeps and does not go on with."""
        if self._rounds is not None:
            self._left = self._rounds.passes
            self._rounds.close()
            self._rounds = None

    def _refuse_left_loop(self) -> None:
        __tracebackhide__ = True
        passes, self._left = self._left, 0
        if passes:
            refuse_error(BadRounds.left(passes))


def _again(report: Report, item: pytest.Item) -> Report:
    """Say that it is the test which shows the growth again: nobody else can call the body of a loop."""
    command = f"pytest {shlex.quote(item.nodeid)}"
    findings = [
        attrs.evolve(found, native=attrs.evolve(found.native, reproduce=command)) if found.native is not None else found
        for found in report.findings
    ]
    return attrs.evolve(report, findings=tuple(findings))


class _Block:
    """The block of a ``with`` statement."""

    def __init__(self, checks: Leakdiff, block: NoGrowth) -> None:
        self._checks, self._block = checks, block

    def __enter__(self) -> None:
        self._checks.begin_block(self._block)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        __tracebackhide__ = True
        self._checks.end_block(self._block, is_well=kind is None)


class _EndsOfBodies:
    """A plugin that tells the fixture of a test when its body has ended, each time it is run."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> object:
        """Check what the body expected."""
        __tracebackhide__ = True
        checks = pyfuncitem.stash.get(_KEY, None)
        if checks is None:
            return (yield)
        try:
            result = yield
        except BaseException:
            checks.fail_body()
            raise
        checks.end_body()
        return result
