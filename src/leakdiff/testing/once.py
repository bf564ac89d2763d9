"""``pytest --leakdiff``: watch every test once, and tell in the end what outlived it and who holds that."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from leakdiff.model.outlived import Outlived
from leakdiff.testing.session import Session

if TYPE_CHECKING:
    from leakdiff.capture.lifetimes import Lifetimes, Survivors

_MOST_OWNERS = 60
_CHANNEL = "leakdiff_once"
_MARKERS = "leakdiff", "leakdiff_soak"


class Once:
    """A plugin of each process that runs tests, and of the one that prints the summary."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._watch: Lifetimes | None = None
        self._tests: list[str] = []
        self._apart = 0
        self._cpu_seconds = 0.0

    # -- while tests run ---------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Note what is born in a test and alive after its teardown."""
        watch = self._begun()
        if _is_checked_by_itself(item):
            self._apart += 1
            watch.pause()
            try:
                return (yield)
            finally:
                watch.resume()
        self._tests.append(item.nodeid)
        watch.open(len(self._tests))
        try:
            return (yield)
        finally:
            started = time.thread_time()
            watch.close()
            self._cpu_seconds += time.thread_time() - started

    def _begun(self) -> Lifetimes:
        """Return what watches; it begins with the first test: the controller of xdist has none."""
        if self._watch is None:
            with self._on_the_clock():
                from leakdiff.capture.lifetimes import Lifetimes

                self._watch = Lifetimes()
                self._watch.begin(self._plugins())
        return self._watch

    @contextmanager
    def _on_the_clock(self) -> Iterator[None]:
        started = time.thread_time()
        try:
            yield
        finally:
            self._cpu_seconds += time.thread_time() - started

    # -- at the end --------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Look at what there is once every fixture is torn down; a worker of xdist sends it to the controller."""
        if self._watch is None:
            return
        with self._on_the_clock():
            told = self._look(self._watch)
        self._watch = None
        told["cpu_seconds"] = self._cpu_seconds
        config: Any = self._session.config
        if hasattr(config, "workeroutput"):
            config.workeroutput[_CHANNEL] = json.dumps(told)
        else:
            self._take(told)

    def pytest_unconfigure(self) -> None:
        """Put everything back, also where the session did not get to its end."""
        if self._watch is not None:
            self._watch.stop()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what a worker of xdist found."""
        sent = getattr(node, "workeroutput", {}).get(_CHANNEL)
        if sent is not None:
            self._take(json.loads(sent))
        elif not hasattr(node, "workeroutput"):
            self._session.note(f"a worker went down ({node.gateway.id}): what outlived the tests it ran is not known")

    def _look(self, watch: Lifetimes) -> dict[str, Any]:
        survivors = watch.end(self._plugins())
        found = [] if survivors.is_empty else _named(survivors, self._tests)
        reached = sum(item.objects for item in found)
        return {
            "outlived": [item.as_dict() for item in found],
            "watched": len(self._tests),
            "others": max(0, survivors.alive - reached),
            "notes": [*survivors.notes(), *self._notes(watch)],
        }

    def _plugins(self) -> list[tuple[str, Any]]:
        """Return the plugins that are objects of the program's own: pytest alone holds them."""
        from leakdiff.capture.kinds import derives, qualname_of
        from leakdiff.capture.runners import is_of_runner

        held = [plugin for _, plugin in self._session.config.pluginmanager.list_name_plugin() if plugin is not None]
        own = [plugin for plugin in held if not derives(type(plugin), ModuleType) and not is_of_runner(type(plugin))]
        return [(f"plugin {qualname_of(type(plugin))}", plugin) for plugin in own]

    def _notes(self, watch: Lifetimes) -> Iterator[str]:
        if not watch.may_thaw:
            yield "the heap was frozen before the first test (gc.freeze): what tests left behind stays frozen with it"
        if watch.lost == 1:
            yield "1 test called gc.unfreeze(): what outlived it is not known"
        elif watch.lost:
            yield f"{watch.lost:,} tests called gc.unfreeze(): what outlived them is not known"
        if self._apart == 1:
            yield "1 test checks itself for leaks, and was not watched"
        elif self._apart:
            yield f"{self._apart:,} tests check themselves for leaks, and were not watched"
        if getattr(self._session.config.option, "forked", False):
            yield "tests ran in child processes (--forked), which end with them: nothing can outlive them in this one"

    def _take(self, told: dict[str, Any]) -> None:
        """Put what one process found beside what others did."""
        session = self._session
        session.watched += told["watched"]
        session.others += told["others"]
        session.once_cpu_seconds += told["cpu_seconds"]
        for note in told["notes"]:
            session.note(note)
        if not told["outlived"]:
            return
        from leakdiff.judge.outlived import merged

        found = [_from_dict(fields) for fields in [*session.outlived, *told["outlived"]]]
        session.outlived[:] = [item.as_dict() for item in merged(found) if not self._is_known(item)]

    def _is_known(self, item: Outlived) -> bool:
        session = self._session
        known = session.baseline.known if session.baseline is not None and session.settings.new_only else ()
        return any(leak.fingerprint == item.fingerprint for leak in known)


def _is_checked_by_itself(item: pytest.Item) -> bool:
    """Tell whether a test sets marks of its own."""
    if any(marker.name in _MARKERS for marker in item.iter_markers()):
        return True
    return "leakdiff" in getattr(item, "fixturenames", ())


def _named(survivors: Survivors, tests: list[str]) -> list[Outlived]:
    """Name who holds what outlived tests; what is imported here is not imported where there is nothing to name."""
    from leakdiff.capture.newborn import Newborn
    from leakdiff.capture.owners import OwnerReader
    from leakdiff.judge.outlived import outlived
    from leakdiff.ownership.gains import find_gains

    newborn = Newborn(survivors.walk)
    newborn.gather()
    gains = find_gains(newborn.as_graph(len(tests), 1))[:_MOST_OWNERS]
    reader = OwnerReader(newborn, survivors.roots, is_quiet=True)
    return outlived(gains, [reader.read(gain.found) for gain in gains], tests)


def _from_dict(fields: dict[str, Any]) -> Outlived:
    lists = {name: tuple(fields[name]) for name in ("tests", "also")}
    return Outlived(**{**fields, **lists, "types": tuple((name, count) for name, count in fields["types"])})
