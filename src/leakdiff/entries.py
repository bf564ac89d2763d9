"""The newest entries of an owner, looked at in this process: the one place that shows what a program keeps."""

from __future__ import annotations

import attrs

from leakdiff.asking import allowed
from leakdiff.capture.entries import SAMPLE
from leakdiff.errors import BadOption, OwnerNotFound
from leakdiff.interpreter import require_supported_interpreter
from leakdiff.model.entries import Entries as Entries  # noqa: PLC0414  # this is where it comes from
from leakdiff.model.report import Finding
from leakdiff.options import DEFAULTS
from leakdiff.render.plain import printable


def entries_of(finding: Finding | str, count: int = 3, *, show_values: bool | None = None) -> Entries:
    """Return the newest entries of an owner as they are now: their keys, values and attributes, as texts.

    It runs none of the program's code, and keeps none of its objects. Values are shown, so it asks.

    Args:
        finding: What a report says, or the path of a container as a report has it.
        count: How many, at most.
        show_values: Whether to show them; None asks at a prompt, and refuses elsewhere.

    Raises:
        BadOption: If the number cannot work.
        ValuesNotAllowed: If nobody allowed it.
        OwnerNotFound: If the owner cannot be found in this process, or hides what it holds.
        UnsupportedInterpreter: Elsewhere than on CPython 3.11 or newer with the GIL.
    """
    if type(count) is not int or not 1 <= count <= SAMPLE:
        raise BadOption("count", count, f"a whole number from 1 to {SAMPLE}")
    path = _path(finding)
    require_supported_interpreter()
    allowed("Finding.entries()", show_values)
    found, walked = _by_names(path, count), 0
    if found is None:
        found, walked = _by_walk(path, count)
    if found is None:
        raise OwnerNotFound(
            printable(path),
            f"none of the {walked:,} containers that can be reached by name in this process is called that",
            "It may be gone, or the report may be of another process; snapshot().owners.like(text) lists containers.",
        )
    if not found.entries and found.length:
        raise OwnerNotFound(
            f"An entry of {printable(path)}",
            f"it is a {found.type}, which hides the {found.length:,} that it holds",
            "report.findings[0].graph says what lies below it.",
        )
    return found


def _path(finding: Finding | str) -> str:
    if isinstance(finding, str):
        return finding
    if finding.owner is None:
        raise OwnerNotFound(
            f"An owner of [{finding.fingerprint}]",
            "no Python object owns this growth",
            "Its why() says what is known of it.",
        )
    return finding.owner


def _by_names(path: str, count: int) -> Entries | None:
    from leakdiff.capture.peek import newest_at

    return newest_at(path, count)


def _by_walk(path: str, count: int) -> tuple[Entries | None, int]:
    """Look for the path among all containers of the heap: ``[*]``, locals and the like cannot be followed by name.

    It raises nothing of its own: a prompt keeps the last traceback, and with it the frame that holds the heap.

    Returns:
        The entries, if it is among them, and how many containers there are.
    """
    from leakdiff.capture.peek import newest_of
    from leakdiff.capture.snapshots import read_heap

    reading = read_heap(owners=True, seconds=DEFAULTS.max_seconds)
    holdings = reading.inventory.holdings if reading.inventory is not None else {}
    if path not in holdings:
        return None, len(holdings)
    found = newest_of(holdings[path].chain[-1], path, count)
    return attrs.evolve(found, containers=holdings[path].containers), len(holdings)
