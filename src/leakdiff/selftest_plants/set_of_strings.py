"""A set of strings: no gc-tracked object grows but the set itself."""

from __future__ import annotations

import itertools

_numbers = itertools.count()
_seen_tokens: set[str] = set()


def see_token() -> str:
    """Add one new token to the set, and return it."""
    token = f"token-{next(_numbers):032d}"
    _seen_tokens.add(token)
    return token


def leak(units: int) -> None:
    """See tokens and remember them all."""
    for _ in range(units):
        see_token()


def clean(units: int) -> None:
    """See tokens and discard each one."""
    for _ in range(units):
        _seen_tokens.discard(see_token())


def teardown() -> None:
    """Forget every token."""
    _seen_tokens.clear()
