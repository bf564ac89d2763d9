"""Places where an entry's life seems to end without being removed, read off programs of many shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leakdiff.model.code import Moves, NameKind
from leakdiff.source.read import read_code
from source_programs import write

OF_HUB = {"kind": NameKind.ATTRIBUTE, "scope": "Hub"}

TABLE = [
    pytest.param(
        """
        class Hub:
            def __init__(self):
                self.calls = {}
            def begin(self, key):
                self.calls[key] = 1
            def end(self, key):
                self.calls.pop(key, None)
        hub = Hub()
        def ride(key):
            hub.begin(key)
            try:
                work()
            finally:
                hub.end(key)
        def cancel(key):
            hub.begin(key)
            work()
        """,
        "calls",
        OF_HUB,
        ["16 cancel: calls begin() and never end()"],
        id="who_calls_one_half_of_a_pair",
    ),
    pytest.param(
        """
        o = []
        class Span:
            def __enter__(self):
                o.append(self)
                return self
            def __exit__(self, *error):
                pass
        """,
        "o",
        {"owner_type": "list"},
        ["6 Span.__exit__: the counterpart of __enter__()"],
        id="the_exit_of_what_enters",
    ),
    pytest.param(
        """
        import contextlib
        o = {}
        @contextlib.contextmanager
        def traced(key):
            o[key] = 1
            yield key
            report(key)
        """,
        "o",
        {},
        ["6 traced: what follows the yield runs when the block is left"],
        id="the_part_of_a_context_manager_behind_its_yield",
    ),
    pytest.param(
        """
        class Hub:
            def __init__(self):
                self.sockets = {}
            def connect(self, name, socket):
                self.sockets[name] = socket
            def disconnect(self, name):
                log("bye")
            def names(self):
                return list(self.sockets)
        """,
        "sockets",
        OF_HUB,
        ["6 Hub.disconnect: the counterpart of connect()"],
        id="the_method_whose_name_is_the_opposite",
    ),
    pytest.param(
        """
        o = {}
        def add_route(path):
            o[path] = 1
        def remove_route(path):
            log(path)
        def remove_user(name):
            log(name)
        """,
        "o",
        {},
        ["4 remove_route: the counterpart of add_route()"],
        id="a_verb_among_other_words",
    ),
    pytest.param(
        """
        o = []
        class View:
            def __init__(self, model):
                self.on_change = lambda: self.draw()
                o.append(self.on_change)
            def draw(self):
                pass
            def close(self):
                self.model = None
        def show(model):
            view = View(model)
            view.close()
        """,
        "o",
        {"owner_type": "list"},
        ["8 View.close: the counterpart of View()"],
        id="the_method_that_closes_what_registers_itself",
    ),
    pytest.param(
        """
        o = {}
        def handle(request):
            o[request.id] = request
            check(request)
            answer(request)
        def check(request):
            pass
        def answer(request):
            finish(request)
        def finish(request):
            pass
        """,
        "o",
        {},
        [
            "8 answer: gets `request` after the put",
            "6 check: gets `request` after the put",
            "10 finish: gets `request` after the put",
        ],
        id="the_function_that_gets_it_last_and_those_before",
    ),
    pytest.param(
        """
        class Hub:
            def __init__(self):
                self.jobs = {}
            def issue(self, number):
                self.jobs[number] = Job(number)
            def report(self, number):
                return number
        class Job:
            pass
        hub = Hub()
        def work(number):
            hub.issue(number)
            hub.report(number)
        """,
        "jobs",
        OF_HUB,
        ["6 Hub.report: gets `number` after the put"],
        id="another_method_called_with_the_same_key_by_the_caller",
    ),
    pytest.param(
        """
        o = []
        def borrow(size):
            block = bytearray(size)
            o.append(block)
            return block
        def hand_in(block):
            block[:] = b""
        def use(size):
            hand_in(borrow(size))
        """,
        "o",
        {"owner_type": "list"},
        ["6 hand_in: gets what borrow() returns"],
        id="what_is_returned_goes_straight_to_another_function",
    ),
    pytest.param(
        """
        import sched
        o = sched.scheduler()
        def plan(number):
            return o.enter(60, 1, print, (number,))
        def serve(number):
            event = plan(number)
            log(number)
        """,
        "o",
        {"owner_type": "sched.scheduler"},
        ["6 serve: `event` is not used again"],
        id="a_handle_that_nobody_uses",
    ),
    pytest.param(
        """
        o = {}
        def ask(loop, key):
            o[key] = loop.create_future()
        def reply(key, text):
            future = o[key]
            future.set_result(text)
        def names():
            for name in o:
                print(name)
        """,
        "o",
        {},
        ["5 reply: gets the entry and leaves it"],
        id="who_reads_it_and_leaves_it",
    ),
    pytest.param(
        """
        class Hub:
            listeners = {}
            def __init__(self, name):
                self.name = name
            def on(self, event, function):
                self.listeners[event] = function
        """,
        "listeners",
        OF_HUB,
        ["3 Hub.__init__: does not make `listeners` for each instance: the class has one for all"],
        id="a_container_of_the_class_for_all_its_instances",
    ),
    pytest.param(
        """
        o = {}
        class Task:
            def __init__(self, key, done):
                self.key, self.ok = key, True
                self.done = done
            def run(self):
                if broken(self.key):
                    return self.fail()
                self.done(self.key)
            def fail(self):
                return None
        def forget(key):
            del o[key]
        def submit(key):
            o[key] = 1
            Task(key, forget).run()
        """,
        "o",
        {},
        ["10 Task.fail: runs instead of `done`"],
        id="what_runs_instead_of_the_callback_that_removes",
    ),
    pytest.param(
        """
        class Hub:
            def __init__(self):
                self.jobs = {}
            def start(self, key):
                self.jobs[key] = 1
            def stop(self, key):
                if key in self.jobs:
                    del self.jobs[key]
            def report(self, key):
                return self.jobs[key]
        """,
        "jobs",
        OF_HUB,
        [],
        id="nothing_where_a_removal_always_runs",
    ),
    pytest.param(
        """
        import functools
        @functools.lru_cache(maxsize=None)
        def o(n):
            return n
        def use(n):
            o(n)
        """,
        "o",
        {"kind": NameKind.CACHE},
        [],
        id="nothing_for_a_cache",
    ),
]


@pytest.mark.parametrize(("source", "name", "options", "expected"), TABLE)
def test_ends(tmp_path: Path, source: str, name: str, options: dict[str, Any], expected: list[str]) -> None:
    """Each program yields the places where the removal may be missing, the most likely first."""
    home = write(tmp_path, source, name, **options)

    assert _ends(tmp_path, read_code(home).misses) == expected


def test_ends_are_found_in_other_files(tmp_path: Path) -> None:
    """The caller that puts and the function that gets it last may stand in files that do not name the owner."""
    home = write(
        tmp_path,
        """
        o = {}
        def begin(key):
            o[key] = 1
        """,
        "o",
        others={
            "steps": "def settle(key):\n    print(key)\n",
            "web": "import app\nfrom steps import settle\ndef view(key):\n    app.begin(key)\n    settle(key)\n",
        },
    )

    assert _ends(tmp_path, read_code(home).misses) == ["steps.py:1 settle: gets `key` after the put"]


def test_a_removal_that_never_ran_does_not_hide_the_ends(tmp_path: Path) -> None:
    """A removal without a condition that took nothing out in the units measured leaves the question open."""
    home = write(
        tmp_path,
        """
        o = {}
        def begin(key):
            o[key] = 1
        def purge():
            o.clear()
        def nightly():
            purge()
        def end(key):
            print(key)
        def work(key):
            begin(key)
            end(key)
        """,
        "o",
    )
    moves = [Moves(home.file, 3, put=1.0, gone=0.0)]

    assert _ends(tmp_path, read_code(home).misses) == []
    assert _ends(tmp_path, read_code(home, moves).misses) == ["8 end: the counterpart of begin()"]


def test_at_most_three_ends(tmp_path: Path) -> None:
    """However many functions get an entry, three places are enough to look at."""
    steps = "".join(f"def step{number}(key):\n    print(key)\n" for number in range(9))
    calls = "".join(f"    step{number}(key)\n" for number in range(9))
    home = write(tmp_path, f"o = {{}}\n{steps}def work(key):\n    o[key] = 1\n{calls}", "o")

    assert [end.site.function for end in read_code(home).misses] == ["step8", "step7", "step6"]


def _ends(folder: Path, ends: Any) -> list[str]:
    texts = []
    for end in ends:
        file = "" if end.site.file == str(folder / "app.py") else f"{Path(end.site.file).name}:"
        texts.append(f"{file}{end.site.line} {end.site.function}: {end.how}")
        assert end.only == ""
    return texts
