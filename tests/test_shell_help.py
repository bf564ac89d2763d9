"""Help that teaches: what to type, what it does, and one sentence where a command line is wrong."""

from __future__ import annotations

import itertools
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from fresh import write_module
from leakdiff.cli import main, make_parser
from leakdiff.command_parser import Parser
from leakdiff.completions import SHELLS
from leakdiff.knobs import KNOBS
from leakdiff.live import TABLES
from leakdiff.options import DEFAULTS
from leakdiff.reports import FORMATS
from leakdiff.store.sqlite import open_store
from snapshots import cheap, snapshot

CLEAN, LEAKS, TROUBLE = 0, 1, 2
BASH = shutil.which("bash") or ""
DOCS = Path(__file__).resolve().parent.parent / "docs"


PARSERS = list(make_parser().below())
COMMANDS = [each.prog for each in PARSERS]


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the help of a command, which ends with 0."""
    assert main([*command.split()[1:], "--help"]) == CLEAN
    return capsys.readouterr().out


# -- where to start --------------------------------------------------------------------------------


def test_nothing_typed_shows_where_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    """Three lines to copy; nothing was checked, so the status is not that of what is clean."""
    status = main([])
    printed = capsys.readouterr()

    assert (status, printed.err) == (TROUBLE, "")
    assert printed.out == (
        "leakdiff says whether a Python process leaks, what grows, and who holds it.\n"
        "\n"
        "  leakdiff demo             see it find the leaks of a small service\n"
        "  leakdiff check work.py    repeat step() of your work.py, and say what leaks\n"
        "  leakdiff --help           all commands, each with an example\n"
    )


def test_the_help_has_the_commands_by_question(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it leaks, what grew, who holds it: each command stands under its question, above an example."""
    monkeypatch.setenv("COLUMNS", "80")
    text = help_of("leakdiff", capsys)

    assert text.startswith(
        "usage: leakdiff [OPTION ...] COMMAND ...\n"
        "\n"
        "Says whether a Python process leaks, what grows, and who holds it.\n"
        "\n"
        "Is it leaking? Repeat the work:\n"
        "  check       repeat a step and report what leaks\n"
        "              leakdiff check work.py\n"
    )
    assert "\nWhat grew? Read what a living process kept:\n  trend       say whether" in text
    assert "\nWho holds it, and what mends it?\n  cause       explain a cause" in text


