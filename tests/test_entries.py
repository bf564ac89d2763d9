"""The newest entries of an owner: shown when somebody allows it, without running or keeping anything of the program."""

from __future__ import annotations

import collections
import gc
import weakref
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fresh import run_fresh
from leakdiff.capture.peek import newest_of, peek
from leakdiff.entries import entries_of
from leakdiff.errors import BadOption, OwnerNotFound, ValuesNotAllowed
from leakdiff.model.entries import Entries
from leakdiff.model.report import Finding
from reported import REPORTED


class Driver:
    """Something an entry holds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rides: list[int] = [1, 2, 3]


class Touchy:
    """Everything that could be asked of it is a failure."""

    __slots__ = ("secret", "unset")

    def __init__(self) -> None:
        object.__setattr__(self, "secret", 41)

    def _refuse(self, *_: object) -> Any:
        raise AssertionError

    __repr__ = __str__ = __len__ = __iter__ = __eq__ = __bool__ = __getattr__ = __format__ = _refuse
    __hash__ = object.__hash__

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Refuse as well."""
        raise AssertionError


class TouchyDict(dict[Any, Any]):
    """A mapping that answers nobody."""

    __len__ = __iter__ = items = keys = values = __getitem__ = __contains__ = Touchy._refuse  # noqa: SLF001


INFLIGHT: dict[str, Driver] = {}
QUEUE: collections.deque[Driver] = collections.deque()


class Holder:
    """Holds a container that no path of names leads to."""

    def __init__(self) -> None:
        self.found = {f"key-{number}": [number] for number in range(40)}


HOLDERS = [Holder()]
_HERE = __name__


@pytest.fixture(autouse=True)
def filled() -> Any:
    """Fill the containers of this module, under the name by which it can be found, and empty them again."""
    INFLIGHT.update({f"req-{number}": Driver(f"driver {number}") for number in range(1_512)})
    QUEUE.extend(INFLIGHT.values())
    yield
    INFLIGHT.clear()
    QUEUE.clear()


def _finding(owner: str | None) -> Finding:
    return attrs.evolve(REPORTED["dict_by_request_id"][1].finding, owner=owner)


def test_the_newest_entries_are_told_as_texts() -> None:
    """Keys and values, and what the values hold one level down; the newest first."""
    found = _finding(f"{_HERE}.INFLIGHT").entries(2, show_values=True)

    assert repr(found) == f"<Entries 2 of 1,512 in {_HERE}.INFLIGHT>"
    assert found.text().splitlines() == [
        f"the newest 2 of 1,512 entries of {_HERE}.INFLIGHT, dict",
        "  key         value",
        f"  'req-1511'  {_HERE}.Driver",
        "                name: 'driver 1511'",
        "                rides: list of 3",
        f"  'req-1510'  {_HERE}.Driver",
        "                name: 'driver 1510'",
        "                rides: list of 3",
    ]
    assert found.why() == str(found) == found.text()
    assert [entry.key.text for entry in found if entry.key] == ["'req-1511'", "'req-1510'"]
    assert (len(found), found[1].value.type) == (2, f"{_HERE}.Driver")


def test_a_path_will_do() -> None:
    """A container that no finding is about is looked at by its path, as a report would have it."""
    found = entries_of(f"{_HERE}.QUEUE", 1, show_values=True)

    assert found.text().splitlines() == [
        f"the newest 1 of 1,512 entries of {_HERE}.QUEUE, collections.deque",
        "    value",
        f"    {_HERE}.Driver",
        "      name: 'driver 1511'",
        "      rides: list of 3",
    ]


def test_nobody_is_asked_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, and without leave, nothing is shown."""
    monkeypatch.setattr("leakdiff.asking.is_somebody_there", lambda: False)
    with pytest.raises(ValuesNotAllowed) as raised:
        _finding(f"{_HERE}.INFLIGHT").entries(3)

    assert "Finding.entries() would show keys and values of the program" in str(raised.value)
    assert "req-" not in str(raised.value)


def test_a_no_is_a_no() -> None:
    """What is refused in the call is not asked."""
    with pytest.raises(ValuesNotAllowed):
        _finding(f"{_HERE}.INFLIGHT").entries(3, show_values=False)


@pytest.mark.parametrize("count", [0, -1, 33, True, 1.5, "3", None])
def test_the_number_must_work(count: Any) -> None:
    """A number of entries is one from 1 to 32."""
    with pytest.raises(BadOption, match="a whole number from 1 to 32"):
        _finding(f"{_HERE}.INFLIGHT").entries(count, show_values=True)


def test_growth_without_an_owner_has_no_entries() -> None:
    """What no Python object owns cannot be looked into."""
    with pytest.raises(OwnerNotFound, match="no Python object owns this growth"):
        _finding(None).entries(show_values=True)


_HIDDEN = """
import json
from leakdiff.entries import entries_of
from leakdiff.errors import OwnerNotFound
import functools, leakdiff

