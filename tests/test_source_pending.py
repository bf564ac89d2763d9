"""Who cancels what waits for ever."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from fresh import line_of
from leakdiff.model.heap import Site
from leakdiff.source.pending import Pending, who_ends

NOBODY = """
    import asyncio

    async def find(call):
        answer = asyncio.create_task(call.wait())  # made
        await asyncio.wait([answer, call.dropped])
"""
ELSEWHERE = (
    NOBODY
    + """
    def teardown(tasks):
        for task in tasks:
            task.cancel()
"""
)
SOMETIMES = """
    import asyncio

    async def find(call):
        answer = asyncio.create_task(call.wait())  # made
        if await call.dropped:
            answer.cancel()
"""
FUTURE = """
    def ask(loop):
        reply = loop.create_future()  # made

    def answer(future):
        future.set_result(True)
"""
UNNAMED = """
    import threading

    class Poll:
        def start(self):
            threading.Timer(
                60,
                self.poll,  # made
            ).start()
"""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (NOBODY, "nobody cancels `answer`: no line of this file calls cancel()"),
        (ELSEWHERE, "nobody cancels `answer` in find; cancel() is called in teardown only"),
        (SOMETIMES, "find calls cancel() in line 7 only if await call.dropped (line 6)"),
        (FUTURE, "nobody answers or cancels `reply` in ask; set_result() is called in answer only"),
        (UNNAMED, "nobody cancels it: no line of this file calls cancel()"),
    ],
)
def test_who_ends_what_a_line_makes(tmp_path: Path, source: str, said: str) -> None:
    """The line that made a task leads to the lines that cancel one, or to none."""
    file = tmp_path / "app.py"
    file.write_text(textwrap.dedent(source))
    born = [Site(str(tmp_path / "gone.py"), 1), Site(str(file), line_of(source, "# made"))]

    assert who_ends(born).summary == said


def test_a_line_that_makes_nothing_pending_says_nothing(tmp_path: Path) -> None:
    """Not everything that is born has to be cancelled; what is no Python is not read."""
    file, broken = tmp_path / "app.py", tmp_path / "broken.py"
    file.write_text("kept = []\n")
    broken.write_text("def (:\n")

    assert who_ends([Site(str(file), 1), Site(str(broken), 1)]) == Pending()


STOPPED = """
    import threading

    class Poll:
        def __init__(self):
            self.stop = threading.Event()
            self.thread = threading.Thread(target=self.run)  # made

        def close(self):
            if self.started:
                self.stop.set()  # ends

    def other(event):
        event.set()
"""


def test_the_lines_that_would_end_it_are_told_with_their_conditions(tmp_path: Path) -> None:
    """A thread is stopped by the class that started it, in whatever way; what another one does is its own affair."""
    file = tmp_path / "app.py"
    file.write_text(textwrap.dedent(STOPPED))
    found = who_ends([Site(str(file), line_of(STOPPED, "# made"))])

    assert found.made is not None
    assert (found.made.site.line, found.made.how) == (line_of(STOPPED, "# made"), "Thread")
    assert [(end.site.line, end.how, end.only) for end in found.ends] == [
        (line_of(STOPPED, "# ends"), "set", f"only if self.started (line {line_of(STOPPED, '# ends') - 1})")
    ]
    assert found.summary == "nobody stops `self.thread` in Poll.__init__; set() is called in Poll.close only"
