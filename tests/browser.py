"""A real browser and a service that really leaks, for tests of the page and for its pictures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import leakdiff

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).resolve().parent
AXE = Path(os.environ.get("LEAKDIFF_AXE") or HERE.parent / ".cache" / "axe" / "axe.min.js")
TOKEN = "a-token-of-the-tests-that-is-long-enough"  # noqa: S105 - it opens a service that lives for a test
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_GRAVE = ("serious", "critical")


@attrs.frozen
class Service:
    """A program that leaks, and where its endpoint is."""

    url: str

    @property
    def credentials(self) -> Any:
        """What a person types when the browser asks who they are."""
        return {"username": "oncall", "password": TOKEN, "send": "unauthorized"}


@contextmanager
def leaking_service() -> Iterator[Service]:
    """Run ``leaking_service.py`` until the end of the block."""
    source = str(Path(leakdiff.__file__).resolve().parent.parent)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_CORE", "LEAKDIFF_"))
    }
    process = subprocess.Popen(
        [sys.executable, str(HERE / "leaking_service.py")],
        env={**kept, "PYTHONPATH": source, "LEAKDIFF_TOKEN": TOKEN},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield Service(json.loads(process.stdout.readline()))
        finally:
            process.kill()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Open a headless Chromium; skip the test where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    program = next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("needs Chromium: bash scripts/install-test-programs")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def violations(page: Page) -> list[str]:
    """Return what axe-core finds grave on a page; skip the test where it is missing.

    The page's context must have been made with ``bypass_csp``: axe-core is injected, which the page itself forbids.
    """
    if not AXE.is_file():
        pytest.skip("needs axe-core: bash scripts/install-test-programs, or LEAKDIFF_AXE=PATH of axe.min.js")
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [f"{each['id']}: {node['html']}" for each in found if each["impact"] in _GRAVE for node in each["nodes"]]
