"""Completion as the shells do it: of commands, options, choices and files, from scripts that are never stale."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leakdiff.cli import main
from leakdiff.completions import SHELLS, script_of

ROOT = Path(__file__).resolve().parent.parent
CASES = [
    ("leakdiff ch", ["check"]),
    ("leakdiff --quiet ch", ["check"]),
    ("leakdiff check --ro", ["--rounds"]),
    ("leakdiff store ", ["export", "info", "prune"]),
    ("leakdiff store pr", ["prune"]),
    ("leakdiff store prune --max-b", ["--max-bytes"]),
    ("leakdiff trend leaks.db --by ", ["instance", "path", "version"]),
    ("leakdiff soak --load b", ["burst"]),
    ("leakdiff cause pending-t", ["pending-task", "pending-timer"]),
    ("leakdiff selftest dict_by", ["dict_by_request_id"]),
    ("leakdiff completion f", ["fish"]),
    ("leakdiff check wo", ["work.py"]),
    ("leakdiff show bef", ["before.json"]),
    ("leakdiff check work.py --json bef", ["before.json"]),
]
IDS = [typed for typed, _ in CASES]


def needs(shell: str) -> None:
    """Skip where a shell is not installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: apt-get install {shell}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files to complete."""
    for name in ("work.py", "words.txt", "before.json"):
        (tmp_path / name).touch()
    return tmp_path


def run(folder: Path, *command: str) -> str:
    """Return what a command prints; it must end well and say nothing else."""
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As it ships, for ``eval`` or a file; it says how to make it anew, and names no folder of the machine."""
    status = main(["completion", shell])
    text = capsys.readouterr().out

    assert status == 0
    assert text == script_of(shell).read_text("utf-8")
    assert str(Path.home()) not in text


def test_the_scripts_are_those_of_the_parser() -> None:
    """``make completions`` would write the same."""
    if importlib.util.find_spec("shtab") is None:
        pytest.skip("shtab, which writes the scripts, is not installed: pip install --group test")
    made = subprocess.run(
        [sys.executable, str(ROOT / "scripts/make-completions"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (made.returncode, made.stderr) == (0, "")


def test_bash_completes(folder: Path) -> None:
    """All cases in one bash, by the function that Tab calls."""
    needs("bash")
    script = f'source "{script_of("bash")}"; shopt -u progcomp_alias\n'
    for typed, _ in CASES:
        words = " ".join(f"'{word}'" for word in typed.split(" "))
        script += f"COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); _shtab_leakdiff; "
        script += 'echo "${COMPREPLY[*]}"\n'
    offered = run(folder, "bash", "--norc", "-c", f"compopt() {{ :; }}; {script}").split("\n")

    assert {typed: sorted(line.split()) for (typed, _), line in zip(CASES, offered, strict=False)} == dict(CASES)


def test_bash_has_it_by_eval() -> None:
    """What the help says works: the function is there and belongs to the command."""
    needs("bash")
    line = f'eval "$("{sys.executable}" -m leakdiff completion bash)"; complete -p leakdiff'

    assert run(ROOT, "bash", "--norc", "-c", line) == "complete -o bashdefault -F _shtab_leakdiff leakdiff\n"


def test_fish_completes(folder: Path) -> None:
    """All cases in one fish, as its own ``complete -C`` has it."""
    needs("fish")
    asked = "".join(f"complete -C '{typed}'; echo ==; " for typed, _ in CASES)
    said = run(folder, "fish", "--no-config", "-c", f"source {script_of('fish')}; {asked}").split("==\n")
    offered = [sorted(line.partition("\t")[0] for line in part.splitlines()) for part in said]

    assert {typed: words for (typed, _), words in zip(CASES, offered, strict=False)} == dict(CASES)


def test_zsh_completes(folder: Path) -> None:
    """The cases with one answer, typed into a zsh with Tab."""
    pexpect = pytest.importorskip("pexpect", reason="pexpect is not installed: pip install pexpect")
    needs("zsh")
    run(folder, "zsh", "-n", str(script_of("zsh")))
    child = pexpect.spawn("zsh", ["-f", "-i"], cwd=str(folder), encoding="utf-8", timeout=20, dimensions=(40, 200))
    child.sendline("PS1= PROMPT= RPROMPT=; unsetopt zle_bracketed_paste prompt_sp; autoload -Uz compinit")
    child.sendline(
        f'compinit -u -D; eval "$(<\'{script_of("zsh")}\')"; bindkey -e; leakdiff() {{ print -r -- "<$*>" }}'
    )
    child.sendline("print READ''Y")
    child.expect("READY")
    typed = [(words, answers[0]) for words, answers in CASES if len(answers) == 1]
    completed = []
    for words, _ in typed:
        child.send(f"{words}\t\n")
        child.expect(r"<(.*?)>\r\n")
        completed.append(child.match.group(1).split()[-1])
    child.close(force=True)

    assert completed == [answer for _, answer in typed]
