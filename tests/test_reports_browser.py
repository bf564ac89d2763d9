"""The page of a report in a real browser, opened from a disk: quiet, self-contained, readable by everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from browser import open_browser, violations
from builder import one_round
from leakdiff.model.heap import Step
from leakdiff.model.signals import Phase
from paper import FULL, REPORT
from test_render_text import INFLIGHT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAME = "app.a_package_with_a_long_name.another_module." + "x" * 120
LONG = attrs.evolve(
    REPORT,
    findings=(FULL, *REPORT.findings, attrs.evolve(INFLIGHT, owner=_NAME, path=(Step(_NAME, "module"),), depth=1)),
    rounds=tuple(one_round(Phase.MARK, blocks=101, native_bytes=10**9) for _ in range(9)),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Open one browser for all tests."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a long report in a file."""
    path = tmp_path_factory.mktemp("page") / "incident.html"
    LONG.save(path)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_page_opens_from_a_disk_for_everybody(browser: Browser, page: Path, scheme: str, width: int) -> None:
    """No error, no request but for itself, nothing that axe-core finds grave, and nothing beside the screen."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)  # type: ignore[arg-type]
    opened = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(page.as_uri())
    found = (said, asked, opened.evaluate("document.documentElement.scrollWidth"), violations(opened))
    context.close()

    assert found == ([], [page.as_uri()], width, [])


def test_its_own_policy_is_enough_for_it(browser: Browser, page: Path) -> None:
    """What it forbids itself it does not try; colours and drawings are there."""
    context = browser.new_context()
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.goto(page.as_uri())
    drawn = opened.evaluate("document.querySelector('.picture svg').getBoundingClientRect().width")
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    context.close()

    assert said == []
    assert drawn > 300
    assert ground == "rgb(255, 255, 255)"


def test_a_page_is_small_enough_to_attach(page: Path) -> None:
    """Below a megabyte."""
    assert page.stat().st_size < 1_000_000
