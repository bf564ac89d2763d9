"""Hypothesis strategies that the tests share: graphs, series and reports that nobody would write by hand."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable

import attrs
from hypothesis import settings
from hypothesis import strategies as st

from leakdiff.model.heap import OLD, Bound, HeapGraph, Site, Step
from leakdiff.model.report import Cost, Finding, Report, TypeGrowth, Verdict
from leakdiff.model.series import Series
from leakdiff.model.signals import Phase, Rate, Round

# The machine that tests may be busy: time is no property of what is tested.
settings.register_profile("leakdiff", deadline=None)
settings.load_profile("leakdiff")

_ROUNDS = 3
_TYPES = ("dict", "list", "app.Result", "app.Node")
_FEW_OR_MANY = st.integers(0, 9) | st.integers(0, 2_000)
_COUNTS = st.integers(0, 10**12)
_RATES = st.floats(0, 1e12, allow_nan=False)

# -- heaps -----------------------------------------------------------------------------------------


@st.composite
def heap_graphs(draw: Callable[..., int], most_holders: int = 4, most_new: int = 9) -> HeapGraph:
    """Draw a small heap: any edges that a walk could find, any births, any growth."""
    holders, others = draw(st.integers(0, most_holders)), draw(st.integers(0, most_new))
    nodes = holders + others
    edges = [(draw(_below(nodes)), draw(st.integers(holders, nodes - 1))) for _ in range(_drawn(draw, others, 20))]
    sources, targets = [source for source, _ in edges], [target for _, target in edges]
    reached = reachable(range(holders), zip(sources, targets, strict=True))
    return HeapGraph(
        rounds=_ROUNDS,
        units=_ROUNDS * 2,
        holders=holders,
        type_names=_TYPES,
        types=[draw(_below(len(_TYPES))) for _ in range(nodes)],
        sizes=[draw(st.integers(0, 2_000)) for _ in range(nodes)],
        births=[OLD] * holders + [draw(st.integers(OLD, _ROUNDS)) for _ in range(others)],
        grown=[draw(st.integers(-3, 6)) for _ in range(holders)] + [0] * others,
        buffers=[draw(st.just(0) | _FEW_OR_MANY) for _ in range(holders)] + [draw(_FEW_OR_MANY) for _ in range(others)],
        entries=[draw(_FEW_OR_MANY) for _ in range(nodes)],
        containers=[draw(st.booleans()) for _ in range(holders)],
        floor=4,
        lost=[(draw(_FEW_OR_MANY), draw(_FEW_OR_MANY)) for _ in range(holders)],
        groups=[draw(_below(holders)) for _ in range(holders)],
        inside=[draw(st.integers(-1, holder - 1)) for holder in range(holders)],
        sources=array("i", sources),
        targets=array("i", targets),
        atom_types=("str",),
        atoms=[(draw(st.integers(holders, nodes - 1)), 0, draw(st.integers(1, 9)))] if others else [],
        orphans=[(node, draw(st.integers(0, 2))) for node in range(holders, nodes) if node not in reached],
    )


def _below(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, count - 1)


def _drawn(draw: Callable[..., int], others: int, most: int) -> int:
    return draw(st.integers(0, most)) if others else 0


def reachable(start: Iterable[int], edges: Iterable[tuple[int, int]]) -> frozenset[int]:
    """Return what a walk from some nodes reaches, by brute force: nodes are added until none is."""
    links, seen = list(edges), frozenset(start)
    while True:
        more = seen | {target for source, target in links if source in seen}
        if more == seen:
            return seen
        seen = more


# -- rounds ----------------------------------------------------------------------------------------


@st.composite
def series(draw: Callable[..., list[int]]) -> Series:
    """Draw what a signal gained over some rounds of any number of units."""
    gains = draw(st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=8))
    units = draw(st.lists(st.integers(1, 1_000), min_size=len(gains), max_size=len(gains)))
    return Series(tuple(gains), tuple(units))


# -- reports ---------------------------------------------------------------------------------------

# What wrecks terminals and parsers comes more often than by chance: escapes, right-to-left marks,
# line breaks of every kind, zero bytes, halves of a surrogate pair, characters beside the basic plane.
_NASTY = "\x1b[31m", "\x1b]0;owned\x07", "\u202e", "\u200f", "\n", "\r", "\x85", "\u2028", "\x00", "\x9b", "\udc80", "🜚"
texts = st.lists(st.sampled_from(_NASTY) | st.text(st.characters(exclude_categories=()), max_size=8), max_size=4).map(
    "".join
)
sites = st.builds(Site, file=texts, line=_COUNTS, function=texts, code=texts)
steps = st.builds(Step, label=texts, type=texts)
rates = st.builds(Rate, _RATES, _RATES, st.none() | _RATES, st.none() | _RATES)
rounds = st.builds(
    Round,
    phase=st.sampled_from(Phase),
    units=st.integers(1, 10_000),
    objects=st.integers(),
    blocks=st.integers(),
    native_bytes=st.none() | st.integers(),
    fds=st.integers(),
    threads=st.integers(),
    freed=_COUNTS,
)
findings = st.builds(
    Finding,
    verdict=st.sampled_from(Verdict),
    because=texts,
    fingerprint=st.from_regex(r"[0-9a-f]{6}", fullmatch=True),
    owner=st.none() | texts,
    owner_type=texts | st.sampled_from(["set", "dict", "C heap", "file descriptors"]),
    length=_COUNTS,
    path=st.lists(steps, min_size=1, max_size=4).map(tuple),
    depth=st.integers(1, 4),
    types=st.lists(st.builds(TypeGrowth, texts, _RATES, _COUNTS, st.none() | sites), max_size=7).map(tuple),
    key_shape=st.none() | texts,
    sites=st.lists(sites, max_size=5).map(tuple),
    per_unit=rates,
    per_entry=st.none() | _RATES,
    entries_per_unit=st.none() | _RATES,
    bound=st.none() | st.builds(Bound, texts, _COUNTS, _COUNTS),
    advice=texts,
).map(lambda found: attrs.evolve(found, depth=min(found.depth, len(found.path))))
reports = st.builds(
    Report,
    verdict=st.sampled_from(Verdict),
    because=texts,
    findings=st.lists(findings, max_size=7).map(tuple),
    rounds=st.lists(rounds, max_size=4).map(tuple),
    not_analysed=st.lists(texts, max_size=3).map(tuple),
    cost=st.builds(Cost, _RATES, _COUNTS),
    python=texts,
    version=texts,
)
