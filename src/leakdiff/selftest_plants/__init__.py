"""A leak of every kind leakdiff claims to see, and a clean twin of each.

``leakdiff selftest`` runs them all in the interpreter at hand. ``PLANTS`` lists them
and imports none: each is a module of its own, run in a process of its own, with
``leak(units)`` and ``clean(units)`` and, where it needs them, ``setup()`` and
``teardown()``.
"""

from __future__ import annotations

from leakdiff.selftest_plants.registry import PLANTS, Plant

__all__ = ["PLANTS", "Plant"]
