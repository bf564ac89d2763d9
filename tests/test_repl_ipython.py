"""``%leakdiff`` and ``%%leakdiff`` in a real IPython: one session in a fresh interpreter, and what it answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from fresh import run_fresh

pytest.importorskip("IPython", reason="IPython is not installed: pip install ipython")

_SESSION = """
import asyncio, json, os, signal, sys, tempfile
os.environ["IPYTHONDIR"] = tempfile.mkdtemp()
sys.path.insert(0, os.getcwd())
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

config = Config()
config.HistoryManager.enabled = False
config.InteractiveShell.colors = "NoColor"
shell = InteractiveShell.instance(config=config)

def run(cell):
    with capture_output() as said:
        shell.run_cell(cell, store_history=True)
    return (said.stdout + said.stderr).strip()

async def in_a_loop():
    cell = "await asyncio.sleep(0)\\nkept.append(Kept())"
    return repr(shell.run_cell_magic("leakdiff", "--rounds 3 --units 29 --patience 0.1", cell))

answers = {cell: run(cell) for cell in CELLS}
answers["in a loop"] = asyncio.run(in_a_loop())

async def checked_in_a_loop(verb):
    return repr(shell.run_line_magic("leakdiff", f"check {verb} --rounds 3 --units 29 --patience 0.1"))

answers["a callable in a loop"] = asyncio.run(checked_in_a_loop("awaiting"))
answers["units in a loop"] = asyncio.run(checked_in_a_loop("awaiting_units"))

async def interrupted():
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        return repr(shell.run_cell_magic("leakdiff", "", "await asyncio.sleep(600)"))
    except KeyboardInterrupt:
        return "KeyboardInterrupt"

signal.signal(signal.SIGALRM, signal.default_int_handler)
answers["interrupted"] = asyncio.run(interrupted())
completed = {text: shell.complete(None, text)[1] for text in TEXTS}
run("%unload_ext leakdiff")
left = [run("%leakdiff"), *shell.strdispatchers["complete_command"].strs]
print(json.dumps({"answers": answers, "completed": completed, "left": left}))
"""
_QUICK = "--rounds 3 --units 29 --patience 0.1"
_CELL = f"%%leakdiff {_QUICK}\n"

_CHECK = f"report = %leakdiff check leaking {_QUICK}"
_LENGTH = "report.findings['__main__.kept'].length > 50"
_BOX = f"{_CELL}box = globals().setdefault('box', [])\nbox.append(Kept())"
_PUTS = "print(_.why())"
_AWAITS = f"{_CELL}await asyncio.sleep(0)\nbox.append(Kept())"
_GROWN = "len(box) > 100"
_ALIVE = "[sum(one() is not None for one in held), len(set(Out) - before)]"
_RAISES, _TYPED = f"{_CELL}1 / 0", f"{_CELL}1 /"
_DEEPER = "%leakdiff why failing()"
_BUG = "%leakdiff watch 0.3"
_REFUSED, _CONTEXT = "%leakdiff watch -- -1", "sys.last_value.__context__, type(sys.last_value).__name__"
_OUT = "{found.owner: [str(found.verdict), found.artefact] for found in report.findings}"

_CHECK_TYPING = """
with open(os.devnull, 'w') as nowhere, contextlib.redirect_stdout(nowhere):
    report = leakdiff.check(typing, rounds=3, units=29, patience=0.1)
