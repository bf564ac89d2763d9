"""``%leakdiff`` and ``%%leakdiff`` in a real IPython, each session in a fresh interpreter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fresh import run_fresh

pytest.importorskip("IPython", reason="IPython is not installed: pip install ipython")

_SESSION = '''
import json, os, sys, tempfile
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

run("%load_ext leakdiff")
run("import leakdiff, asyncio, gc, weakref")
run("""
class Kept: pass
kept = []
def leaking():
    kept.append(Kept())
def clean():
    return [1]
""")
answers = [run(cell) for cell in CELLS]
print(json.dumps(answers))
'''
_QUICK = "--rounds 3 --units 29 --patience 0.1"


def _session(*cells: str, then: str = "") -> Any:
    return run_fresh(_SESSION.replace("CELLS", json.dumps(cells)) + then)


def test_the_magics_return_what_the_functions_return() -> None:
    """Each verb answers with a value that shows itself in a line, and ``_`` goes on from there."""
    said = _session(
        f"%leakdiff check leaking {_QUICK}",
        "_.findings['__main__.kept'].length > 100",
        "%leakdiff snapshot",
        "more = [Kept() for _ in range(50)]",
        "%leakdiff diff",
        "_.owners.growing()",
        "%leakdiff watch 0.2",
        "%leakdiff owners Kept",
        "%leakdiff why more",
        "%leakdiff why __main__.Kept",
        f"%leakdiff check clean {_QUICK}",
    )

    assert said[0].startswith("Out[4]: <Report LEAK, 1 finding(s), ")
    assert said[0].endswith(": __main__.kept grows by 1.00 entries per unit, 64 B each, never shrinks>")
    assert said[1] == "Out[5]: True"
    assert said[2].startswith("Out[6]: <Snapshot ")
    assert said[4].startswith("Out[8]: <Diff ")
    assert said[5].startswith("Out[9]: <Changes ")
    assert "__main__.more +50" in said[5]
    assert said[6].startswith("Out[10]: <Report ")
    assert said[7].startswith("Out[11]: <InstanceOwners ")
    assert "__main__.kept" in said[7]
    assert said[8].startswith("Out[12]: <Alive ")
    assert said[9].startswith("Out[13]: <Alive __main__.Kept")
    assert said[10].startswith("Out[14]: <Report STABLE, 0 finding(s), ")


def test_a_cell_is_what_is_checked() -> None:
    """The cell's code is repeated in the user's namespace, awaits and all, and its lines are found again."""
    said = _session(
        f"%%leakdiff {_QUICK}\nbox = globals().setdefault('box', [])\nbox.append(Kept())",
        "_.why()",
        f"%%leakdiff {_QUICK}\nawait asyncio.sleep(0)\nbox.append(Kept())",
        "len(box) > 200",
    )

    assert "<Report LEAK, 1 finding(s), " in said[0]
    assert "__main__.box grows by 1.00 entries per unit, 64 B each" in said[0]
    assert "put    <ipython-input-4-" in said[1]
    assert ":2                        box.append(Kept())" in said[1]
    assert "__main__.box grows by 1.00 entries per unit, 64 B each" in said[2]
    assert said[3] == "Out[7]: True"


def test_a_cell_with_awaits_is_checked_where_a_loop_runs() -> None:
    """A notebook runs cells in an event loop: what the cell awaits runs in another thread then."""
    said = _session(
        then=f"""
import asyncio

async def kernel():
    return shell.run_cell_magic("leakdiff", "{_QUICK}", "await asyncio.sleep(0)\\nkept.append(Kept())")

