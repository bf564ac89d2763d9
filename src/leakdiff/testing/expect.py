"""What a test expects of one object or of one container; checked when its time has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from leakdiff.capture.gone import Awaited
from leakdiff.capture.kinds import type_name
from leakdiff.capture.lookup import how_far, lengths_of, newest_in
from leakdiff.errors import BadOption, BadRounds, CannotExpect, LeakdiffError
from leakdiff.options import Options
from leakdiff.testing.holders import Holder, holders_of, others, plural
from leakdiff.testing.scene import Block, Scene
from leakdiff.testing.verdict import refuse_error

_POLL = 0.01  # seconds


class _Expected:
    """Something that a test expects: checked by ``with`` at the end of the block, by ``check()``, or after the body.

    Attributes:
        is_done: Whether it was checked.
    """

    is_done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        __tracebackhide__ = True
        self.is_done = True
        if kind is None:
            self.check()

    def check(self) -> None:
        """Fail the test if it is not as expected."""
        raise NotImplementedError


# -- an object that should go away -----------------------------------------------------------------


class ExpectGone(_Expected):
    """An object that should be gone; holds a weak reference.

    Attributes:
        took_collection: Whether it went only by a collection: it was part of a cycle.
    """

    def __init__(self, scene: Scene, options: Options, obj: Any, grace: float) -> None:
        if type(grace) not in (int, float) or not 0 <= grace < float("inf"):
            raise BadOption("grace", grace, "a number of seconds, 0 or more")
        self._scene, self._options, self._grace = scene, options, grace
        self._awaited = _awaited(scene, obj)
        self.took_collection = False

    def check(self) -> None:
        """Wait for the object to go, and fail the test with who holds it if it does not.

        What is garbage is collected once it is seen to be alive: a cycle that only waits for the collector is no leak;
        ``took_collection`` says that it took one. Then others get the time of grace to let go of it.

        Raises:
            Failed: If it is alive.
        """
        __tracebackhide__ = True
        self.is_done = True
        started = time.thread_time()
        if self._goes():
            how = " after a collection" if self.took_collection else ""
            self._scene.passes("gone", "GONE", f"{self._awaited.type} went away{how}", time.thread_time() - started)
            return
        block = self._block()
        cost = time.thread_time() - started
        if block is None:
            self._scene.passes("gone", "GONE", f"{self._awaited.type} is kept by pytest only", cost)
        else:
            self._scene.fails("gone", "ALIVE", [block], cost)

    def check_in_loop(self) -> None:
        """Check at the end of one pass of a loop, where variables of the test are still there.

        Raises:
            BadRounds: If it is alive.
        """
        self.is_done = True
        if not self._awaited.is_gone:
            raise BadRounds(
                f"Whether {self._awaited.type} is gone would be told at the end of the test, and it was asked for in "
                "a pass of leakdiff.rounds()",
                "Say when: `with leakdiff.expect_gone(obj):`, or leakdiff.expect_gone(obj) and later .check().",
            )

    def _goes(self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Wait for it, by the clock of the time of import: a test may stop the one that modules have (freezegun)."""
        if self._awaited.is_gone:
            return True
        if self._awaited.is_gone_after_collection():
            self.took_collection = True
            return True
        deadline = clock() + self._grace
        while not self._awaited.is_gone and clock() < deadline:
            sleep(_POLL)
        return self._awaited.is_gone

    def _block(self) -> Block | None:
        """Say who holds it; None if pytest alone does, until the test has ended."""
        budget = self._scene.budget(self._options)
        held = self._awaited.held(budget, self._scene.workload())
        if held is not None:
            return self._held(holders_of(held), is_local=held.is_local)
        held = self._awaited.held_by_runner(self._scene.budget(self._options))
        holders = holders_of(held) if held is not None else []
        if held is None or not holders or held.hidden > 0:
            return self._unexplained(budget.spent)
        if all(holder.is_runners or holder.told.kept_by for holder in holders):
            why = holders[0].told.kept_by or "pytest keeps it until the test has ended"
            self._scene.session.note(
                f"{self._scene.item.nodeid}: {self._awaited.type} was expected to be gone, and only pytest holds it, "
                f"by {holders[0].name} ({why})"
            )
            return None
        return self._held(sorted(holders, key=lambda holder: holder.is_runners), is_local=False)

    def _held(self, holders: Sequence[Holder], *, is_local: bool) -> Block:
        first = holders[0]
        rows = [*first.rows(), *others(holders), ("why", self._why())]
        claim = f"{self._awaited.type} should be gone, but {first.name} holds it"
        if is_local:
            rows.append(("fix", f"`del {first.variable}` before it is checked, or leave that to the end of the test"))
        else:
            rows.append(("fix", "let go of it there, on every path"))
        return Block(first.name, claim, tuple(rows), first.told.fingerprint)

    def _unexplained(self, spent: str | None) -> Block:
        rows = [("path", "no referrer: held by C code"), ("refs", self._awaited.references()), ("why", self._why())]
        if spent is not None:
            rows.append(("note", f"{spent}; who holds it may lie beyond"))
        claim = f"{self._awaited.type} should be gone, and no path leads to it"
        return Block(self._awaited.type, claim, tuple(rows))

    def _why(self) -> str:
        return f"it was alive after a collection and {self._grace:g} s of grace"


