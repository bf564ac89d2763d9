"""Small services that leak, shipped so that ``leakdiff demo`` has something to find.

``matching`` has two mistakes that its docstring tells the story of, and
``matching_fixed`` is the same file with both mended: ``diff`` the two.
"""

from __future__ import annotations

from typing import Final

LEAKY: Final = "leakdiff.demo.matching:step"
"""The workload that leaks, as ``leakdiff check`` takes it."""

FIXED: Final = "leakdiff.demo.matching_fixed:step"
"""The same workload after both repairs."""

UNITS: Final = 101
"""Requests in a round: every round then meets two or three drivers who cancel."""