"""

_WRONG = {
    "%leakdiff nope": (
        "UsageError: %leakdiff nope: there is no such verb; one of watch, snapshot, diff, check, why, owners, help."
    ),
    "%leakdiff diff": (
        "UsageError: %leakdiff diff: there is nothing to compare with; take a %leakdiff snapshot first."
    ),
    "%leakdiff watch soon": "UsageError: %leakdiff watch soon: give a number of seconds.",
    "%leakdiff watch 0": (
        "UsageError: seconds=0.0 cannot work: seconds must be a number above 0 and below 86,400.0. [bad-option]"
    ),
    "%leakdiff check": "UsageError: %leakdiff check: say of what.",
    "%leakdiff check 1/0": "UsageError: %leakdiff check 1/0: ZeroDivisionError: division by zero",
    "%leakdiff why 1/0": "UsageError: %leakdiff why 1/0: ZeroDivisionError: division by zero",
    '%leakdiff why "kept': 'UsageError: %leakdiff why "kept: No closing quotation.',
    "%leakdiff watch 0.2 --rounds 3": "UsageError: %leakdiff watch takes no --rounds: only check does.",
    "%leakdiff diff whatever": "UsageError: %leakdiff diff takes nothing besides, and no whatever.",
    "%leakdiff check nope": "UsageError: %leakdiff check nope: NameError: name 'nope' is not defined",
    "%%leakdiff --units x\nclean()": "UsageError: argument --units: invalid int value: 'x'",
    "%%leakdiff clean\nclean()": (
        "UsageError: %%leakdiff takes options only, and no clean; the cell is what is checked."
    ),
}
_CELLS = (
    "%load_ext leakdiff",
    "import asyncio, contextlib, gc, json, leakdiff, os, weakref",
    "class Kept: pass\nkept = []\ndef leaking(): kept.append(Kept())\ndef clean(): return [1]",
    "async def awaiting(): await asyncio.sleep(0); kept.append(Kept())",
    "async def awaiting_units(units): kept.extend(Kept() for _ in range(units))",
    "def failing(): secret = Kept(); told.append(weakref.ref(secret)); deeper()\ndef deeper(): return 1 / 0",
    "told = []; sys = __import__('sys')",
    *_WRONG,
    "%leakdiff",
    "%leakdiff?",
    _CHECK,
    _LENGTH,
    f"%leakdiff check clean {_QUICK}",
    "%leakdiff snapshot before",
    "taken = _",
    "more = [Kept() for _ in range(50)]",
    "%leakdiff  diff",
    "_.owners.growing()",
    "%leakdiff watch 0.1",
    "%leakdiff owners Kept",
    "%leakdiff why more",
    "%leakdiff why __main__.Kept",
    _BOX,
    _PUTS,
    _AWAITS,
    _GROWN,
    _RAISES,
    _TYPED,
    _DEEPER,
    "import leakdiff.live; watch, leakdiff.live.watch = leakdiff.live.watch, lambda seconds: int('a bug')",
    _BUG,
    "leakdiff.live.watch = watch",
    _REFUSED,
    _CONTEXT,
    "before = set(Out)",
    "report",
    "leakdiff.snapshot()",
    "report.findings[0].entries(3, show_values=True)",
    "report.findings[0].why()",
    "held = [weakref.ref(one) for one in kept + box]; kept.clear(); box.clear(); gc.collect();",
    _ALIVE,
    "def typing(): get_ipython().run_cell('Kept()', store_history=True)",
    _CHECK_TYPING,
    f"print(json.dumps({_OUT}))",
)
_TEXTS = ('report.findings["', 'taken.types["__main__.K', 'taken.owners["__main__.kep', "%leakdiff sn")


@attrs.frozen
class Session:
    """What a session answered.

    Attributes:
        answers: What was shown, by cell.
        completed: What a text was completed to.
        left: What there was after the extension had been taken away.
    """

    answers: Mapping[str, str]
    completed: Mapping[str, list[str]]
    left: list[str]

    def __getitem__(self, cell: str) -> str:
        """Return what a cell answered, without its number."""
        shown = self.answers[cell]
        return shown.partition(": ")[2].strip() if shown.startswith("Out[") else shown


@pytest.fixture(scope="module")
def session() -> Session:
    """Run all cells, once."""
    script = _SESSION.replace("CELLS", json.dumps(_CELLS)).replace("TEXTS", json.dumps(_TEXTS))
    return Session(**run_fresh(script))


def test_a_callable_is_checked(session: Session) -> None:
    """``%leakdiff check`` answers with a report, which has findings by owner."""
    assert session[_CHECK] == ""
    assert session[_LENGTH] == "True"
    assert session["report"].startswith("<Report LEAK, 1 finding, ")
    assert ": __main__.kept grows by 1.00 entries per unit" in session["report"]
    assert session[f"%leakdiff check clean {_QUICK}"].startswith("<Report STABLE, 0 findings, ")


def test_a_process_is_looked_at(session: Session) -> None:
    """``snapshot`` and ``diff`` belong together, ``watch`` stands alone, and all answer in a line."""
    assert session["%leakdiff snapshot before"].startswith("<Snapshot 'before' ")
    assert session["%leakdiff  diff"].startswith("<Diff ")
    assert "__main__.more +50" in session["_.owners.growing()"]
    assert session["%leakdiff watch 0.1"].startswith("<Report ")


def test_who_keeps_what_is_asked_by_name(session: Session) -> None:
    """``why`` and ``owners`` take what is in the namespace, or the name of a class."""
    assert session["%leakdiff owners Kept"].startswith("<InstanceOwners ")
    assert "__main__.kept" in session["%leakdiff owners Kept"]
    assert session["%leakdiff why more"].startswith("<Alive list")
    assert session["%leakdiff why __main__.Kept"].startswith("<Alive __main__.Kept")


def test_a_cell_is_what_is_checked(session: Session) -> None:
    """The cell's code is repeated in the user's namespace, and its lines are found again."""
    assert "<Report LEAK, 1 finding, " in session[_BOX]
    assert "__main__.box grows by 1.00 entries per unit" in session[_BOX]
    assert "put    <ipython-input-" in session[_PUTS]
    assert ":2                        box.append(Kept())" in session[_PUTS]


def test_a_cell_may_await(session: Session) -> None:
    """Awaits of a cell run in one event loop; in another thread where one runs already, as in a notebook."""
    assert "__main__.box grows by 1.00 entries per unit" in session[_AWAITS]
    assert session[_GROWN] == "True"
    assert session["in a loop"].startswith("<Report LEAK, 1 finding, ")
    assert "__main__.kept grows by 1.00 entries per unit" in session["in a loop"]


def test_a_callable_that_awaits_is_checked_where_a_loop_runs(session: Session) -> None:
    """As a cell that awaits is: in another thread; one that takes units is given them."""
    assert "__main__.kept grows by 1.00 entries per unit" in session["a callable in a loop"]
    assert "__main__.kept grows by 1.00 entries per unit" in session["units in a loop"]


def test_what_awaits_is_ended_by_an_interrupt(session: Session) -> None:
    """Ctrl-C reaches the main thread only, and the unit that waits in another is cancelled."""
    assert session["interrupted"].startswith(("<Report INCONCLUSIVE", "KeyboardInterrupt"))


def test_what_an_expression_raises_is_shown_without_our_frames(session: Session) -> None:
    """What the program called is in the traceback; neither leakdiff nor what it uses to evaluate is."""
    shown = session[_DEEPER]

    assert "in deeper()" in shown
    assert "leakdiff" not in shown.partition("UsageError")[0]
    assert "in ev(" not in shown
    assert shown.endswith("UsageError: %leakdiff why failing(): ZeroDivisionError: division by zero")


def test_a_bug_is_not_taken_for_a_wrong_number(session: Session) -> None:
    """What watch itself raises is shown as it is."""
    assert session[_BUG].splitlines()[-1] == "ValueError: invalid literal for int() with base 10: 'a bug'"


def test_a_refusal_keeps_no_frame_of_ours(session: Session) -> None:
    """The prompt keeps the last error, which must not keep another whose frames have the program's objects."""
    assert "[bad-option]" in session[_REFUSED]
    assert session[_CONTEXT] == "(None, 'UsageError')"


