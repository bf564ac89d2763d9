"""Reports with everything that a report can hold, for the tests of what is written of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import attrs
import networkx as nx
from hypothesis import strategies as st

from leakdiff.model.cause import Cause
from leakdiff.model.code import Code, CodeSite
from leakdiff.model.heap import Bound, Site
from leakdiff.model.native import CCall, NativeEvidence
from leakdiff.model.report import Finding, Novelty, Report
from leakdiff.model.series import Shape
from strategies import findings, reports, sites, texts
from test_render_text import C_HEAP, CAUSE, CODE, INFLIGHT, report_of

_RATES = st.floats(0, 1e12)
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def drawn_graph() -> nx.DiGraph[str]:
    """Return the graph under an owner, as ownership draws it."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_node("app.matching.Result", count=303, bytes=19_392)
    graph.add_node("dict", count=303, bytes=55_752)
    graph.add_edge("owner dict", "app.matching.Result", count=303)
    graph.add_edge("app.matching.Result", "dict", count=303)
    return graph


FULL = attrs.evolve(
    INFLIGHT,
    code=attrs.evolve(CODE, made=(CodeSite(Site("app/matching.py", 12, "", "_inflight = {}"), "a dict"),)),
    cause=attrs.evolve(CAUSE, pattern="try:\n    ask(ride)\nfinally:\n    del _inflight[rid]\n"),
    waiting=(Site("app/matching.py", 61, "wait", "await call.answer"),),
    shared_with=("app.index",),
    retained=64.0,
    novelty=Novelty.NEW,
    graph=drawn_graph(),
)
CALL = CCall("ujson.dump", "ujson", "ujson 5.12.0", calls=1.0, bytes=3_216.0, blocks=0.0)
NATIVE = attrs.evolve(C_HEAP, native=NativeEvidence("C heap", (CALL,), "reference count 2", "leakdiff check case.py"))
REPORT = attrs.evolve(
    report_of(FULL, NATIVE, notes=("the heap of another interpreter was not looked at",)),
    python="3.12.1",
    version="0.2.0",
    confidence="sure: memory blocks grew in 12 of 12 rounds",
    also=(("mix", "98 serves, 2 cancels"),),
)


# -- any report ------------------------------------------------------------------------------------

code_sites = st.builds(CodeSite, sites, texts, texts, st.none() | _RATES, st.booleans())


def few(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw up to two of them as a tuple."""
    return st.lists(values, max_size=2).map(tuple)


codes = st.builds(
    Code,
    puts=few(code_sites),
    gones=few(code_sites),
    summary=texts,
    bound=st.none() | st.builds(Bound, texts, st.integers(0, 10**9), st.integers(0, 10**9)),
    missing=texts,
    pending=texts,
    made=few(code_sites),
    misses=few(code_sites),
)
natives = st.builds(
    NativeEvidence, texts, few(st.builds(CCall, texts, texts, texts, _RATES, _RATES, _RATES)), texts, texts
)


@st.composite
def graphs(draw: Callable[..., Any]) -> nx.DiGraph[str]:
    """Draw a graph of types: some are counted, and any refers to any."""
    names = draw(st.lists(texts, max_size=4, unique=True))
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name in names:
        known = {"count": draw(st.integers(0, 10**9)), "bytes": draw(st.integers(0, 10**12))}
        graph.add_node(name, **(known if draw(st.booleans()) else {}))
    for source in names[:2]:
        graph.add_edge(source, draw(st.sampled_from(names)), count=draw(st.integers(1, 10**9)))
    return graph


@st.composite
def whole_findings(draw: Callable[..., Any]) -> Finding:
    """Draw a finding with all that one can have."""
    found: Finding = draw(findings)
    return attrs.evolve(
        found,
        cause=draw(st.none() | st.builds(Cause, texts, texts, texts, texts, texts)),
        code=draw(st.none() | codes),
        native=draw(st.none() | natives),
        waiting=draw(few(sites)),
        retained=draw(st.none() | _RATES),
        share=draw(st.none() | _RATES),
        shared_with=draw(few(texts)),
        shape=draw(st.none() | st.sampled_from(Shape)),
        artefact=draw(texts),
        novelty=draw(st.none() | st.sampled_from(Novelty)),
        grows=draw(texts),
        graph=draw(st.none() | graphs()),
    )


@st.composite
def whole_reports(draw: Callable[..., Any]) -> Report:
    """Draw a report with all that one can have."""
    report: Report = draw(reports)
    return attrs.evolve(
        report,
        findings=draw(st.lists(whole_findings(), max_size=2)),
        confidence=draw(texts),
        fixed=draw(few(texts)),
        also=draw(few(st.tuples(st.sampled_from(["mix", "never", ""]), texts))),
    )


def has_halves(report: Report) -> bool:
    """Tell whether two halves of a surrogate pair stand side by side, which JSON cannot tell from what they are."""
    return bool(_PAIR.search(json.dumps(report.as_dict(), ensure_ascii=False)))
