"""The page in a real browser, over a service that really leaks: what a person on call sees, and how they get there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from browser import Service, leaking_service, open_browser, violations
from leakdiff.web.html import page_of
from leakdiff.web.view import Column, Form, Input, Table, View
from snapshots import MATCHING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Route

OWNER = "leakdiff.demo.matching._inflight"
PLACES = (
    "",
    "summary",
    "types",
    "sites",
    "owners",
    "resources",
    "history",
    "trend",
    "snapshots",
    "jobs",
    "routes",
    "healthz",
)
LONG = ("types", "owners")
PHONE = {"viewport": {"width": 360, "height": 740}}
DONE = "main:not([data-refresh], [data-elsewhere])"  # nothing changes on such a page by itself
WAIT = 30_000  # milliseconds, at the very most

Visit = Callable[..., "Page"]


@attrs.frozen
class Watched:
    """A watch as it was seen in the browser: where its page is, what it said while it ran, and what it said then."""

    path: str
    progress: tuple[str, ...]
    answer: str
    was_reloaded: bool


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def service(browser: Browser) -> Iterator[Service]:  # noqa: ARG001 - without a browser none is needed
    """One service that leaks, as long as the tests run."""
    with leaking_service() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Visit]:
    """Open pages by their path; at the end nothing may have been complained of, or asked of anybody else."""
    contexts, complaints, asked = [], [], []

    def complain(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "404" not in message.text:
            complaints.append(message.text)

    def opened(path: str = "", **options: Any) -> Page:
        context = browser.new_context(http_credentials=service.credentials, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(service.url + path.lstrip("/"))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints
    assert not [url for url in asked if not url.startswith((service.url, "data:"))]


@pytest.fixture(scope="module")
def watched(browser: Browser, service: Service) -> Watched:
    """Watch the service for two windows of two seconds by the button of the index."""
    context = browser.new_context(http_credentials=service.credentials)
    page = context.new_page()
    page.goto(service.url)
    watch(page, 2)
    page.evaluate("window.isTheSame = true")
    said = []
    while page.locator("progress").count():
        said.append(page.locator("section.progress").inner_text())
        page.wait_for_timeout(250)
    page.locator(DONE).wait_for()
    seen = Watched(
        path=page.url.removeprefix(service.url),
        progress=tuple(said),
        answer=heading(page),
        was_reloaded=page.evaluate("window.isTheSame !== true"),
    )
    context.close()
    return seen


@pytest.fixture(scope="module")
def compared(browser: Browser, service: Service, watched: Watched) -> str:  # noqa: ARG001 - one job runs at a time
    """Take a snapshot by the button of the index, and return where it is compared with that of the monitor."""
    context = browser.new_context(http_credentials=service.credentials)
    page = context.new_page()
    page.goto(service.url)
    page.click("form[action$='/snapshot'] button")
    page.wait_for_url("**/jobs/*")
    page.locator(DONE).wait_for()
    context.close()
    return "diff?base=monitor&head=s1"


def watch(page: Page, seconds: int) -> None:
    """Press the button that begins a watch."""
    page.fill("form[action$='/watch'] input", str(seconds))
    page.click("form[action$='/watch'] button")
    page.wait_for_url("**/jobs/*")


def heading(page: Page) -> str:
    """Return the answer on top."""
    return page.locator("h1").inner_text()


def finding_of(page: Page) -> str:
    """Return the path of the first finding on a page."""
    return str(page.locator("a[href*='findings/']").first.get_attribute("href")).lstrip("./")


# -- what a person sees ----------------------------------------------------------------------------


def test_a_watch_tells_how_far_it_is_and_then_who_leaks(watched: Watched) -> None:
    """The button leads to a page that counts up, and turns into the answer by itself, without a reload."""
    assert len(set(watched.progress)) > 1
    assert "LEAK" in watched.answer
    assert OWNER in watched.answer
    assert not watched.was_reloaded


def test_the_index_says_it_first(visit: Visit, watched: Watched) -> None:
    """Whoever opens the endpoint reads verdict and owner in the heading, and one link further is all of it."""
    page = visit()

    assert watched.answer
    assert heading(page).startswith("LEAK")
    assert OWNER in page.locator("main").inner_text()
    page.click("a[href*='findings/']")
    assert "/findings/" in page.url


def test_a_finding_draws_its_path(visit: Visit, watched: Watched) -> None:
    """From the root down to what grows, with the owner marked in a colour and in a word."""
    page = visit(finding_of(visit(watched.path)))
    steps = [" ".join(each.split()) for each in page.locator("ol.steps li").all_inner_texts()]

    assert steps[0].endswith("root")
    assert [each for each in steps if each.endswith("owner")] == ["._inflight dict owner"]
    assert page.locator("li.owner").bounding_box() is not None
    assert OWNER in heading(page)


def test_history_is_a_chart(visit: Visit) -> None:
    """The line is drawn as wide as the page, and told in words to those who do not see it."""
    chart = visit("history?series=rss").locator("svg.wide").first
    box = chart.bounding_box()

    assert box is not None
    assert box["width"] > 800
    assert box["height"] > 100
    assert re.search(r"from \d.* MiB to \d", chart.get_attribute("aria-label") or "")


def test_two_snapshots_are_compared(visit: Visit, compared: str) -> None:
    """What was taken by the monitor and by the press of a button is told apart, and the owner is among what grew."""
    text = visit(compared).locator("main").inner_text()

    assert OWNER in text
    assert "+" in text


def test_it_is_dark_where_the_person_wants_it(visit: Visit) -> None:
    """At 3 a.m. the ground is dark and the text is bright; by day the other way round."""
    colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"

    assert visit(color_scheme="dark").evaluate(colours) == ["rgb(20, 23, 26)", "rgb(232, 234, 237)"]
    assert visit(color_scheme="light").evaluate(colours) == ["rgb(255, 255, 255)", "rgb(26, 29, 33)"]


def test_nothing_scrolls_sideways_on_a_phone(visit: Visit, watched: Watched, compared: str) -> None:
    """On 360 px every page fits; wide tables scroll in a box of their own, which the keyboard reaches."""
    page = visit(**PHONE)
    wide = [page.url for path in (*PLACES, watched.path, compared) if not _fits(page, path)]
    page.goto(index_of(page) + "owners")
    page.locator(".scroll").first.focus()

    assert not wide
    assert page.evaluate("document.activeElement.scrollWidth > document.activeElement.clientWidth")


def _fits(page: Page, path: str) -> bool:
    page.goto(index_of(page) + path)
    return bool(page.evaluate("document.documentElement.scrollWidth <= 360"))


# -- how a person gets there -----------------------------------------------------------------------


def test_the_keyboard_is_enough(visit: Visit) -> None:
    """The first stop skips the navigation; a heading sorts by Enter, and says which way."""
    page = visit("types")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to(page, "th button")
    page.keyboard.press("Enter")

    names = page.locator("tbody th").all_inner_texts()
    assert names == page.evaluate("names => names.toSorted((a, b) => a.localeCompare(b))", names)
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    assert page.evaluate("document.activeElement.matches('th[aria-sort] button')")


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is on such an element."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"40 tabs did not lead to {selector}")


def test_numbers_are_sorted_as_numbers(visit: Visit) -> None:
    """Not as the rounded texts that are shown, the largest first, and the smallest first at the second click."""
    page = visit("types?limit=200")
    cells = "[...document.querySelectorAll('tbody tr')].map(row => Number(row.cells[2].dataset.order))"
    page.get_by_role("button", name="Bytes", exact=True).click()
    first = page.evaluate(cells)
    page.get_by_role("button", name="Bytes", exact=True).click()

    assert first == sorted(first, reverse=True)
    assert page.evaluate(cells) == sorted(first)
    assert len(set(first)) > 50


def test_what_was_typed_stays_while_the_page_moves_on(visit: Visit) -> None:
    """A page that takes over what is new leaves focus, text and order alone, and stands still when it is told to."""
    page, readings = visit(), count(1)
    page.route("**/summary", lambda route: answer(route, moving(next(readings)), "/summary"))
    page.goto(page.url + "summary")
    page.get_by_role("button", name="type").click()
    page.fill("input", "123")
    page.locator("h1", has_text="Reading 4").wait_for()

    assert page.evaluate("document.activeElement.value") == "123"
    assert page.locator("tbody th").all_inner_texts() == ["a", "b", "c"]
    page.get_by_role("button", name="Pause refresh").click()
    before = heading(page)
    page.wait_for_timeout(300)
    assert heading(page) == before
    page.get_by_role("button", name="Resume refresh").click()
    page.locator("h1", has_text="It is over").wait_for()
    assert page.locator("[role=status]").inner_text() == "It is over."
    assert page.locator(".live").is_hidden()


def moving(reading: int) -> View:
    """Return a view that changes ten times a second, and no more after eight readings."""
    rows = (("b", reading), ("a", 2), ("c", 3))
    return View(
        title="Moving",
        said=f"Reading {reading}." if reading < 8 else "It is over.",
        blocks=(
            Form(label="Watch", to="/watch", inputs=(Input(name="seconds", label="Seconds", value=str(reading)),)),
            Table(columns=(Column("type", "code"), Column("count", "number")), rows=rows),
        ),
        refresh=0.1 if reading < 8 else None,
    )


def answer(route: Route, view: View, path: str) -> None:
    """Answer a request of the browser with a page made here."""
    route.fulfill(status=view.status, body=page_of(view, path, MATCHING), content_type="text/html; charset=utf-8")


def test_another_worker_is_no_dead_end(visit: Visit, watched: Watched) -> None:
    """Most of several workers do not know the job: the page asks until the one that does answers."""
    page, left = visit("healthz"), iter(range(3))
    stranger = View(title="Not Found", said="Not kept here.", status=404, data={"slug": "not-known"})

    def by_chance(route: Route) -> None:
        if next(left, None) is None:
            route.continue_()
        else:
            answer(route, stranger, f"/{watched.path}")

    page.route("**/jobs/*", by_chance)
    page.goto(page.url.replace("healthz", watched.path))
    page.locator("h1", has_text=OWNER).wait_for()

    assert heading(page) == watched.answer


def test_it_works_without_a_script(visit: Visit, compared: str) -> None:
    """A form is sent, the page of the job is loaded again by itself, and ends at the answer."""
    assert compared
    page = visit(java_script_enabled=False)
    watch(page, 1)
    assert page.locator("progress").count() == 1
    page.locator("h1", has_text="LEAK").wait_for()

    assert OWNER in heading(page)
    assert not page.locator("th button").count()


# -- everybody -------------------------------------------------------------------------------------


def test_axe_finds_nothing_grave(visit: Visit, watched: Watched, compared: str) -> None:
    """Names, roles, landmarks, order and contrast, as axe-core checks them, on every page."""
    page = visit(bypass_csp=True)
    places = [
        *(f"{place}?limit=5" if place in LONG else place for place in PLACES),
        watched.path,
        finding_of(visit(watched.path)),
        compared,
        "jobs/1-1-none",
    ]

    assert {path: told for path in places if (told := _axe(page, path))} == {}


def test_axe_finds_enough_contrast_at_night(visit: Visit, watched: Watched) -> None:
    """In the dark only colours differ, and two pages have all of them."""
    page = visit(bypass_csp=True, color_scheme="dark")
    places = ["", finding_of(visit(watched.path))]

    assert {path: told for path in places if (told := _axe(page, path))} == {}


def _axe(page: Page, path: str) -> list[str]:
    page.goto(index_of(page) + path)
    return violations(page)


def index_of(page: Page) -> str:
    """Return where the index of the endpoint is that a page is of."""
    return re.sub(r"(://[^/]+/).*", r"\1", page.url)
