"""A reference to a fresh str that C code took and never gives back."""

from __future__ import annotations

import ctypes
import itertools

_numbers = itertools.count()

_take = ctypes.pythonapi.Py_IncRef
_take.argtypes = [ctypes.py_object]
_take.restype = None
_give_back = ctypes.pythonapi.Py_DecRef
_give_back.argtypes = [ctypes.py_object]
_give_back.restype = None


def leak(units: int) -> None:
    """Take a reference to a new str."""
    for number in itertools.islice(_numbers, units):
        _take(f"leaked-{number:032d}")


def clean(units: int) -> None:
    """Take a reference to a new str, and give it back."""
    for number in itertools.islice(_numbers, units):
        text = f"leaked-{number:032d}"
        _take(text)
        _give_back(text)
