"""What to do where no cause is known by name."""

from __future__ import annotations

from leakdiff.model.report import Verdict

_ENTRY = "remove the entry on every path (try/finally), or bound the container (maxsize, TTL)"
_NATIVE = "report it to the extension with the lines above, or free what its documentation says must be freed"
_DESCRIPTORS = "close what is opened on every path (with statement)"


def advise(verdict: Verdict, owner: str | None, kind: str = "") -> str:
    """Return one sentence of advice.

    Args:
        verdict: Of the finding.
        owner: The owner's name.
        kind: What grows, where no owner holds it.
    """
    if kind == "file descriptors":
        return _DESCRIPTORS
    if verdict is Verdict.NATIVE or owner is None:
        return _NATIVE
    if verdict is not Verdict.LEAK:
        return ""
    return _ENTRY
