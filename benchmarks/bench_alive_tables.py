"""The table of ``why_alive``: who keeps one object alive, beside the peers' nearest answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench_tables import Cost, Key, Result, Row, Table, aim, figure, ms, of_size, per_object, seconds, section, times

_MOST_SECONDS = 2


def alive_tables(by_key: Mapping[Key, Result], objects: int) -> list[Table]:
    """Return what it costs to ask who keeps one object alive."""
    results = of_size(by_key, objects)
    return [
        Table(f"Who keeps one object alive, on a heap of {objects:,} tracked objects", tuple(_costs(results))),
        Table("Who keeps one object alive, against what was aimed at", tuple(_targets(results))),
    ]


def _costs(results: Mapping[str, Result]) -> Iterator[Cost]:
    ours = figure(results, "alive/leakdiff", "cpu")
    for tool, result in section(results, "alive"):
        figures = result.figures
        if not figures:
            yield Cost(tool, "NOT RUN", note=result.error)
            continue
        yield Cost(
            tool,
            seconds(figures["cpu"]),
            times(figures["cpu"], ours),
            ms(figures["ours"]) if "ours" in figures else "",
            per_object(figures["extra"]),
            figures["note"],
        )


def _targets(results: Mapping[str, Result]) -> Iterator[Row]:
    cpu = figure(results, "alive/leakdiff", "cpu")
    if cpu:
        yield Row("leakdiff.why_alive", seconds(cpu), "", aim(f"<= {_MOST_SECONDS} s", met=cpu <= _MOST_SECONDS))