def _awaited(scene: Scene, obj: Any) -> Awaited:
    fixture = scene.fixture_of(obj)
    if fixture:
        raise CannotExpect(
            f"This {type_name(type(obj))}",
            f"it is the value of {fixture!r}, which pytest keeps until the test has ended",
            "Make the object in the test.",
        )
    try:
        return Awaited.of(obj)
    except TypeError:
        raise CannotExpect(
            f"This {type_name(type(obj))}",
            "objects of its type cannot be weakly referenced",
            "Expect the object that holds it, or one that it holds, to be gone; a class with __slots__ needs "
            '"__weakref__" among them.',
        ) from None


# -- a container that should not grow --------------------------------------------------------------


class ContainerWatch(_Expected):
    """A container by its name, and how long it was; holds no object of the program.

    Attributes:
        before: Entries it had at first.
    """

    def __init__(self, scene: Scene, path: str, max_growth: float) -> None:
        if type(path) is not str:
            raise BadOption("path", path, 'the name of a container, such as "app.matching._inflight"')
        self._scene, self._path, self._max_growth = scene, path, max_growth
        self.before = _length(path)

    def check(self) -> None:
        """Read the length again, and fail the test if there are too many more entries.

        Raises:
            Failed: If there are, or the container is gone.
        """
        __tracebackhide__ = True
        self.is_done = True
        started = time.thread_time()
        try:
            now = _length(self._path)
        except LeakdiffError as error:
            refuse_error(error)
        gained = now - self.before
        if gained <= self._max_growth:
            self._scene.passes("container", "STABLE", f"{self._path} did not grow", time.thread_time() - started)
            return
        self._scene.fails("container", "GREW", [self._block(gained, now)], time.thread_time() - started)

    check_in_loop = check

    def _block(self, gained: int, now: int) -> Block:
        entries = f"{gained:,} {plural('entry', gained)}"
        claim = f"{self._path} gained {entries}: {self.before:,} before, {now:,} now"
        kind, shape, types = newest_in(self._path, gained)
        keys = f"         keys: {shape}" if shape else ""
        rows = [("owner", f"{self._path}     {kind}, {now:,} {plural('entry', now)}{keys}")]
        if types:
            rows.insert(0, ("what", f"the newest: {', '.join(types)}"))
        rows.append(("why", f"it may gain {self._max_growth:g}"))
        return Block(self._path, claim, tuple(rows))


def _length(path: str) -> int:
    found = lengths_of([path])
    if found:
        return found[0].count
    known, kind = how_far(path)
    if known == path:
        saw = f"it is a {kind}, which is none of those that are counted (dict, list, set, deque, SimpleQueue)"
        todo = "Name the container in it."
    elif known:
        missing = path[len(known) + 1 :].partition(".")[0]
        saw, todo = f"{known} is there, a {kind}, and has no {missing!r} of its own", "Correct the name."
    else:
        saw = "no module of that name has been imported"
        todo = "Import it before, and give its full name with that of the module: app.matching._inflight."
    raise CannotExpect(f"The container {path}", saw, todo)
