"""Readers that leave, streams that are closed or full, and Ctrl-C: one sentence at most, and a status that is true."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fresh import write_module
from leakdiff import console
from leakdiff.cli import main

CLEAN, LEAKS, TROUBLE = 0, 1, 2
BASH = shutil.which("bash") or ""
SMALL = "--units 29 --patience 0.05"
LEAKY = """
kept = []


def step():
    kept.append([1])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a workload that leaks."""
    if not BASH:
        pytest.skip("bash is not installed: apt-get install bash")
    write_module(tmp_path, LEAKY, "leaky.py")
    return tmp_path


def bash(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line in bash, in which ``leakdiff`` is the one that is tested, and ``$?`` that of the first to fail."""
    script = f'set -o pipefail; leakdiff() {{ "{sys.executable}" -m leakdiff "$@"; }}; {line}'
    return subprocess.run([BASH, "-c", script], cwd=folder, capture_output=True, text=True, timeout=90, check=False)


READERS = [
    ("leakdiff cause | head -1", CLEAN, "unbounded-module-cache"),
    ("leakdiff cause | true", CLEAN, ""),
    ("leakdiff --help | true", CLEAN, ""),
    ("leakdiff | true", TROUBLE, ""),
    ("leakdiff completion bash | head -1", CLEAN, "# AUTOMATICALLY GENERATED"),
    (f"leakdiff check leaky.py {SMALL} --json - | head -1", LEAKS, "{"),
    (f"leakdiff check leaky.py {SMALL} --json report.json | true", LEAKS, ""),
]


@pytest.mark.parametrize(("line", "status", "shown"), READERS, ids=[line for line, _, _ in READERS])
def test_a_reader_that_leaves_changes_nothing(folder: Path, line: str, status: int, shown: str) -> None:
    """The status is that of what was found, not 141 or 120; nothing is said, and files are written all the same."""
    ended = bash(folder, line)

    assert (ended.returncode, ended.stderr) == (status, "")
    assert ended.stdout.startswith(shown)
    assert (folder / "report.json").is_file() is ("report.json" in line)


FULL = [
    "leakdiff cause > /dev/full",
    "leakdiff --help > /dev/full",
    "leakdiff --version > /dev/full",
    f"leakdiff check leaky.py {SMALL} --json report.json > /dev/full",
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full, a device that is always full")
@pytest.mark.parametrize("line", FULL)
def test_a_full_disk_is_trouble(folder: Path, line: str) -> None:
    """One sentence, and 2: who reads the file must not take it for the whole."""
    ended = bash(folder, line)

    assert ended.returncode == TROUBLE
    assert ended.stderr == "leakdiff: the report could not be printed: No space left on device. [cannot-write]\n"
    assert (folder / "report.json").is_file() is ("report.json" in line)


CHATTY = """
import atexit

print("on import")
atexit.register(print, "at the end")
kept = []


def __getattr__(name):
    print("asked for", name)
    raise AttributeError(name)


def {name}():
    print("in a unit")
    kept.append([1])
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("step", f"leakdiff check chatty.py {SMALL} --json -"),
        ("scenarios", "leakdiff soak chatty.py --units 100 --json -"),
    ],
    ids=["check", "soak"],
)
def test_standard_output_is_json_and_nothing_else(folder: Path, name: str, line: str) -> None:
    """Whatever the program prints: while it is imported, asked and run, and when the process ends."""
    source = CHATTY.format(name=name) + ("    return [lambda: print('served')]\n" if name == "scenarios" else "")
    write_module(folder, source, "chatty.py")
    ended = bash(folder, line)

    assert json.loads(ended.stdout)["format"] == 1
    assert {"on import", "asked for setup", "in a unit", "at the end"} <= set(ended.stderr.splitlines())


def test_a_standard_input_that_cannot_be_read_is_told(folder: Path) -> None:
    """It is what cannot be read, and nothing else is to blame."""
    closed, wrong = bash(folder, "leakdiff render - <&-"), bash(folder, "leakdiff render - 0>/dev/null")
    todo = "Pipe a report into it, or name a file. [cannot-read]\n"

    assert (closed.returncode, closed.stdout, wrong.returncode, wrong.stdout) == (TROUBLE, "", TROUBLE, "")
    assert closed.stderr == f"leakdiff: standard input cannot be read: it is closed. {todo}"
    assert wrong.stderr == f"leakdiff: standard input cannot be read: bad file descriptor. {todo}"


def test_a_standard_output_that_is_closed_is_trouble_before_anything_runs(folder: Path) -> None:
    """Nobody would see the report, and the first file that is opened would take its place."""
    ended = bash(folder, f"leakdiff check leaky.py {SMALL} >&-")

    assert (ended.returncode, ended.stdout) == (TROUBLE, "")
    assert ended.stderr == ("leakdiff: the report could not be printed: standard output is closed. [cannot-write]\n")


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_a_standard_error_that_takes_nothing_is_no_trouble(folder: Path, where: str) -> None:
    """What stands beside the result is lost; the result and its status are not, and nothing gets mixed into it."""
    if where.endswith("full") and not Path("/dev/full").exists():
        pytest.skip("only Linux has /dev/full, a device that is always full")
    clean = bash(folder, f"leakdiff cause --verbose {where} | head -1")
    wrong = bash(folder, f"leakdiff check missing.py {where}")

    assert (clean.returncode, clean.stdout[:12]) == (CLEAN, "unbounded-mo")
    assert (wrong.returncode, wrong.stdout) == (TROUBLE, "")


def test_a_stream_that_is_no_file_can_be_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a test runner that captures what is printed."""

    class Leaving:
        encoding = "utf-8"

        def write(self, text: str) -> int:
            raise BrokenPipeError(len(text))

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Leaving())
    console.tell("something")
    console.emit("something\n")

    assert main(["cause"]) == CLEAN


