"""What people type and read: plain prompts old and new, IPython, a notebook, and places without a terminal.

Prompts are driven through a pseudo-terminal. Each session is asked several things, as starting one is what costs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import leakdiff

pexpect = pytest.importorskip("pexpect", reason="pexpect is not installed: pip install pexpect")

SECONDS = 60
_SOURCE = str(Path(leakdiff.__file__).resolve().parent.parent)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x1b\][^\x07]*\x07|[\x00-\x08\x0e-\x1f]")
_APP = """
class Result:
    def __init__(self, number):
        self.rid = f"req-{number:08x}"

_inflight = {}

def step():
    result = Result(len(_inflight))
    _inflight[result.rid] = result
"""
_CHECK = "report = leakdiff.check(app.step, rounds=3, units=29, patience=0.1)"
_CLAIM = r"app\._inflight grows by 1\.00 entries per unit, \d+ B each, never shrinks"
_REPORT = rf"<Report LEAK, 1 finding, \d+ rounds: {_CLAIM}>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a program that leaks."""
    (tmp_path / "app.py").write_text(_APP, encoding="utf-8")
    return tmp_path


def _environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONHASHSEED") if name in os.environ}
    settings = {"PYTHONPATH": _SOURCE, "TERM": "xterm", "LANG": "C.UTF-8", "IPYTHONDIR": str(folder), "PS1": ""}
    return {**kept, **settings, "HOME": str(folder), **more}


class Prompt:
    """A prompt in a pseudo-terminal: ask it a line, get what it shows."""

    def __init__(self, child: Any, prompt: str) -> None:
        self._child, self._prompt = child, prompt
        child.expect(prompt)

    def ask(self, line: str) -> str:
        """Type a line and return what is shown before the next prompt, without the line itself and without colours."""
        self._child.sendline(line)
        self._child.expect(self._prompt)
        return self._said().partition("\n")[2].strip()

    def ask_redrawn(self, line: str) -> str:
        """Type a line at a prompt that draws what is typed again and again; return all that came until the answer."""
        self._child.send(f"{line}\r")
        self._child.send("print('the', 'end')\r")
        self._child.expect("the end\r\n")
        return self._said()

    def answer(self, line: str, question: str, answer: str) -> str:
        """Type a line that asks something, and answer that."""
        self._child.sendline(line)
        self._child.expect(re.escape(question))
        return self.ask(answer)

    def complete(self, line: str, expected: str) -> None:
        """Type the start of a line and two tabulators, wait for a text, and clear the line."""
        self._child.send(f"{line}\t\t")
        self._child.expect(re.escape(expected))
        self._child.sendcontrol("c")
        self._child.expect(self._prompt)

    def _said(self) -> str:
        return _ESCAPES.sub("", self._child.before).replace("\r", "")


@contextmanager
def _prompt(folder: Path, command: str, *arguments: str, prompt: str = ">>> ", **more: str) -> Iterator[Prompt]:
    child = pexpect.spawn(
        command,
        list(arguments),
        cwd=str(folder),
        env=_environment(folder, **more),
        encoding="utf-8",
        codec_errors="replace",
        timeout=SECONDS,
        dimensions=(50, 200),
    )
    try:
        yield Prompt(child, prompt)
    finally:
        child.close(force=True)


# -- plain prompts ---------------------------------------------------------------------------------


def test_verbs_chain_at_a_plain_prompt(folder: Path) -> None:
    """One line each, texts that show themselves, and a question before values are shown."""
    with _prompt(folder, sys.executable, "-q", PYTHON_BASIC_REPL="1") as prompt:
        prompt.ask("import leakdiff, app")
        prompt.ask(_CHECK)

        assert re.fullmatch(_REPORT, prompt.ask("report"))
        assert prompt.ask("report.top()") == f"<Findings 1: LEAK app._inflight [{_fingerprint(prompt)}]>"
        assert prompt.ask("report.findings[0].path") == (
            "(<Step app: module>, <Step ._inflight: dict>, <Step [*]: app.Result>)"
        )
        assert "  path   module app ─ _inflight ─ [*] ─ app.Result" in prompt.ask("report.findings[0].why()")
        assert "app._inflight" in prompt.ask("report.findings[0].draw()")
        assert prompt.ask("report.findings['3f9a2c']").endswith(
            "no finding is called '3f9a2c': none of 1 is near. names() lists them all, like(text) finds parts of names."
        )
        assert prompt.ask("len(dir(leakdiff)) == len(leakdiff.__all__)") == "True"

        prompt.ask("app.Result(1)")

        assert "  also   the prompt keeps it in builtins._" in prompt.ask("leakdiff.why_alive(_).why()")


