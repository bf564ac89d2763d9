"""Drawings in a real browser, on a light and on a dark page: every text fits, and can be read."""

from __future__ import annotations

from typing import Literal

import pytest

from browser import open_browser
from leakdiff.drawing import draw, draw_graph
from leakdiff.render.pictures.picture import picture_of_graph
from leakdiff.render.pictures.sparks import spark_svg
from leakdiff.render.pictures.svg import svg_text
from pictured import finding, heap

OVERFLOWING = """\
[...document.querySelectorAll('svg g')].filter(group => group.querySelector(':scope > rect')).flatMap(group => {
    const box = [...group.querySelectorAll(':scope > rect')].pop().getBBox();
    return [...group.querySelectorAll(':scope > text')].filter(text => {
        const own = text.getBBox();
        return own.x < box.x - 1 || own.x + own.width > box.x + box.width + 1
            || own.y < box.y - 1 || own.y + own.height > box.y + box.height + 2;
    }).map(text => text.textContent);
})"""
# WCAG: how much lighter the lighter of a text and the area under it is.
FAINT = """\
(() => {
    const light = paint => {
        const [r, g, b] = paint.match(/\\d+/g).map(part => {
            const c = part / 255;
            return c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
        });
        return .2126 * r + .7152 * g + .0722 * b;
    };
    return [...document.querySelectorAll('svg text')].map(text => {
        const areas = text.parentElement.querySelectorAll(':scope > rect');
        const area = areas.length ? areas[areas.length - 1] : text.closest('svg').querySelector('rect');
        const pair = [getComputedStyle(text).fill, getComputedStyle(area).fill].map(light).sort();
        return [(Math.max(...pair) + .05) / (Math.min(...pair) + .05), text.textContent];
    }).filter(([contrast]) => contrast < 4.5);
})()"""


def _page() -> str:
    wide = finding(owner="漢字." * 20 + "W" * 80)
    drawings = [
        draw(finding(), "svg"),
        draw(finding(), "treemap"),
        draw(wide, "svg"),
        draw_graph(heap(40), "svg"),
        svg_text(picture_of_graph(heap(500)), use_graphviz=False),
        spark_svg([(0, 1), (1, 5), (2, 3)], "entries"),
    ]
    return "<!doctype html><title>pictures</title><main>" + "".join(drawings) + "</main>"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_fits_into_its_box_and_can_be_read(scheme: Literal["light", "dark"]) -> None:
    """Chromium draws no text over the edge of its box, nothing fainter than 4.5 to 1, and asks for nothing outside."""
    with open_browser() as browser:
        page = browser.new_page(color_scheme=scheme)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.set_content(_page())

        assert page.evaluate(OVERFLOWING) == []
        assert page.evaluate(FAINT) == []
        assert page.locator("svg[role=img]").count() == 6
        assert asked == []
