"""Modules made at run time and entered into ``sys.modules``."""

from __future__ import annotations

import itertools
import sys
import types

_PREFIX = "leakdiff_plant_plugin_"

_numbers = itertools.count()


def load_plugin() -> str:
    """Make one more module, enter it, and return its name."""
    module = types.ModuleType(f"{_PREFIX}{next(_numbers)}")
    sys.modules[module.__name__] = module
    return module.__name__


def leak(units: int) -> None:
    """Load plugins that stay."""
    for _ in range(units):
        load_plugin()


def clean(units: int) -> None:
    """Load plugins and unload each one."""
    for _ in range(units):
        del sys.modules[load_plugin()]


def teardown() -> None:
    """Unload every plugin."""
    for name in [name for name in sys.modules if name.startswith(_PREFIX)]:
        del sys.modules[name]
