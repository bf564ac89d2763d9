"""leakdiff says whether a Python process leaks, what grows, and who holds it.

The public names are imported when they are first used: ``import leakdiff`` itself costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from leakdiff.__about__ import __version__

if TYPE_CHECKING:
    from leakdiff.alive import owners, why_alive
    from leakdiff.capture.adapters import register_adapter, unregister_adapter
    from leakdiff.capture.traffic import count_units
    from leakdiff.errors import LeakdiffError, LeakFound
    from leakdiff.live import diff, explain, snapshot, trend, watch, watching
    from leakdiff.model.baseline import Baseline
    from leakdiff.model.diff import Diff
    from leakdiff.model.report import Finding, Report, Verdict
    from leakdiff.model.snapshot import Snapshot
    from leakdiff.model.trend import Trend
    from leakdiff.monitor import Monitor
    from leakdiff.session import check
    from leakdiff.soaks import Scenario, cancel_midway, disconnect, raise_midway, soak, timeout_midway
    from leakdiff.tracking import track, who_adds

__all__ = [
    "Baseline",
    "Diff",
    "Finding",
    "LeakFound",
    "LeakdiffError",
    "Monitor",
    "Report",
    "Scenario",
    "Snapshot",
    "Trend",
    "Verdict",
    "__version__",
    "cancel_midway",
    "check",
    "count_units",
    "diff",
    "disconnect",
    "explain",
    "owners",
    "raise_midway",
    "register_adapter",
    "snapshot",
    "soak",
    "timeout_midway",
    "track",
    "trend",
    "unregister_adapter",
    "watch",
    "watching",
    "who_adds",
    "why_alive",
]
_HOMES = {
    "alive": ("owners", "why_alive"),
    "capture.adapters": ("register_adapter", "unregister_adapter"),
    "capture.traffic": ("count_units",),
    "errors": ("LeakFound", "LeakdiffError"),
    "ipython": ("load_ipython_extension", "unload_ipython_extension"),  # %load_ext leakdiff asks for them
    "live": ("diff", "explain", "snapshot", "trend", "watch", "watching"),
    "model.baseline": ("Baseline",),
    "model.diff": ("Diff",),
    "model.report": ("Finding", "Report", "Verdict"),
    "model.snapshot": ("Snapshot",),
    "model.trend": ("Trend",),
    "monitor": ("Monitor",),
    "session": ("check",),
    "soaks": ("Scenario", "cancel_midway", "disconnect", "raise_midway", "soak", "timeout_midway"),
    "tracking": ("track", "who_adds"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return globals().setdefault(name, getattr(importlib.import_module(f"leakdiff.{home}"), name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