# -- Ctrl-C ----------------------------------------------------------------------------------------

SLOW_IMPORT = """\
import signal, sys, time


class Waiting:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            print("ready", file=sys.stderr, flush=True)
            time.sleep(600)


sys.meta_path.insert(0, Waiting())
sys.argv = ["leakdiff", *{arguments!r}]
from leakdiff.__main__ import main

sys.exit(main())
"""


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("argparse", ["cause"]),
        ("leakdiff.cli", ["cause"]),
        ("leakdiff.judge.causes", ["cause"]),
        ("leakdiff.live", ["diff", "a", "b"]),
        ("leakdiff.selftest", ["selftest"]),
    ],
)
def test_ctrl_c_is_one_sentence_whenever_it_comes(tmp_path: Path, name: str, arguments: list[str]) -> None:
    """While the command line itself is being imported, and while a command begins its work."""
    script = write_module(tmp_path, SLOW_IMPORT.format(name=name, arguments=arguments), "script.py")
    status, out, err = interrupted(tmp_path, str(script))

    assert (status, out) == (TROUBLE, "")
    assert err == "leakdiff: interrupted before there was a result\n"


AT_EXIT = """
import atexit, sys, time

step = lambda: None


def wait():
    print("ready", file=sys.stderr, flush=True)
    time.sleep(600)


atexit.register(wait)
"""


def test_ctrl_c_at_the_very_end_is_silent(tmp_path: Path) -> None:
    """What a program does when it ends can be cut short; the interpreter does not complain of it."""
    write_module(tmp_path, AT_EXIT)
    status, out, err = interrupted(tmp_path, "-m", "leakdiff", "check", "app.py")

    assert (status, err) == (-signal.SIGINT, "")
    assert out.startswith("leakdiff: STABLE")


def interrupted(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run Python, press Ctrl-C once it says that it is ready, and return how it ended and what it printed."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed,  # noqa: PLW1509
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "ready\n"
            time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    return process.returncode, out, err


def heed() -> None:
    """Undo what a shell does to its background jobs, which ignore Ctrl-C, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_the_installed_command_is_the_same() -> None:
    """What the package installs as ``leakdiff`` is what these tests run."""
    command = Path(sys.executable).with_name("leakdiff")
    if not command.exists():
        pytest.skip(f"leakdiff is not installed as a command beside {Path(sys.executable).name}: pip install -e .")
    ended = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=30, check=False)
    module = subprocess.run(
        [sys.executable, "-m", "leakdiff", "--version"], capture_output=True, text=True, timeout=30, check=False
    )

    assert (ended.returncode, ended.stdout) == (module.returncode, module.stdout)
