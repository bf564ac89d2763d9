"""Sixteen bytes from C's ``malloc`` that nobody frees: no Python object at all."""

from __future__ import annotations

import ctypes
import sys

_libc = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
_malloc = _libc.malloc
_malloc.argtypes = [ctypes.c_size_t]
_malloc.restype = ctypes.c_void_p
_free = _libc.free
_free.argtypes = [ctypes.c_void_p]
_free.restype = None


def leak(units: int) -> None:
    """Allocate and forget the address."""
    for _ in range(units):
        _malloc(16)


def clean(units: int) -> None:
    """Allocate and free."""
    for _ in range(units):
        _free(_malloc(16))
