"""Key shapes: what the keys of an owner look like, never what they are."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.capture.entries import key_shape
from strategies import texts

ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.mark.parametrize(
    ("shape", "keys"),
    [
        ("str 'req-' + 8 hex", ["req-0a1b2c3d", "req-ffffffff", "req-00000001"]),
        ("str 'req-' + 8 digits", ["req-00000012", "req-00000013"]),
        ("str 'user:' + 1-3 digits", ["user:7", "user:42", "user:300"]),
        ("str 'orders/' + 4 hex", ["orders/00aa", "orders/00ab"]),
        ("str 8 hex", ["0a1b2c3d", "ffffffff"]),
        ("str 6 digits", ["123456", "654321"]),
        ("str 4-7 characters", ["anna", "bernard"]),
        ("str 5 characters", ["٣٤٥٦٧", "٧٦٥٤٣"]),
        ("str UUID", [str(ONE), str(TWO)]),
        ("UUID", [ONE, TWO]),
        ("int sequential", [3, 1, 2]),
        ("int", [10, 20, 40]),
        ("int", [7]),
        ("bytes", [b"a", b"b"]),
        ("bool", [True, False]),
        ("tuple(str, int)", [("a", 1), ("b", 2)]),
        ("tuple(int, str, NoneType)", [(1, "a", None)]),
        ("tuple of 2", [("a", 1), (1, "a")]),
        ("tuple", [("a",), ("a", "b")]),
        ("int or str", [1, "a", 2]),
        ("NoneType or bytes or int", [None, b"", 0]),
        ("datetime.date or str", [date(2024, 2, 29), "a"]),
    ],
)
def test_keys_have_a_shape(shape: str, keys: Sequence[object]) -> None:
    """Each kind of key is described by type, shared start, length and alphabet."""
    assert key_shape(keys) == shape


def test_no_keys_have_no_shape() -> None:
    """A list has no keys, and an empty dict says nothing about its own."""
    assert key_shape([]) is None


def test_a_single_text_shows_nothing_of_itself() -> None:
    """What one key begins with could be the value."""
    assert key_shape(["anna:secret"]) == "str 11 characters"


def test_a_shared_start_ends_at_a_separator() -> None:
    """Texts that happen to begin alike share nothing that names their kind."""
    assert key_shape(["annabel", "annalena"]) == "str 7-8 characters"


def test_a_key_of_an_own_class_is_not_asked() -> None:
    """Hash, equality, repr and length of a user's key stay uncalled."""

    class Touchy(str):
        __slots__ = ()

        def __repr__(self) -> str:
            pytest.fail("called")

        __len__ = __getitem__ = __str__ = __repr__  # type: ignore[assignment]

    shape = key_shape([str.__new__(Touchy, "secret")])

    assert shape is not None
    assert shape.endswith("Touchy")


SHAPE_OF_TEXT = re.compile(r"str (UUID|('[A-Za-z][A-Za-z_]{0,15}[-_:./]' \+ )?\d+(-\d+)? (digits|hex|characters))")


@given(st.lists(texts | st.text("abc012-:", max_size=9), min_size=1, max_size=8, unique=True))
def test_texts_show_a_shared_word_and_nothing_else(keys: list[str]) -> None:
    """No digit, no control character and no rest of a key gets into its shape."""
    shape = key_shape(keys)

    assert shape is not None
    assert SHAPE_OF_TEXT.fullmatch(shape)


@given(
    st.lists(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.tuples(st.integers(), st.text()),
        max_size=8,
    )
)
def test_the_order_of_keys_does_not_matter(keys: list[object]) -> None:
    """The same entries, read from the other end, have the same shape."""
    assert key_shape(keys) == key_shape(keys[::-1])
