"""Treemaps, bars and lines over time: small pictures of how much and how fast."""

from __future__ import annotations

import io
import sys
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakdiff.drawing import draw
from leakdiff.errors import NothingToDraw
from leakdiff.model.tracking import Reading, Track
from leakdiff.render.pictures.sparks import spark, spark_svg
from leakdiff.render.pictures.treemap import Tile, bars_text, squarified, tiles_of, treemap_svg
from pictured import finding, types

SVG = "{http://www.w3.org/2000/svg}"


def test_tiles_lie_within_the_type_that_alone_holds_them() -> None:
    """What two types hold belongs to neither, but to what holds both."""
    graph = types(
        {"app.Order": (3, 300), "list": (3, 200), "dict": (3, 100), "app.Line": (9, 900)},
        {
            ("owner dict", "app.Order"): 3,
            ("app.Order", "list"): 3,
            ("app.Order", "dict"): 3,
            ("list", "app.Line"): 9,
            ("dict", "app.Line"): 9,
        },
    )

    (order,) = tiles_of(finding(graph=graph, path=finding().path[:2]))

    assert (order.said, order.bytes, order.total) == ("app.Order", 300, 1500)
    assert [(tile.said, tile.total) for tile in order.within] == [("app.Line", 900), ("list", 200), ("dict", 100)]


def test_bars_of_what_an_owner_retains() -> None:
    """Each type has a bar; what only it holds stands below it."""
    assert draw(finding(), "bars") == (
        """\
app.matching._inflight: 157.5 KiB of new objects, by type and by what those hold

app.matching.Result    ██████████████████████████████  157.5 KiB
  dict                 █████████████████▎               90.8 KiB
  app.matching.Driver  ████████▏                        43.0 KiB"""
    )


def test_bars_in_ascii_and_in_few_columns() -> None:
    """The same for a terminal that has less."""
    assert bars_text(tiles_of(finding()), "", 40, ascii=True) == (
        """\
app.matching.Result   ######  157.5 KiB
  dict                ###      90.8 KiB
  app.mat...g.Driver  ##       43.0 KiB"""
    )


@settings(deadline=None)
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40), st.integers(40, 900), st.integers(40, 900))
def test_areas_are_as_large_as_what_they_stand_for(weights: list[int], width: int, height: int) -> None:
    """They fill the frame, none covers another, and each has its share."""
    weights.sort(reverse=True)
    places = squarified(weights, (0.0, 0.0, float(width), float(height)))
    whole, slack = width * height / sum(weights), 1e-6 * width * height

    assert all(abs(w * h - weight * whole) < slack for (_, _, w, h), weight in zip(places, weights, strict=True))
    assert all(
        x >= -slack and y >= -slack and x + w <= width + slack and y + h <= height + slack for x, y, w, h in places
    )
    assert not any(
        min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]) > 1e-6
        and min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]) > 1e-6
        for a, b in combinations(places, 2)
    )


def test_treemap_names_every_area_for_those_who_point_at_it() -> None:
    """An area too small for its name has it in a tooltip, and what is too small to see is one area."""
    small = tuple(Tile(f"app.Small{number}", 1, 1) for number in range(20))
    shown = treemap_svg((Tile("app.Large", 9_000, 3), Tile("app.Other", 900, 3), *small), "what it retains")
    root = ET.fromstring(shown)  # noqa: S314 - it is ours

    assert [title.text for title in root.iter(f"{SVG}title")] == [
        "what it retains",
        "app.Large\n3 objects, 8.8 KiB, 91% of all",
        "app.Other\n3 objects, 900 B, 9% of all",
        "20 more types\n20 B, 0% of all",
    ]
    assert root.findtext(f"{SVG}desc") == ", ".join(
        [
            "app.Large 8.8 KiB",
            "app.Other 900 B",
            *(f"app.Small{number} 1 B" for number in range(10)),
            "and 10 more types",
        ]
    )


def test_a_finding_without_bytes_has_no_treemap() -> None:
    """A report that was read from a file may not say how large each type is; the refusal says what there is."""
    with pytest.raises(NothingToDraw, match=r"What the owner retains cannot be drawn: the finding 3f9a2c does not"):
        draw(finding(graph=None), "treemap")
    with pytest.raises(NothingToDraw, match="The styles tree, ascii, dot, mermaid, svg draw what it does say"):
        draw(finding(graph=None), "bars")


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([3, 2, 1], "█▅▁"),
        ([1000, 1001, 1000], "▁▁▁"),
        ([5], "▁"),
        ([float("nan"), 1, float("inf"), 2], "▁█"),
        ([0, 0, 0], "▁▁▁"),
        ([], ""),
        (range(1000), "▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇███"),
        ([1e308, -1e308], "█▁"),
    ],
)
def test_spark(values: list[float], shown: str) -> None:
    """A line over time goes from its least value to its largest; what hardly moves is flat."""
    assert spark(values) == shown


def test_spark_in_ascii() -> None:
    """The same in characters that every terminal has."""
    assert spark([0, 1, 2, 3, 4, 5], ascii=True) == "_.-=*#"


def test_a_drawing_of_a_track_fits_where_there_is_ascii_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The characters are those that standard output can show."""
    track = Track("app.seen", "list", (Reading(0.0, 0), Reading(5.0, 26)), seconds=10.0, every=0.1)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    shown = str(track.spark(4))
    monkeypatch.undo()

    assert shown == "_###"
    assert track.spark(4) == "▁███"


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60), st.integers(1, 40))
def test_spark_never_fails_and_never_is_too_wide(values: list[float], width: int) -> None:
    """Whatever was measured."""
    assert len(spark(values, width)) <= width


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=400))
def test_spark_svg_stays_within_its_frame(points: list[tuple[float, float]]) -> None:
    """Whatever was measured, the line is in the picture, and what it shows is said in words."""
    root = ET.fromstring(spark_svg(points, "entries over units"))  # noqa: S314 - it is ours
    lines = [line.get("points", "").split() for line in root.iter(f"{SVG}polyline")]
    drawn = [tuple(map(float, point.split(","))) for line in lines for point in line]

    assert root.findtext(f"{SVG}title") == "entries over units"
    assert all(0 <= x <= 120 and 0 <= y <= 24 for x, y in drawn)
    assert len(drawn) <= 250


def test_a_name_that_does_not_fit_loses_its_modules_first() -> None:
    """The last part of a type's name is what tells; less than six columns of that would tell nothing."""
    tiles = [Tile("app.services.matching.Type1", 900, 1), *(Tile(f"app.services.Ty{n}", 30, 1) for n in range(30))]
    root = ET.fromstring(treemap_svg(tiles))  # noqa: S314 - it is ours
    shown = [text.text for text in root.iter(f"{SVG}text")]

    assert shown[:2] == ["app.services.matching.Type1", "900 B"]
    assert set(shown[2:]) == {"30 B", *(f"Ty{n}" for n in range(30))}