def _fingerprint(prompt: Prompt) -> str:
    return prompt.ask("report.findings[0].fingerprint").strip("'")


def test_values_are_asked_for_at_a_prompt(folder: Path) -> None:
    """Who sits at the terminal says whether keys and values are shown; anything but a yes is a no."""
    with _prompt(folder, sys.executable, "-q", PYTHON_BASIC_REPL="1") as prompt:
        prompt.ask("import leakdiff, app; [app.step() for _ in range(50)]")
        prompt.ask("from leakdiff.entries import entries_of")
        question = "Finding.entries() would show keys and values of the program. Go on? [y/N] "
        shown = prompt.answer("entries_of('app._inflight', 1).why()", question, "y")
        refused = prompt.answer("entries_of('app._inflight', 1)", question, "")

    assert [line.strip() for line in shown.splitlines()] == [
        "the newest 1 of 50 entries of app._inflight, dict",
        "key             value",
        "'req-00000031'  app.Result",
        "rid: 'req-00000031'",
    ]
    assert "ValuesNotAllowed: Finding.entries() would show keys and values of the program" in refused


def test_tab_completes_verbs_at_a_plain_prompt(folder: Path) -> None:
    """The plain prompt completes attributes: of the package, and of results."""
    start = "import readline, rlcompleter; readline.parse_and_bind('tab: complete')"
    with _prompt(folder, sys.executable, "-q", PYTHON_BASIC_REPL="1") as prompt:
        prompt.ask(f"{start}; import leakdiff; from leakdiff.model.diff import Changes; changes = Changes()")
        prompt.complete("leakdiff.watch", "leakdiff.watching(")
        prompt.complete("changes.gr", "owing(")


_NEEDED = ("attr", "attrs", "networkx", "psutil")
_PROBE = "import sys, attrs, networkx, psutil; sys.exit(sys.version_info < (3, 13))"


def _new_python(packages: Path) -> str:
    """Return a Python whose prompt is the new one and that can import what leakdiff needs; skip where there is none."""
    packages.mkdir()
    for name in _NEEDED:  # they have no part that is of one version only
        found = find_spec(name)
        assert found is not None
        (packages / name).symlink_to(Path(str(found.origin)).parent)
    for python in _pythons():
        probe = [python, "-c", _PROBE]
        environment = {**os.environ, "PYTHONPATH": str(packages)}
        if not subprocess.run(probe, env=environment, capture_output=True, check=False, timeout=SECONDS).returncode:
            return python
    pytest.skip("no Python 3.13 or newer was found: put one on the PATH, or install one with pyenv")


def _pythons() -> Iterator[str]:
    yield sys.executable
    yield from filter(None, (shutil.which("python3.13"), shutil.which("python3.14")))
    yield from map(str, (Path.home() / ".pyenv" / "versions").glob("3.1[3-9].*/bin/python"))


def test_the_new_prompt_works_too(folder: Path) -> None:
    """The prompt of 3.13 and newer, which is written in Python and draws its lines anew, shows the same."""
    python = _new_python(folder / "packages")
    path = os.pathsep.join([_SOURCE, str(folder / "packages")])
    with _prompt(folder, python, "-q", prompt=">>>", PYTHONPATH=path) as prompt:
        prompt.ask_redrawn("import leakdiff, app")
        prompt.ask_redrawn(_CHECK)

        assert re.search(_REPORT, prompt.ask_redrawn("report"))
        assert "<Findings 1: LEAK app._inflight [" in prompt.ask_redrawn("report.findings")
        assert "  path   module app ─ _inflight ─ [*] ─ app.Result" in prompt.ask_redrawn("report.why()")
        assert "True" in prompt.ask_redrawn("_.startswith('leakdiff: LEAK  app._inflight')")


