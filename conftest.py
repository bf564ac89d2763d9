"""Run the Python examples of README.md and docs/ as tests.

A block marked ``python`` is run, the blocks of one document one after the other in one namespace;
a block marked ``text`` or ``console`` is output. ``<!-- skip: next -->`` leaves the next block out.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

REPOSITORY = Path(__file__).resolve().parent


class Documents:
    """A plugin of its own: the hooks of this file see only what lies beside it."""

    pytest_collect_file: Callable[..., Any]

    def __init__(self) -> None:
        self.pytest_collect_file = Sybil(
            parsers=[PythonCodeBlockParser(), SkipParser()],
            path=str(REPOSITORY),
            patterns=["README.md", "docs/*.md", "docs/**/*.md"],
        ).pytest()


def pytest_configure(config: pytest.Config) -> None:
    """Collect the documents too."""
    config.pluginmanager.register(Documents(), "documents")