print(json.dumps(repr(asyncio.run(kernel()))))
"""
    )

    assert said.startswith("<Report LEAK, 1 finding(s), ")
    assert "__main__.kept grows by 1.00 entries per unit" in said


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%leakdiff nope", "UsageError: %leakdiff nope: there is no such verb; one of watch, snapshot, diff, check, why, "
         "owners, help."),
        ("%leakdiff diff", "UsageError: %leakdiff diff: there is nothing to compare with; take a %leakdiff snapshot "
         "first."),
        ("%leakdiff watch soon", "UsageError: %leakdiff watch soon: give a number of seconds."),
        ("%leakdiff watch 0", "UsageError: seconds=0.0 cannot work: seconds must be a number above 0 and below 86,400.0. "
         "[bad-option]"),
        ("%leakdiff check", "UsageError: %leakdiff check: say of what."),
        ("%leakdiff check nope", "UsageError: %leakdiff check nope: NameError: name 'nope' is not defined"),
        ("%%leakdiff --units x\nclean()", "UsageError: argument --units: invalid int value: 'x'"),
        ("%%leakdiff clean\nclean()", "UsageError: %%leakdiff takes options only, and no clean; the cell is what is "
         "checked."),
    ],
)  # fmt: skip
def test_what_cannot_work_is_a_sentence(cell: str, message: str, sentences: dict[str, str]) -> None:
    """No traceback of ours is shown, and the slug is."""
    assert sentences[cell] == message


@pytest.fixture(scope="module")
def sentences() -> dict[str, str]:
    """Ask everything that cannot work in one session."""
    marks = test_what_cannot_work_is_a_sentence.pytestmark  # type: ignore[attr-defined]
    cells = [cell for cell, _ in marks[0].args[1]]
    return dict(zip(cells, _session(*cells), strict=True))


def test_a_step_that_raises_shows_its_own_traceback() -> None:
    """The frames of the cell are shown, none of leakdiff's, and then what it means."""
    raised, typed = _session(f"%%leakdiff {_QUICK}\n1 / 0", f"%%leakdiff {_QUICK}\n1 /")

    assert "ZeroDivisionError: division by zero" in raised
    assert "1 / 0" in raised
    assert "workload.py" not in raised
    assert raised.splitlines()[-1].startswith(
        "UsageError: step raised ZeroDivisionError in warm-up round 1 of 2, unit 1"
    )
    assert raised.endswith("[step-failed]")
    assert "SyntaxError: invalid syntax" in typed
    assert "leakdiff/ipython.py" not in typed


def test_help_says_what_there_is() -> None:
    """``%leakdiff`` alone teaches its verbs, and ``%leakdiff?`` its options."""
    said, options = _session("%leakdiff", "%leakdiff?")

    assert "%leakdiff watch [SECONDS]     watch live traffic" in said
    assert "--patience PATIENCE   seconds to watch whether an owner stops growing" in options


def test_it_can_be_taken_away() -> None:
    """``%unload_ext`` leaves neither magics nor completion behind."""
    said = _session(
        "%unload_ext leakdiff",
        "%leakdiff",
        then="print(json.dumps([answers[1], list(shell.strdispatchers['complete_command'].strs)]))",
    )

    assert said[0].startswith("UsageError: Line magic function `%leakdiff` not found.")
    assert "%leakdiff" not in said[1]


def test_names_complete() -> None:
    """Findings by fingerprint, owners by path, types by name, and the verbs of the magic."""
    said = _session(
        "report = leakdiff.check(leaking, rounds=3, units=29, patience=0.1)\nbefore = leakdiff.snapshot()",
        then="""
texts = ['report.findings["', 'before.types["__main__.K', 'before.owners["__main__.kep', "%leakdiff w"]
print(json.dumps([shell.complete(None, text)[1] for text in texts]))
""",
    )

    assert len(said[0]) == 1
    assert said[1:3] == [['before.types["__main__.Kept'], ['before.owners["__main__.kept']]
    assert said[3] == ["watch", "why"] or said[3] == ["watch"]


def test_what_is_kept_in_out_holds_no_object_of_the_program() -> None:
    """A report, a snapshot and entries stay in Out for good; what they are about does not."""
    said = _session(
        f"%leakdiff check leaking {_QUICK}",
        "leakdiff.snapshot()",
        "_4.findings[0].entries(3, show_values=True)",
        "_4.findings[0].why()",
        "held = [weakref.ref(one) for one in kept]; kept.clear(); gc.collect();",
        "[sum(one() is not None for one in held), sorted(set(Out) & {4, 5, 6, 7})]",
    )

    assert said[-1] == "Out[9]: [0, [4, 5, 6, 7]]"


def test_what_ipython_keeps_is_said_to_be_kept_by_ipython() -> None:
    """Results that land in Out, and the names they get, are told with their reason, and nobody else is accused."""
    said = _session(
        "def typing(): get_ipython().run_cell('Kept();', store_history=True); get_ipython().run_cell('Kept()', "
        "store_history=True)",
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()): report = leakdiff.check(typing, "
        "rounds=3, units=29, patience=0.1)",
        "print({found.owner: (str(found.verdict), found.artefact) for found in report.findings})",
    )
    told = eval(said[-1])  # noqa: S307 - a dict of texts that we printed

    assert told["__main__._oh"] == ("STABLE", "IPython keeps every result in Out, and every input in In")
    assert {verdict for verdict, _ in told.values()} <= {"STABLE", "CHURN"}