class Holder:
    def __init__(self):
        self.found = {f"key-{number}": [number] for number in range(40)}

HOLDERS = [Holder() for _ in range(3)]

@functools.lru_cache(None)
def cached(number):
    return [number]

[cached(number) for number in range(50)]
found = entries_of("__main__.HOLDERS[*].found", 1, show_values=True)
try:
    lru = entries_of("__main__.cached cache", 1, show_values=True).text()
except OwnerNotFound as error:
    lru = str(error)
try:
    entries_of("app.nowhere._inflight", show_values=True)
except OwnerNotFound as error:
    trace, nowhere = error.__traceback__.tb_next, str(error)
kept = set()
while trace is not None:
    kept.update(type(value).__name__ for value in trace.tb_frame.f_locals.values())
    trace = trace.tb_next
print(json.dumps([found.text(), lru, nowhere, sorted(kept), repr(found)]))
"""


@pytest.fixture(scope="module")
def walked() -> list[Any]:
    """Ask for what needs a walk, in a process with a small heap."""
    return list(run_fresh(_HIDDEN))


def test_a_path_that_leads_nowhere_keeps_nothing_alive(walked: list[Any]) -> None:
    """A prompt keeps the last traceback, and with it the frames: none of them may hold the heap."""
    _, _, nowhere, kept, _ = walked

    assert "containers that can be reached by name in this process is called that" in nowhere
    assert set(kept) <= {"NoneType", "bool", "int", "str"}


def test_what_names_do_not_lead_to_is_found_by_a_walk(walked: list[Any]) -> None:
    """A path with ``[*]`` or a cache in it leads to the largest container of that name."""
    found, lru, *_, shown = walked

    assert shown == "<Entries 1 of 40 in one of 3 containers __main__.HOLDERS[*].found>"
    assert found.splitlines() == [
        "the newest 1 of 40 entries of one of 3 containers __main__.HOLDERS[*].found, dict",
        "  key       value",
        "  'key-39'  list of 1",
        "              0: 39",
    ]
    assert "of 50 entries of __main__.cached cache" in lru or "hides the 50 that it holds" in lru


def test_no_code_of_the_program_runs() -> None:
    """Objects that refuse to be asked anything are told by type, attribute and length."""
    mapping = TouchyDict()
    dict.__setitem__(mapping, "a", Touchy())
    entries = newest_of({Touchy(): mapping, "plain": Touchy()}, "app.x", 5)

    assert entries.text().splitlines() == [
        "the newest 2 of 2 entries of app.x, dict",
        f"  key{' ' * (len(_HERE) + 6)}value",
        f"  'plain'{' ' * (len(_HERE) + 2)}{_HERE}.Touchy",
        f"{' ' * (len(_HERE) + 13)}secret: 41",
        f"  {_HERE}.Touchy  {_HERE}.TouchyDict of 1",
        f"{' ' * (len(_HERE) + 13)}'a': {_HERE}.Touchy",
    ]


def test_no_object_is_kept() -> None:
    """What is shown outlives nothing: the objects die although the entries are kept, as IPython keeps them."""
    held = {"key": Driver("one")}
    weak = weakref.ref(held["key"])
    kept = newest_of(held, "app.held", 3)
    held.clear()
    gc.collect()

    assert weak() is None
    assert "'one'" in kept.text()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        (-12, "-12"),
        (1 << 4_096, "int of 4,097 bits"),
        ("it's\n\x1b[31m", '"it\'s\\n\\x1b[31m"'),
        (b"\x00raw", "b'\\x00raw'"),
        ("x" * 10_000_000, f"'{'x' * 200}'... (10,000,000 characters)"),
        ("\ud800", "'\\ud800'"),
        ([1, 2], "list of 2"),
        (int, "class int"),
        (len, "function len"),
        (peek, "function peek"),
        (object(), "object"),
    ],
    ids=range(14),
)
def test_a_text_for_each_kind(value: object, text: str) -> None:
    """Texts and numbers as they are, as far as 200 characters; everything else by its type."""
    assert peek(value).text == text


def test_parts_are_bounded() -> None:
    """Of large containers and objects eight parts are told, and how many more there are."""
    found = peek({number: str(number) for number in range(100)})

    assert found.parts[:2] == (("0", "'0'"), ("1", "'1'"))
    assert (len(found.parts), found.more) == (8, 92)
    assert peek((1, "a")).parts == (("0", "1"), ("1", "'a'"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    )
)
def test_anything_can_be_peeked_at(value: object) -> None:
    """Whatever an entry holds, its text is one printable line of bounded length."""
    found = peek(value)
    texts = [found.text, *(text for pair in found.parts for text in pair)]

    assert all(text.isprintable() and len(text) < 1_000 for text in texts)
    assert isinstance(newest_of([value], "app.x", 3), Entries)
