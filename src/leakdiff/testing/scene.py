"""The test that is looked at: what pytest holds of it, and how it is told what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from leakdiff.capture.kinds import qualname_of
from leakdiff.capture.walk import Budget
from leakdiff.options import Options
from leakdiff.render.plain import printable
from leakdiff.testing.session import Result, Session
from leakdiff.testing.verdict import refuse

_MOST_BLOCKS = 3

Row = tuple[str, str]


@attrs.define(eq=False)
class Scene:
    """The test that expects something, and who is told of it.

    Attributes:
        session: The session.
        item: The test.
    """

    session: Session
    item: pytest.Item
    _told: set[tuple[str, str]] = attrs.field(factory=set)

    def budget(self, options: Options) -> Budget:
        """Return what one walk may cost."""
        return Budget(options.max_objects, options.max_seconds)

    def workload(self) -> list[tuple[str, Any]]:
        """Return what only pytest holds of the program: values of fixtures, and the object of the test's class."""
        item: Any = self.item
        named = [(f"fixture {name}", value) for name, value in getattr(item, "funcargs", {}).items()]
        instance = getattr(item, "instance", None)
        return named if instance is None else [*named, (f"the test's {qualname_of(type(instance))}", instance)]

    def fixture_of(self, obj: object) -> str:
        """Return the name of the fixture that an object is the value of; empty if it is none."""
        return next((name for name, value in self.workload() if value is obj), "").removeprefix("fixture ")

    def passes(self, kind: str, verdict: str, sentence: str, cpu_seconds: float) -> None:
        """Tell that something is as it should be; once, however often the body is repeated."""
        if (kind, sentence) not in self._told:
            self._told.add((kind, sentence))
            line = f"leakdiff: {verdict}  {printable(sentence)}"
            self._tell(Result(test=self.item.nodeid, kind=kind, verdict=verdict, headline=line, text=line), cpu_seconds)

    def fails(self, kind: str, verdict: str, blocks: Sequence[Block], cpu_seconds: float) -> None:
        """Tell what is not as it should be, and fail the test.

        Raises:
            Failed: Always.
        """
        __tracebackhide__ = True
        result = Result(
            test=self.item.nodeid,
            kind=kind,
            verdict=verdict,
            headline=blocks[0].headline(verdict),
            text=_text(verdict, blocks),
            owners=tuple(dict.fromkeys(block.owner for block in blocks if block.owner)),
            fingerprints=tuple(dict.fromkeys(block.fingerprint for block in blocks if block.fingerprint)),
            is_failure=True,
        )
        self._tell(result, cpu_seconds)
        refuse(result.text)

    def _tell(self, result: Result, cpu_seconds: float) -> None:
        self.session.tell(self.item, attrs.evolve(result, cpu_seconds=cpu_seconds))


@attrs.frozen
class Block:
    """One owner, and what is said of it.

    Attributes:
        owner: Its name; empty where none is known.
        claim: What it does, in a few words.
        rows: What is known of it, as a name and a text each.
        fingerprint: Six hex digits that are the same on the next run; empty where there are none.
    """

    owner: str
    claim: str
    rows: tuple[Row, ...]
    fingerprint: str = ""

    def headline(self, verdict: str) -> str:
        """Return it in one line."""
        mark = f"    [{self.fingerprint}]" if self.fingerprint else ""
        return f"leakdiff: {verdict}  {printable(self.claim)}{mark}"

    def text(self, verdict: str) -> str:
        """Return all of it."""
        rows = (f"  {name:<5}  {printable(text)}" for name, text in self.rows)
        return "\n".join([self.headline(verdict), "", *rows])


def _text(verdict: str, blocks: Sequence[Block]) -> str:
    shown = [block.text(verdict) for block in blocks[:_MOST_BLOCKS]]
    if len(blocks) > _MOST_BLOCKS:
        shown.append(f"  and {len(blocks) - _MOST_BLOCKS} more")
    return "\n\n".join(shown)
