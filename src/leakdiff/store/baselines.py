"""Baselines as files to be committed: JSON with a line for each leak, sorted, so that a diff shows what changed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from leakdiff.errors import BadBaseline, BaselineMissing
from leakdiff.model.baseline import KnownLeak
from leakdiff.model.report import ACCUSING
from leakdiff.store.codec import Malformed, plain_of, value_of
from leakdiff.store.files import write_whole

FORMAT = 1

_KIND = "baseline"
_MOST_BYTES = 1 << 24  # 16 MiB; a leak takes about 250 bytes
_CONFLICT = re.compile(rb"^(?:<{7}|>{7}) ", re.MULTILINE)
_FINGERPRINT = re.compile("[0-9a-f]{6}")
_REWRITE = "Mend that line, or take the last committed version."
_OTHER = "Name a file that --write-baseline or Baseline.save wrote."


def save(known: Sequence[KnownLeak], path: str | os.PathLike[str]) -> None:
    """Write known leaks to a file, whole or not at all; the same leaks in any order give the same bytes.

    Raises:
        CannotWrite: If the file cannot be written; nothing half-written stays.
    """
    write_whole(Path(path), encoded(known))


def load(path: str | os.PathLike[str]) -> tuple[KnownLeak, ...]:
    """Read known leaks from a file.

    Raises:
        BaselineMissing: If there is no such file.
        BadBaseline: If it holds no baseline that this leakdiff can read.
    """
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        return decoded(content)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BaselineMissing(name) from error
    except Malformed as error:
        raise BadBaseline(name, error.saw, error.todo) from error
    except (OSError, ValueError) as error:
        raise BadBaseline(name, str(getattr(error, "strerror", None) or error), _OTHER) from error


def encoded(known: Sequence[KnownLeak]) -> bytes:
    """Return known leaks as JSON text with a line for each."""
    lines = ",\n".join(f"    {_json(plain_of(leak))}" for leak in sorted(known, key=_order))
    listed = f"[\n{lines}\n  ]" if lines else "[]"
    text = f'{{\n  "format": {FORMAT},\n  "leakdiff": "{_KIND}",\n  "known": {listed}\n}}\n'
    return text.encode("utf-8", "backslashreplace")  # half of a surrogate pair becomes the escape JSON has for it


def decoded(content: bytes) -> tuple[KnownLeak, ...]:
    """Return the known leaks that JSON holds.

    Raises:
        Malformed: If it is no baseline, of a newer format, or holds a leak twice.
    """
    if _CONFLICT.search(content):
        raise Malformed("it holds the marks of a merge conflict", "Resolve it: keep the lines of both sides.")
    listed = _document(_parsed(content))
    known = tuple(_leak(plain, f"known[{position}]") for position, plain in enumerate(listed))
    _refuse_twins(known)
    return known


def _order(leak: KnownLeak) -> tuple[str, str, str]:
    return leak.target, leak.owner or "", leak.fingerprint


def _json(plain: object) -> str:
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


def _parsed(content: bytes) -> Any:
    if len(content) > _MOST_BYTES:
        raise Malformed(f"it holds more than {_MOST_BYTES >> 20} MiB, as no baseline does", _OTHER)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Malformed("it is no text", _OTHER) from error
    except json.JSONDecodeError as error:
        raise Malformed(f"it is no JSON ({error.msg} in line {error.lineno})", _REWRITE) from error
    except (ValueError, RecursionError) as error:
        raise Malformed("it is no JSON that can be read", _OTHER) from error


def _document(plain: Any) -> list[Any]:
    if type(plain) is not dict or plain.get("leakdiff") != _KIND or type(plain.get("format")) is not int:
        raise Malformed("it is JSON of something else", _OTHER)
    if plain["format"] > FORMAT:
        newer = f"it was written by a newer leakdiff (format {plain['format']}; this one reads up to {FORMAT})"
        raise Malformed(newer, "Upgrade leakdiff.")
    if type(plain.get("known")) is not list:
        raise Malformed("it has no list called known", _REWRITE)
    listed: list[Any] = plain["known"]
    return listed


def _leak(plain: Any, at: str) -> KnownLeak:
    try:
        leak = value_of(KnownLeak, plain, at)
    except Malformed as error:
        raise Malformed(error.saw, _REWRITE) from error
    unknown = sorted(plain.keys() - attrs.fields_dict(KnownLeak).keys())
    if unknown:
        raise Malformed(f"{at} has a field {unknown[0]!r}, which leakdiff would lose", "Put notes into its why.")
    if not _FINGERPRINT.fullmatch(leak.fingerprint):
        raise Malformed(f"{at}.fingerprint should be six hex digits", _REWRITE)
    if leak.verdict not in ACCUSING:
        raise Malformed(f"{at}.verdict should be {' or '.join(ACCUSING)}", _REWRITE)
    if leak.per_unit < 0:
        raise Malformed(f"{at}.per_unit should not be negative", _REWRITE)
    return leak


def _refuse_twins(known: Sequence[KnownLeak]) -> None:
    seen = set()
    for leak in known:
        if (leak.target, leak.fingerprint) in seen:
            twice = f"it has the leak {leak.fingerprint} of {leak.target or 'one target'} twice"
            raise Malformed(twice, "Delete one of the two lines.")
        seen.add((leak.target, leak.fingerprint))