def test_a_script_that_ends_in_a_prompt(folder: Path) -> None:
    """``python -i`` leaves the results of a script at hand."""
    (folder / "incident.py").write_text(f"import leakdiff, app\n{_CHECK}\n", encoding="utf-8")
    with _prompt(folder, sys.executable, "-q", "-i", "incident.py", PYTHON_BASIC_REPL="1") as prompt:
        assert re.fullmatch(_REPORT, prompt.ask("report"))
        assert prompt.ask("_ is report") == "True"


# -- IPython and notebooks -------------------------------------------------------------------------


def test_ipython_shows_results_and_completes_names(folder: Path) -> None:
    """A result is one line, a text shows itself, and names complete between brackets."""
    pytest.importorskip("IPython", reason="IPython is not installed: pip install ipython")
    arguments = ("-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor", "--no-confirm-exit")
    with _prompt(folder, sys.executable, *arguments, prompt=r"In \[\d+\]: ") as prompt:
        prompt.ask("%load_ext leakdiff")
        prompt.ask("import app")

        assert re.search(_REPORT, prompt.ask("%leakdiff check app.step --rounds 3 --units 29 --patience 0.1"))
        assert "  path   module app ─ _inflight ─ [*] ─ app.Result" in prompt.ask("_.why()")
        assert "UsageError: %leakdiff nope: there is no such verb" in prompt.ask("%leakdiff nope")


_NOTEBOOK = (
    "%load_ext leakdiff\nimport app",
    "%%leakdiff --rounds 3 --units 29 --patience 0.1\napp.step()",
    "_.findings[0]",
    "_.why()",
    "%%leakdiff --rounds 3 --units 29 --patience 0.1\nimport asyncio\nawait asyncio.sleep(0)\napp.step()",
    "_.findings[0].entries(1)",
)


def test_a_notebook_shows_tables(folder: Path) -> None:
    """Executed by nbclient: results come as one line of text and as a table, also of a cell that awaits."""
    client = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install nbclient ipykernel")
    formats = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install nbformat")
    cells = [formats.v4.new_code_cell(source) for source in _NOTEBOOK]
    notebook = formats.v4.new_notebook(cells=cells)
    runner = client.NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", allow_errors=True)
    runner.execute(cwd=str(folder), env=_environment(folder))
    checked, finding, why, awaited, refused = ([*cell.outputs, None][0] for cell in notebook.cells[1:])

    assert re.fullmatch(_REPORT, checked.data["text/plain"])
    assert "<td" in checked.data["text/html"]
    assert finding.data["text/plain"].startswith("<Finding LEAK  app._inflight grows by 1.00 entries per unit")
    assert "module app ─ _inflight ─ [*] ─ app.Result" in finding.data["text/html"]
    assert "  path   module app ─ _inflight ─ [*] ─ app.Result" in why.data["text/plain"]
    assert re.fullmatch(_REPORT, awaited.data["text/plain"])
    assert refused.ename == "ValuesNotAllowed"


# -- no terminal, old encodings, no colours --------------------------------------------------------

_PRINTS = f"""
import sys, leakdiff, app
{_CHECK}
sys.displayhook(report)
sys.displayhook(report.findings[0].why())
sys.displayhook(report.findings[0].draw())
print(report, report.findings, report.findings[0], sep="\\n")
"""


@pytest.mark.parametrize(
    "settings",
    [
        {"LANG": "C"},
        {"LANG": "C", "NO_COLOR": "1", "COLUMNS": "40"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=["C", "no colour", "ASCII"],
)
def test_results_show_where_no_terminal_is(folder: Path, settings: dict[str, str]) -> None:
    """Into a pipe, in any locale: nothing raises, nothing is coloured, and lines are the same."""
    ended = subprocess.run(
        [sys.executable, "-c", _PRINTS],
        cwd=folder,
        env=_environment(folder, **settings),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    out = ended.stdout.decode()

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert re.search(_REPORT, out)
    assert "\x1b" not in out
    assert re.search(r"  path   module app (─|\\u2500) _inflight (─|\\u2500) \[\*\] (─|\\u2500) app\.Result", out)
    assert "<Findings 1: LEAK app._inflight [" in out
