"""``leakdiff completion``: what makes a shell complete commands, options and files.

The scripts stand beside this file. ``make completions`` writes them from the parser, with shtab; a shell that uses one
starts no Python and needs no package.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from leakdiff.command_parser import add_command
from leakdiff.console import CLEAN, emit

SHELLS = ("bash", "zsh", "fish")


def add_completion_command(commands: Any) -> None:
    """Add the parser of this command to those of the command line."""
    completion = add_command(
        commands,
        "completion",
        _run_completion,
        "print what makes a shell complete leakdiff",
        description="Print a script that makes a shell complete commands, options, files and the names of causes.",
        examples=(
            ('eval "$(leakdiff completion bash)"', "Bash: in ~/.bashrc, or now."),
            ("leakdiff completion zsh > ~/.zfunc/_leakdiff", "Zsh: into a folder of $fpath."),
            ("leakdiff completion fish > ~/.config/fish/completions/leakdiff.fish", "Fish: for every session."),
        ),
        exits="0 done, 2 trouble",
        page="how-to/shell",
    )
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")


def script_of(shell: str) -> Path:
    """Return where the script of a shell is."""
    return Path(__file__).with_name(f"leakdiff.{shell}")


def _run_completion(parsed: argparse.Namespace) -> int:
    emit(script_of(parsed.shell).read_text("utf-8"))
    return CLEAN
