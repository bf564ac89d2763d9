"""Names for lines of code that are the same wherever the code was installed."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Sequence

from leakdiff.source_files import is_installed, is_own_file, is_users_file


def place_of(code: types.CodeType, line: int | None) -> str:
    """Return ``package/file.py:12``: the file below the folder it was imported from."""
    return f"{_below_import_folder(code.co_filename)}:{line or code.co_firstlineno}"


def most_telling(codes: Sequence[types.CodeType]) -> int:
    """Return which of the codes of a stack, innermost first, says most about what it is doing there.

    That is the innermost of the user's own, else of an installed package, else of the standard library.
    """
    files = [code.co_filename for code in codes]
    for is_telling in (is_users_file, is_installed, _is_not_own):
        for position, file in enumerate(files):
            if is_telling(file):
                return position
    return 0


def _is_not_own(file: str) -> bool:
    return not is_own_file(file)


def _below_import_folder(file: str) -> str:
    folders = [entry for entry in list.copy(sys.path) if type(entry) is str and file.startswith(entry + os.sep)]
    longest = max(map(len, folders), default=0)
    return file[longest:].lstrip(os.sep) if longest > 1 else os.path.basename(file)
