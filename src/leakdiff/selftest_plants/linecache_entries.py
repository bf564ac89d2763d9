"""Source of generated code entered into ``linecache``, so that tracebacks can show it."""

from __future__ import annotations

import itertools
import linecache

_numbers = itertools.count()


def generate() -> str:
    """Generate a function, keep its source, and return the file name it goes by."""
    name = f"<generated {next(_numbers)}>"
    source = "def double(x):\n    return 2 * x\n"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    return name


def leak(units: int) -> None:
    """Generate functions whose source stays."""
    for _ in range(units):
        generate()


def clean(units: int) -> None:
    """Generate functions and forget their source."""
    for _ in range(units):
        del linecache.cache[generate()]


def teardown() -> None:
    """Forget all that was generated."""
    for name in [name for name in linecache.cache if name.startswith("<generated ")]:
        del linecache.cache[name]
