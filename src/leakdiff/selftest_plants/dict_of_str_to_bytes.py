"""A dict of str to bytes, which gc does not track up to CPython 3.13."""

from __future__ import annotations

import itertools

_numbers = itertools.count()
_etags: dict[str, bytes] = {}


def tag_page() -> str:
    """Remember the tag of one more page, and return the page's address."""
    number = next(_numbers)
    address = f"/pages/{number}"
    _etags[address] = b"etag-%032d" % number
    return address


def leak(units: int) -> None:
    """Remember tags for ever."""
    for _ in range(units):
        tag_page()


def clean(units: int) -> None:
    """Remember each tag and drop it."""
    for _ in range(units):
        del _etags[tag_page()]


def teardown() -> None:
    """Forget every tag."""
    _etags.clear()
