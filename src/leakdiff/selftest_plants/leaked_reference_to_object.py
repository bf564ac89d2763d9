"""A reference to a fresh object that C code took and never gives back."""

from __future__ import annotations

import ctypes


class Token:
    """An object that gc tracks."""

    def __init__(self) -> None:
        self.parts = ["a", "b"]


_take = ctypes.pythonapi.Py_IncRef
_take.argtypes = [ctypes.py_object]
_take.restype = None
_give_back = ctypes.pythonapi.Py_DecRef
_give_back.argtypes = [ctypes.py_object]
_give_back.restype = None


def leak(units: int) -> None:
    """Take a reference to a new object."""
    for _ in range(units):
        _take(Token())


def clean(units: int) -> None:
    """Take a reference to a new object, and give it back."""
    for _ in range(units):
        token = Token()
        _take(token)
        _give_back(token)
