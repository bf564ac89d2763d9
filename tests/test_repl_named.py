"""Sequences of results: taken out by number, slice and name, narrowed down, completed, and told in one line."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.errors import LeakdiffError, NoSuchName
from leakdiff.model.diff import Change, Changes, Diff
from leakdiff.model.named import Named
from leakdiff.model.report import Finding, Findings, Report, Verdict
from leakdiff.model.snapshot import Snapshot
from reported import REPORTED
from snapshots import cheap, site, snapshot


def _findings() -> Findings:
    kept = REPORTED["dict_by_request_id"][1].finding
    native = REPORTED["malloc_sixteen"][1].finding
    return Findings((kept, attrs.evolve(native, fingerprint="01a937")))


def _changes() -> Changes:
    gained = (("app.matching._inflight", 505), ("app.matching._background", 6), ("app.routes._cache", -3))
    return Changes(Change(name, 1_000, 1_000 + more, 0, 10 * more) for name, more in gained)


def _taken() -> Snapshot:
    return snapshot(
        types={"dict": (41_203, 90_000), "app.Result": (1_204, 60_000), "app.ResultSet": (2, 100)},
        owners={"app.matching._inflight": (1_512, 3_000_000), "app.routes": (4, 600)},
        sites={"app/matching.py:41": (505, 50_000)},
    )


def test_a_finding_is_taken_out_by_number_fingerprint_or_owner() -> None:
    """All three lead to the same finding, and a slice to a sequence of the same kind."""
    findings = _findings()

    assert findings[0] is findings["3f9a2c"] is findings["app._orders"]
    assert findings[-1] is findings["01a937"]
    assert type(findings[:1]) is Findings
    assert list(findings[1:]) == [findings[1]]


def test_one_line_says_how_many_and_which() -> None:
    """The repr names the first of them, with what tells most."""
    assert repr(_findings()) == "<Findings 2: LEAK app._orders [3f9a2c]; NATIVE C heap [01a937]>"
    assert repr(_changes()) == (
        "<Changes 3: app.matching._inflight +505, app.matching._background +6, app.routes._cache -3>"
    )
    assert repr(_taken().types) == "<Types 3: dict 41,203, app.Result 1,204, app.ResultSet 2>"
    assert repr(_taken().owners) == "<Owners 2: app.matching._inflight 1,512, app.routes 4>"
    assert repr(_taken().sites) == "<Sites 1: app/matching.py:41 505>"
    assert repr(Findings()) == "<Findings 0>"


def test_many_members_end_in_dots() -> None:
    """A repr stays one line, however many there are."""
    many = Changes(Change(f"app.module_{number}.cache", 0, 1) for number in range(1_200))

    assert repr(many) == (
        "<Changes 1,200: app.module_0.cache +1, app.module_1.cache +1, app.module_2.cache +1, app.module_3.cache +1, "
        "app.module_4.cache +1, ...>"
    )


def test_like_finds_parts_of_names_in_any_case() -> None:
    """``like`` narrows down and stays of the same kind, so that verbs chain."""
    owners = _changes()

    assert owners.like("MATCHING").growing().names() == ["app.matching._inflight", "app.matching._background"]
    assert type(owners.like("matching")) is Changes
    assert _taken().types.like("result").names() == ["app.Result", "app.ResultSet"]
    assert _findings().like("orders").names() == ["3f9a2c"]


@pytest.mark.parametrize(
    ("values", "name", "message"),
    [
        (
            _findings(),
            "3f9a2d",
            "no finding is called '3f9a2d': of 2, the nearest are 3f9a2c.",
        ),
        (
            _taken().types,
            "Result",
            "no type is called 'Result': of 3, the nearest are app.Result, app.ResultSet.",
        ),
        (
            Changes(),
            "x",
            "no change is called 'x': none of 0 is near.",
        ),
        (
            cheap().types,
            "dict",
            "no type is called 'dict': a cheap measurement, without a walk of the heap.",
        ),
    ],
)
def test_an_unknown_name_says_which_are_near(values: Named[object], name: str, message: str) -> None:
    """It is a ``KeyError`` that reads as a sentence."""
    with pytest.raises(NoSuchName) as raised:
        values[name]

    assert str(raised.value) == f"{message} names() lists them all, like(text) finds parts of names."
    assert isinstance(raised.value, KeyError)
    assert isinstance(raised.value, LeakdiffError)


def test_what_was_not_looked_at_says_so() -> None:
    """A cheap measurement has no types, and its repr tells why."""
    taken, untraced = cheap(), snapshot(types={"dict": (1, 64)})

    assert repr(taken.types) == "<Types 0: a cheap measurement, without a walk of the heap>"
    assert repr(taken.owners) == "<Owners 0: a cheap measurement, without a walk of the heap>"
    assert repr(untraced.sites) == "<Sites 0: tracemalloc was off>"


def test_ipython_completes_names() -> None:
    """What stands between the brackets can be completed."""
    assert _findings()._ipython_key_completions_() == ["3f9a2c", "01a937"]
    assert _taken().owners._ipython_key_completions_() == ["app.matching._inflight", "app.routes"]


def test_a_report_keeps_its_findings_as_such() -> None:
    """Whatever sequence a report is given, its findings have names; a report equals one made of a plain tuple."""
    findings = _findings()
    report = Report(Verdict.LEAK, "grew", tuple(findings))

    assert report.findings["3f9a2c"].owner == "app._orders"
    assert report == Report(Verdict.LEAK, "grew", findings)


def test_sites_are_found_by_short_and_by_whole_path() -> None:
    """A line is named as reports name it, or with all of its path."""
    sites = _taken().sites

    assert sites["app/matching.py:41"].site == site("app/matching.py:41")


@given(st.lists(st.tuples(st.text(), st.integers(-5, 5))))
def test_a_named_sequence_is_a_tuple(pairs: Sequence[tuple[str, int]]) -> None:
    """It equals the tuple of its values, also when copied or pickled, and every name leads to its first value."""
    values = tuple(Change(name, 5, 5 + gained) for name, gained in pairs)
    changes = Changes(values, note="why")

    assert changes == values
    assert [copy.copy(changes), copy.deepcopy(changes), pickle.loads(pickle.dumps(changes))] == [values] * 3  # noqa: S301
    assert copy.copy(changes).note == changes[:0].note == "why"
    assert all(changes[value.name].name == value.name for value in values)
    assert len(repr(changes)) <= 200


@given(st.text(), st.lists(st.text()))
def test_an_unknown_name_never_breaks_the_sentence(name: str, known: list[str]) -> None:
    """Whatever is asked for, and whatever is there, the answer is a value or one bounded line."""
    changes = Changes(Change(each, 0, 1) for each in known)
    try:
        found = changes[name]
    except NoSuchName as error:
        said = str(error)
        assert name not in known
        assert said.isprintable()
        assert len(said) < 1_500
    else:
        assert found.name == name


def test_a_diff_has_its_changes_by_name() -> None:
    """``diff.owners["..."]`` is the change of one owner."""
    before = _taken()
    after = snapshot(owners={"app.matching._inflight": (2_017, 4_000_000), "app.routes": (4, 600)})
    diff = after - before

    assert isinstance(diff, Diff)
    assert diff.owners["app.matching._inflight"].gained == 505
    assert diff.owners.growing().names() == ["app.matching._inflight"]


def test_findings_show_what_each_of_them_says() -> None:
    """``why`` of several is that of each, one after the other."""
    said = _findings().why()

    assert [line for line in said.splitlines() if line.startswith("leakdiff: ")] == [
        "leakdiff: LEAK  app._orders grows by 1.00 entries per unit, never shrinks    [3f9a2c]",
        "leakdiff: NATIVE  the C heap grows by 0 B per unit    [01a937]",
    ]


def test_types_show_as_a_table() -> None:
    """``why`` of what has rows is a table that shows itself."""
    assert _taken().types.why().splitlines() == [
        "3 types",
        "  type           objects     bytes",
        "  dict            41,203  87.9 KiB",
        "  app.Result       1,204  58.6 KiB",
        "  app.ResultSet        2     100 B",
    ]


def test_finding_names_are_its_own() -> None:
    """What no Python object owns is found by its fingerprint only."""
    native: Finding = _findings()[1]

    assert Findings.names_of(native) == ("01a937",)


def test_a_part_of_them_says_why_it_is_empty() -> None:
    """``like`` and ``growing`` keep the reason that all of them have."""
    none = cheap().types
    changes = Changes((), "one side was not walked")

    assert none.note
    assert none.like("dict").note == none.note
    assert changes.growing().note == "one side was not walked"


def test_a_name_is_in_them_as_it_can_be_taken_out() -> None:
    """``in`` knows names, besides values."""
    types = _taken().types

    assert "dict" in types  # type: ignore[comparison-overlap]
    assert types["dict"] in types
    assert "nothing" not in types  # type: ignore[comparison-overlap]
    assert 7 not in types  # type: ignore[comparison-overlap]