def test_every_command_stands_in_the_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with a line of its own and an example under it."""
    monkeypatch.setenv("COLUMNS", "100")
    lines = help_of("leakdiff", capsys).splitlines()
    pairs = itertools.pairwise(lines)
    shown = {line.split()[0]: under for line, under in pairs if line.startswith("  ") and line[2:3].isalpha()}

    assert [name for name in shown if f"leakdiff {name}" not in shown[name]] == []
    assert sorted(shown) == sorted(prog.split()[1] for prog in COMMANDS if len(prog.split()) == 2)


# -- each command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What it does, examples with what they do, what its exit statuses mean, and a page that is there."""
    text = help_of(command, capsys)
    page = text.rpartition("More: ")[2].partition(" in the documentation.")[0]

    assert text.startswith(f"usage: {command} [OPTION ...]")
    assert 2 <= text.partition("\nexamples:\n")[2].count("\n  leakdiff ") + text.count("\nexamples:\n  ") <= 5
    assert "\nExit status: 0 " in text
    assert (DOCS / f"{page}.md").is_file() or (DOCS / page).is_dir(), page


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("command", ["leakdiff", *COMMANDS])
def test_the_help_fits_the_terminal(
    command: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider than the terminal, but an example: that is to be copied in one piece."""
    monkeypatch.setenv("COLUMNS", str(columns))
    text = help_of(command, capsys)
    examples = {command for parser in PARSERS for command, _ in parser.examples}
    wide = [line for line in text.splitlines() if len(line) > columns and line.strip() not in examples]

    assert wide == []


@pytest.mark.parametrize(("given", "width"), [("7", 40), ("900", 200), ("many", 80), ("", 80)])
def test_a_width_that_is_none_is_not_taken_at_its_word(
    given: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below 40 columns, above 200 and without a number there is a width that can be read."""
    monkeypatch.setenv("COLUMNS", given)
    odd = help_of("leakdiff check", capsys)
    monkeypatch.setenv("COLUMNS", str(width))

    assert odd == help_of("leakdiff check", capsys)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the examples name: a workload, scenarios, snapshots, a store and a report."""
    monkeypatch.chdir(tmp_path)
    write_module(tmp_path, "kept = []\n\n\ndef step():\n    kept.append([1])\n", "leaky.py")
    write_module(tmp_path, "def step():\n    pass\n\n\nhandle = step\n", "work.py")
    write_module(
        tmp_path, "import leakdiff\n\nscenarios = [leakdiff.Scenario(lambda: None, name='n')]\n", "scenarios.py"
    )
    snapshot(owners={"app._inflight": (100, 20_000)}).save("before.json")
    snapshot(at=3_600.0, owners={"app._inflight": (900, 180_000)}).save("after.json")
    opened = open_store(tmp_path / "leaks.db")
    opened.add(cheap(at=0.0))
    opened.close()
    (tmp_path / ".zfunc").mkdir()
    (tmp_path / ".config/fish/completions").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


SLOW = ("leakdiff soak", "leakdiff selftest", "leakdiff demo")  # tens of seconds; parsed, not run
EXAMPLES = [pytest.param(each, id=each.prog.replace(" ", "-")) for each in PARSERS if each.prog not in SLOW]


@pytest.mark.skipif(not BASH, reason="bash is not installed: apt-get install bash")
@pytest.mark.parametrize("parser", EXAMPLES)
def test_the_examples_work_as_typed(parser: Parser, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a folder that has the files they name, a shell runs each; what it says is no trouble with the command."""
    if parser.prog == "leakdiff render":
        pytest.importorskip("jinja2", reason="jinja2 is not installed: pip install 'leakdiff[html]'")
        run(desk, "leakdiff check leaky.py --units 29 --patience 0.05 --json report.json")
    for command, _ in parser.examples:
        is_plain = parser.prog != "leakdiff check" and not set("|>$") & set(command)
        ended = here(command, capsys) if is_plain else run(desk, command)

        assert "Traceback" not in ended.stderr, command
        assert "]\n" not in ended.stderr, command
        assert ended.returncode in (CLEAN, LEAKS) or "INCONCLUSIVE" in ended.stdout, command


@pytest.mark.parametrize("prog", SLOW)
def test_the_examples_that_take_long_are_understood(prog: str) -> None:
    """Their options and arguments are known."""
    examples = next(parser for parser in PARSERS if parser.prog == prog).examples

    for command, _ in examples:
        assert callable(make_parser().parse_args(command.split()[1:]).run)


def here(command: str, capsys: pytest.CaptureFixture[str]) -> subprocess.CompletedProcess[str]:
    """Run a command that needs no shell in this process, which is quicker."""
    status = main(shlex.split(command)[1:])
    return subprocess.CompletedProcess(command, status, *capsys.readouterr())


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell in which ``leakdiff`` is the one that is tested."""
    line = f'leakdiff() {{ "{sys.executable}" -m leakdiff "$@"; }}; {command}'
    return subprocess.run([BASH, "-c", line], cwd=folder, capture_output=True, text=True, timeout=90, check=False)


# -- what is late stays true -----------------------------------------------------------------------


def test_what_the_parser_says_early_is_what_is_there_late() -> None:
    """Names that stand in the parser so that it need not import what is heavy are those of what is heavy."""
    choices = {
        (parser.prog, argument.dest): tuple(argument.choices)
        for parser in PARSERS
        for argument in parser.arguments
        if argument.choices is not None and not isinstance(argument.choices, dict)
    }

    assert choices == {
        ("leakdiff trend", "by"): TABLES,
        ("leakdiff render", "to"): tuple(FORMATS),
        ("leakdiff completion", "shell"): SHELLS,
    }
    assert {name: knob.default for name, knob in KNOBS.items()} == attrs.asdict(DEFAULTS)


# -- what is wrong ---------------------------------------------------------------------------------

WRONG = [
    ("chekc", "The command 'chekc' cannot be used: leakdiff has none of that name. Did you mean leakdiff check?"),
    ("zzz", "The command 'zzz' cannot be used: leakdiff has none of that name. See leakdiff --help."),
    (
        "store inof leaks.db",
        "The command 'inof' cannot be used: leakdiff store has none of that name. Did you mean leakdiff store info?",
    ),
    (
        "check work.py --ruonds=7",
        "The option --ruonds cannot be used: leakdiff check has none of that name. Did you mean --rounds?",
    ),
    (
        "check work.py --round 7",
        "The option --round cannot be used: leakdiff check has none of that name. Did you mean --rounds?",
    ),
    (
        "trend leaks.db --by verison",
        "--by 'verison' cannot be used: it is not one of version, instance, path. Did you mean version?",
    ),
    (
        "completion tcsh",
        "SHELL 'tcsh' cannot be used: it is not one of bash, zsh, fish. See leakdiff completion --help.",
    ),
    (
        "check",
        (
            "leakdiff check cannot run like this: the following arguments are required: FILE.py[:CALLABLE]. "
            "See leakdiff check --help."
        ),
    ),
    (
        "show one two",
        "The argument 'two' cannot be used: leakdiff show takes no more of them. See leakdiff show --help.",
    ),
    (
        "demo -q -v",
        (
            "leakdiff demo cannot run like this: argument -v/--verbose: not allowed with argument -q/--quiet. "
            "See leakdiff demo --help."
        ),
    ),
]


@pytest.mark.parametrize(("typed", "sentence"), WRONG, ids=[typed for typed, _ in WRONG])
def test_a_wrong_command_line_gets_one_sentence(typed: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong, and what was probably meant; nothing on standard output, and status 2."""
    status = main(typed.split())
    printed = capsys.readouterr()

    assert (status, printed.out) == (TROUBLE, "")
    assert printed.err == f"leakdiff: {sentence} [bad-usage]\n"


def test_a_hostile_word_is_shown_harmless_and_short(capsys: pytest.CaptureFixture[str]) -> None:
    """Escapes cannot steer the terminal, and megabytes do not fill it."""
    status = main(["\x1b[2J\u202e" + "x" * 10_000_000])
    said = capsys.readouterr().err

    assert status == TROUBLE
    assert said.startswith(r"leakdiff: The command '\x1b[2J\u202exxx")
    assert len(said) < 500
    assert said.isascii()


# -- the reference ---------------------------------------------------------------------------------


def test_the_reference_names_every_command_and_option() -> None:
    """The page of the command line, of which the man page is made, has what the parsers have."""
    page = (DOCS / "reference/cli.md").read_text("utf-8")
    missing = [parser.prog for parser in PARSERS if parser.prog not in page]
    for parser in PARSERS:
        own = page.partition(f"## {' '.join(parser.prog.split()[:2])}\n")[2].partition("\n## ")[0]
        options = {name for taken in parser.arguments for name in taken.option_strings if name.startswith("--")}
        known = own + page.partition("## Options of every command")[2].partition("\n## ")[0]
        missing += [f"{parser.prog} {option}" for option in sorted(options) if option not in known]

    assert missing == []