@pytest.mark.parametrize("cell", _WRONG)
def test_what_cannot_work_is_a_sentence(cell: str, session: Session) -> None:
    """No traceback of ours is shown, and the slug is."""
    assert session[cell] == _WRONG[cell]


def test_a_cell_that_raises_shows_its_own_traceback(session: Session) -> None:
    """The frames of the cell are shown, none of leakdiff's, and then what it means."""
    raised, said = session[_RAISES], session[_RAISES].splitlines()[-1]

    assert "ZeroDivisionError: division by zero" in raised
    assert "1 / 0" in raised
    assert "workload.py" not in raised
    assert said.startswith("UsageError: step raised ZeroDivisionError in warm-up round 1 of 2, unit 1")
    assert said.endswith("[step-failed]")
    assert "SyntaxError: invalid syntax" in session[_TYPED]
    assert "leakdiff/ipython.py" not in session[_TYPED]


def test_help_says_what_there_is(session: Session) -> None:
    """``%leakdiff`` alone teaches its verbs, and ``%leakdiff?`` its options."""
    assert "%leakdiff watch [SECONDS]     watch live traffic" in session["%leakdiff"]
    assert "--patience PATIENCE   seconds to watch whether an owner stops growing" in session["%leakdiff?"]


def test_it_can_be_taken_away(session: Session) -> None:
    """``%unload_ext`` leaves neither magics nor completion behind."""
    assert session.left[0] == "UsageError: Line magic function `%leakdiff` not found."
    assert "%leakdiff" not in session.left[1:]


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ('taken.types["__main__.K', "__main__.Kept"),
        ('taken.owners["__main__.kep', "__main__.kept"),
        ("%leakdiff sn", "snapshot"),
    ],
)
def test_names_complete(text: str, completed: str, session: Session) -> None:
    """Types by name, owners by path, and the verbs of the magic."""
    assert [found.rpartition('["')[2] for found in session.completed[text]] == [completed]


def test_fingerprints_complete(session: Session) -> None:
    """Findings are completed by fingerprint."""
    found = [text.rpartition('["')[2] for text in session.completed['report.findings["']]

    assert found
    assert all(len(name) == 6 and int(name, 16) >= 0 for name in found)


def test_what_is_kept_in_out_holds_no_object_of_the_program(session: Session) -> None:
    """A report, a snapshot, entries and their text stay in Out for good; what they are about does not."""
    assert session["report.findings[0].entries(3, show_values=True)"].startswith("<Entries 3 of ")
    assert session[_ALIVE] == "[0, 4]"


def test_what_ipython_keeps_is_said_to_be_kept_by_ipython(session: Session) -> None:
    """Results that land in Out, and the names they get, are told with their reason, and nobody else is accused."""
    told: dict[str, Any] = json.loads(session[f"print(json.dumps({_OUT}))"])

    assert told["__main__._oh"] == ["STABLE", "IPython keeps every result in Out, and every input in In"]
    assert told["linecache.cache"] == ["STABLE", "IPython keeps the source of every cell in linecache, for tracebacks"]
    assert "__main__" not in told
    assert {verdict for verdict, _ in told.values()} <= {"STABLE", "CHURN"}
