"""Pictures of real findings, in every style; objgraph's, which reads live objects, only with leave."""

from __future__ import annotations

import io
import re
import sys
import threading
from typing import Any

import pytest

from fresh import run_fresh
from leakdiff.asking import allowed, is_somebody_there
from leakdiff.errors import BadOption, ValuesNotAllowed
from leakdiff.render.pictures import graphviz

needs_dot = pytest.mark.skipif(not graphviz.is_installed(), reason="needs Graphviz: apt-get install graphviz")

DRAW_ALL = """\
    import importlib, json
    import leakdiff
    from leakdiff.drawing import STYLES

    drawn = {}
    for name in %r:
        module = importlib.import_module(name)
        step = getattr(module, "leak", None) or module.step
        report = leakdiff.check(step, setup=getattr(module, "setup", None), units=29, patience=0.05)
        finding = report.findings[0]
        drawn[name.rpartition(".")[2]] = {style: finding.draw(style) for style in STYLES if style != "objgraph"}
    print(json.dumps(drawn))
"""
NAMES = (
    "leakdiff.demo.matching",
    "leakdiff.selftest_plants.dict_by_request_id",
    "leakdiff.selftest_plants.linked_list",
    "leakdiff.selftest_plants.done_callbacks",
    "leakdiff.selftest_plants.generator_local",
    "leakdiff.selftest_plants.cache_on_method",
)


def test_findings_of_the_demo_and_of_planted_leaks_are_drawn_in_every_style() -> None:
    """Each style says of each what it is for: the way down, the owner, and what grows under it."""
    drawn = run_fresh(DRAW_ALL % (NAMES,))

    assert set(drawn) == {name.rpartition(".")[2] for name in NAMES}
    assert all("owner: " in styles[style] for styles in drawn.values() for style in ("tree", "ascii", "dot", "svg"))
    assert all(styles["mermaid"].startswith("flowchart LR\n") for styles in drawn.values())
    assert all(styles["treemap"].startswith("<svg ") for styles in drawn.values())
    tree = re.sub(r"\d\.\d KiB", "n KiB", drawn["linked_list"]["tree"])  # how large an instance is CPython decides

    assert tree.splitlines()[-5:] == [
        "module leakdiff.selftest_plants.linked_list",
        "└─ _history: leakdiff.selftest_plants.linked_list.History",
        "   └─ head: leakdiff.selftest_plants.linked_list._history.head",
        "      │  owner: leakdiff.selftest_plants.linked_list.Node",
        "      └─ before: leakdiff.selftest_plants.linked_list.Node  +87, n KiB, they hold each other",
    ]


OBJGRAPH = """\
    import contextlib, io, itertools, json, os, sys, tempfile, types
    import leakdiff

    class Order:
        def __init__(self, number):
            self.number = number

        def __repr__(self):
            {repr}

    app = sys.modules["app"] = types.ModuleType("app")
    app._orders = {{}}
    numbers = itertools.count()

    def step(units):
        for number in itertools.islice(numbers, units):
            app._orders[f"req-{{number:08x}}"] = Order(number)

    report = leakdiff.check(step, units=29, patience=0.05)
    finding = report.findings[0]
    tempfile.tempdir = folder = tempfile.mkdtemp()
    out, said = io.StringIO(), []

    def try_to_draw(allowed):
        try:
            said.append(finding.draw("objgraph", show_values=allowed))
        except leakdiff.LeakdiffError as error:
            said.append(str(error))

    with contextlib.redirect_stdout(out):
        {acts}
    print(json.dumps({{"said": said, "printed": out.getvalue(), "left": os.listdir(folder)}}))
"""


TRY = "try_to_draw(True)"


KEEP = """\
import builtins, gc, warnings, weakref
first = weakref.ref(next(reversed(app._orders.values())))
before = warnings.filters[:]
warnings.catch_warnings = None
try:
    finding.draw('objgraph', show_values=True)
except leakdiff.LeakdiffError as error:
    builtins.last = error
app._orders.clear()
gc.collect()
said.append([first() is None, builtins.last.__context__ is None, warnings.filters == before])
"""


def _objgraph(*acts: str, repr_: str = "return '<script>&' + chr(27) + chr(0x202e)") -> Any:
    return run_fresh(OBJGRAPH.format(acts="; ".join(acts), repr=repr_))


@needs_dot
def test_objgraph_draws_live_objects_once_it_may() -> None:
    """It has the newest objects with their keys, prints nothing and leaves no file; what is gone by then is said."""
    drawn = _objgraph(TRY, "app._orders.clear()", TRY, "del app._orders", TRY)
    picture, emptied, gone = drawn["said"]

    assert picture.startswith('<svg role="img" aria-label="objgraph: what refers to entries of app._orders"')
    assert picture.count("&lt;script&gt;&amp;??") == 3
    assert picture.count("&#39;req&#45;0000") == 3
    assert emptied == "The style objgraph cannot be drawn: the owner is empty by now. Draw it while there are entries."
    assert gone == (
        "app._orders was not found: no module and attributes of this process lead to a container of that name. "
        "Draw it in the process that the finding is of; the other styles need no live objects."
    )
    assert (drawn["printed"], drawn["left"]) == ("", [])


