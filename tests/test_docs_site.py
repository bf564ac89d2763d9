"""The documents as a site: they build without a warning, and its pages work in a browser that sees nothing else."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser import open_browser, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Route

DOCS = Path(__file__).resolve().parent.parent / "docs"
MAN = DOCS / "man" / "leakdiff.1"
PAGES = (
    "index",
    "tutorials/check",
    "how-to/index",
    "how-to/runbook",
    "how-to/causes/removal-not-always",
    "reference/api",
    "reference/cli",
    "explanation/comparison",
    "explanation/measured/benchmarks",
)
LONG = {"reference/api"}  # takes axe-core ten seconds
FOUND = "#search-results li a"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("furo") is None, reason="needs Sphinx: pip install --group docs"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the documents are built once, strictly, and what Sphinx said of them."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "said").write_text(build(folder, "html"), "utf-8")
    return folder


def build(folder: Path, builder: str) -> str:
    """Build the documents as make docs and make man do, and return what Sphinx complains of."""
    strict = ["-n", "-W", "--keep-going", "-q", "-d", str(folder / "doctrees"), "-b", builder]
    command = [sys.executable, "-m", "sphinx", *strict, str(DOCS), str(folder / builder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    said = ended.stdout + ended.stderr
    return said or f"Sphinx ended with {ended.returncode}" if ended.returncode else said


@pytest.fixture(scope="module")
def browser(built: Path) -> Iterator[Browser]:  # noqa: ARG001 - without pages none is needed
    """One browser for all tests."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(built: Path) -> Iterator[str]:
    """Where the pages are served, on loopback: axe-core asks for style sheets, which the disk does not give it."""
    handler = partial(Quiet, directory=str(built / "html"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and writes nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a browser that prefers one scheme; it complains of nothing, and asks nobody outside."""
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def pass_on(route: Route) -> None:
        if route.request.url.endswith("/favicon.ico"):  # the browser's own wish
            route.fulfill(status=204)
        elif route.request.url.startswith(("file:", "data:", "http://127.0.0.1:")):
            route.continue_()
        else:
            complaints.append(f"asked {route.request.url}")
            route.abort()

    context = browser.new_context(color_scheme=request.param, bypass_csp=True)
    opened = context.new_page()
    opened.on("console", hear)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.route("**/*", pass_on)
    yield opened
    context.close()

    assert complaints == []


def test_the_documents_build_without_a_warning(built: Path) -> None:
    """Every link and anchor leads somewhere, every page can be reached, every public name has its entry."""
    assert (built / "said").read_text("utf-8") == ""

    pages = {str(path.relative_to(built / "html")) for path in (built / "html").rglob("*.html")}

    assert pages >= {f"{name}.html" for name in PAGES}


def test_pages_are_accessible_in_light_and_dark(site: str, page: Page) -> None:
    """On a page of each kind axe-core finds nothing serious or critical; the longest is looked at in light only."""
    grave = {}
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    for name in PAGES if not is_dark else set(PAGES) - LONG:
        page.goto(f"{site}{name}.html")
        grave[name] = violations(page)

    assert {name: found for name, found in grave.items() if found} == {}


def test_pages_fit_a_phone(site: str, page: Page) -> None:
    """At 360 columns of pixels no page scrolls sideways; what is wider scrolls by itself."""
    page.set_viewport_size({"width": 360, "height": 740})
    widths = {}
    for name in PAGES:
        page.goto(f"{site}{name}.html")
        widths[name] = page.evaluate("document.documentElement.scrollWidth")

    assert widths == dict.fromkeys(PAGES, 360)


def test_the_search_finds_pages(site: str, page: Page) -> None:
    """By a word of theirs, and the page of results is as accessible as the others."""
    page.goto(f"{site}search.html?q=expect_clean")
    page.locator(FOUND).first.wait_for()

    assert any("reference/api" in (link.get_attribute("href") or "") for link in page.locator(FOUND).all())
    assert violations(page) == []


def test_pages_work_from_the_disk(built: Path, page: Page) -> None:
    """Without a server as well, the search among them."""
    page.goto((built / "html" / "index.html").as_uri())
    page.get_by_placeholder("Search").fill("runbook")
    page.keyboard.press("Enter")
    page.locator(FOUND).first.click()
    page.locator("article h1").wait_for()

    assert page.url.startswith("file:")


def test_the_manual_page_is_the_reference_of_the_command_line(built: Path) -> None:
    """What is shipped has the words of docs/reference/cli.md; `make man` writes it."""
    assert build(built, "man") == ""
    made = (built / "man" / "leakdiff.1").read_text("utf-8")

    assert words(MAN.read_text("utf-8")) == words(made), "make man"


def words(manual: str) -> list[str]:
    """Return the words of a manual page: the requests between them differ from one Sphinx to the next."""
    lines = (line for line in manual.splitlines() if not line.startswith((".", "'")))
    return " ".join(lines).replace("\\", "").split()


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man: apt-get install man-db")
def test_the_manual_page_can_be_read() -> None:
    """`man ./leakdiff.1` shows every command, and has nothing to complain of."""
    command = ["man", "--warnings", "-E", "UTF-8", "-l", str(MAN)]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"MANWIDTH": "80", "PATH": "/usr/bin:/bin"},
    )

    assert ended.stderr == ""
    assert "leakdiff - whether a Python process leaks, what grows, and who holds it" in ended.stdout
    assert "leakdiff check" in ended.stdout
