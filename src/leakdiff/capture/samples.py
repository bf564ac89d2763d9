"""A few keys of an owner, as far as somebody who was asked lets them out."""

from __future__ import annotations

from collections.abc import Callable

from leakdiff.capture.entries import newest
from leakdiff.capture.lookup import container_at

_PLAIN = (str, int, bytes, float)
_LONGEST = 200  # characters of what is let out of one key


def newest_keys(path: str, let_out: Callable[[str, object], str | None], count: int = 5) -> tuple[str, ...]:
    """Return what may be shown of an owner's newest keys, which is nothing where it cannot be found by names alone.

    Only keys that are exactly a text, a number or bytes are looked at: others could run code of the program.

    Args:
        path: The owner's path.
        let_out: Called with the path and a key; what it returns is shown, and nothing where it returns anything but a
            text, or raises.
        count: Keys at most.
    """
    keys, _ = newest(container_at(path), count)
    plain = [key for key in keys if any(type(key) is kind for kind in _PLAIN)]
    shown = (_let_out(path, key, let_out) for key in plain)
    return tuple(text[:_LONGEST] for text in shown if text is not None)


def _let_out(path: str, key: object, let_out: Callable[[str, object], str | None]) -> str | None:
    try:
        text: object = let_out(path, key)
    except Exception:  # noqa: BLE001 - whatever it is, a key that could not be judged stays here
        return None
    return text if type(text) is str else None
