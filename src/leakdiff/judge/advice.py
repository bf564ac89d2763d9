"""What to do: where no cause is known by name, and where the code tells more than the cause does."""

from __future__ import annotations

from leakdiff.model.cause import Cause
from leakdiff.model.code import Code, half_of_pair
from leakdiff.model.report import Verdict

_ENTRY = "remove the entry on every path (try/finally), or bound the container (maxsize, TTL)"
_NATIVE = "report it to the extension with the lines above, or free what its documentation says must be freed"
_DESCRIPTORS = "close what is opened on every path (with statement)"


def fix_of(cause: Cause, code: Code | None) -> str:
    """Return what to do about a cause: where a function calls one half of a pair only, that is the place.

    Args:
        cause: The cause.
        code: What the source says of the owner.
    """
    for miss in code.misses if code is not None else ():
        _, gone = half_of_pair(miss)
        if gone:
            return f"call {gone} in {miss.site.function or miss.site.file} as well, on every path (try/finally)"
    return cause.fix


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
