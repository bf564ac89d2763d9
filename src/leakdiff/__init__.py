"""leakdiff says whether a Python process leaks, what grows, and who holds it."""

from leakdiff.__about__ import __version__
from leakdiff.errors import LeakdiffError, LeakFound
from leakdiff.model.report import Finding, Report, Verdict
from leakdiff.session import check

__all__ = ["Finding", "LeakFound", "LeakdiffError", "Report", "Verdict", "__version__", "check"]
