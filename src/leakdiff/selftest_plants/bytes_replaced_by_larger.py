"""A ``bytes`` under a module's name, replaced by a larger one each time."""

from __future__ import annotations

_BLOCK = b"0123456789abcdef" * 4

_ledger = b""


def leak(units: int) -> None:
    """Replace the ledger by itself and one more block."""
    global _ledger  # noqa: PLW0603 - the name is what stays the same
    for _ in range(units):
        _ledger += _BLOCK


def clean(units: int) -> None:
    """Replace the ledger by its last 4 KiB with one more block."""
    global _ledger  # noqa: PLW0603 - the name is what stays the same
    for _ in range(units):
        _ledger = (_ledger + _BLOCK)[-4096:]


def teardown() -> None:
    """Begin a new ledger."""
    global _ledger  # noqa: PLW0603 - the name is what stays the same
    _ledger = b""
