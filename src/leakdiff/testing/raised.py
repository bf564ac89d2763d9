"""What the code of a test raised, without the frames that are ours or pytest's."""

from __future__ import annotations

import traceback
from types import TracebackType

from leakdiff.errors import StepFailed
from leakdiff.source_files import is_own_file

_MACHINERY = ("/_pytest/", "/pluggy/", "\\_pytest\\", "\\pluggy\\")


def shown(error: StepFailed) -> str:
    """Return the traceback of why a step failed, as text."""
    told = traceback.TracebackException.from_exception(error.__cause__ or error)
    told.stack = traceback.StackSummary.from_list([one for one in told.stack if not _is_machinery(one.filename)])
    return "".join(told.format())


def below_ours(found: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in the test."""
    while found is not None and _is_machinery(found.tb_frame.f_code.co_filename):
        found = found.tb_next
    return found


def _is_machinery(file: str) -> bool:
    return is_own_file(file) or any(part in file for part in _MACHINERY)