@needs_dot
def test_objgraph_runs_no_code_of_the_program_without_leave() -> None:
    """Nobody allowed it and there is nobody to ask: the class's own repr is not run."""
    refused = _objgraph("try_to_draw(None)", repr_="os._exit(3)")

    assert " ".join(refused["said"]) == (
        "The style objgraph would show keys and values of the program, and there is nobody to ask. "
        "Give show_values=True if those who see this may see them."
    )


@needs_dot
def test_code_of_the_program_that_fails_under_objgraph_is_named() -> None:
    """It asks objects for their class, which may raise: the error is told by its name, without what it says."""
    hostile = "return ''\n\n        @property\n        def __class__(self):\n            raise KeyError('a secret')"
    shown = _objgraph(TRY, repr_=hostile)

    assert " ".join(shown["said"]) == (
        "The style objgraph cannot be drawn: KeyError was raised by code of the program that objgraph ran. "
        "The other styles run none."
    )


@needs_dot
def test_an_error_of_objgraph_keeps_nothing_alive() -> None:
    """A prompt keeps the last error; no frame that has the entries hangs on it, and no filter of warnings was moved."""
    hostile = "return ''\n\n        @property\n        def __class__(self):\n            raise KeyError('a secret')"
    kept = _objgraph(f"exec({KEEP!r})", repr_=hostile)

    assert kept["said"] == [[True, True, True]]


# -- asking ----------------------------------------------------------------------------------------


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be one in which somebody types."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)


class Terminal(io.StringIO):
    """A standard input at which somebody sits."""

    def isatty(self) -> bool:
        """Tell that it is a terminal."""
        return True


@pytest.mark.usefixtures("prompt")
@pytest.mark.parametrize("answer", ["y\n", " YES \n"])
def test_a_yes_at_the_prompt_is_leave(
    answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The question goes to stderr, so that a redirected answer does not swallow it."""
    monkeypatch.setattr(sys, "stdin", Terminal(answer))

    allowed("Finding.entries()", None, warning="It is dear.")

    assert capsys.readouterr() == (
        "",
        "Finding.entries() would show keys and values of the program. It is dear. Go on? [y/N] ",
    )


@pytest.mark.usefixtures("prompt")
@pytest.mark.parametrize("answer", ["\n", "n\n", "", "yesterday\n"])
def test_anything_else_at_the_prompt_is_a_no(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty line, the end of the input, another word: nothing is shown."""
    monkeypatch.setattr(sys, "stdin", Terminal(answer))

    with pytest.raises(ValuesNotAllowed, match=r"^Finding.entries\(\) would show keys .*, and that was refused\."):
        allowed("Finding.entries()", None)


def test_a_terminal_alone_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that was started in a terminal has one, and must not wait there for an answer."""
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))

    with pytest.raises(ValuesNotAllowed, match="there is nobody to ask"):
        allowed("Finding.entries()", None)


@pytest.mark.usefixtures("prompt")
def test_a_thread_is_not_at_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed is the main thread's, whoever else wants to read it."""
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    said: list[bool] = []
    thread = threading.Thread(target=lambda: said.append(is_somebody_there()))
    thread.start()
    thread.join()

    assert (said, is_somebody_there()) == ([False], True)


@pytest.mark.parametrize("show_values", ["no", "yes", 1, 0, []])
def test_leave_is_said_in_no_other_words(show_values: Any) -> None:
    """A text such as ``no`` is true to Python, and must not be taken for leave."""
    with pytest.raises(BadOption, match="True, False or None"):
        allowed("Finding.entries()", show_values)


@pytest.mark.usefixtures("prompt")
@pytest.mark.parametrize("stdin", [None, io.StringIO("y\n")])
def test_nobody_is_asked_where_nobody_sits(stdin: io.StringIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service has no terminal: what was not allowed is refused."""
    monkeypatch.setattr(sys, "stdin", stdin)

    with pytest.raises(ValuesNotAllowed, match="there is nobody to ask"):
        allowed("Finding.entries()", None)


def test_a_closed_input_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon closes its standard input."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed)

    with pytest.raises(ValuesNotAllowed):
        allowed("Finding.entries()", None)


def test_what_was_said_in_the_call_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """True is leave and False a refusal, whoever sits at the terminal."""
    monkeypatch.setattr(sys, "stdin", None)
    allowed("Finding.entries()", show_values=True)

    with pytest.raises(ValuesNotAllowed, match="that was refused"):
        allowed("Finding.entries()", show_values=False)
