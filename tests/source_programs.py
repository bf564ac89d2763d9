"""Programs written to a folder, the home of a name in them, and what is read of it, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from leakdiff.model.code import CodeSite, Home, Moves, NameKind, Scope
from leakdiff.source.read import read_code


def write(  # noqa: PLR0913  # the parts of a home
    folder: Path,
    source: str,
    name: str,
    *,
    kind: NameKind = NameKind.GLOBAL,
    scope: str = "",
    below: int = 0,
    owner_type: str = "dict",
    others: dict[str, str] | None = None,
) -> Home:
    """Write a program to ``app.py``, and others beside it, and return where it names an owner."""
    file = folder / "app.py"
    file.write_text(textwrap.dedent(source).strip("\n") + "\n", encoding="utf-8")
    files = []
    for module, text in (others or {}).items():
        beside = folder / f"{module}.py"
        beside.write_text(textwrap.dedent(text).strip("\n") + "\n", encoding="utf-8")
        files.append((module, str(beside)))
    scopes = (Scope(scope, str(file)),) if scope else ()
    return Home(kind, name, "app", str(file), scopes, below, owner_type, tuple(files))


def told(home: Home, moves: Sequence[Moves] = ()) -> list[str]:
    """Return what is read of an owner, a line for each site and one for the summary."""
    code = read_code(home, moves)
    puts = [f"put {_site(home, site)}" for site in code.puts]
    gones = [f"gone {_site(home, site)}" for site in code.gones]
    return [*puts, *gones, f"=> {code.summary}"]


def _site(home: Home, one: CodeSite) -> str:
    place = f"{one.site.line}" if one.site.file == home.file else f"{Path(one.site.file).name}:{one.site.line}"
    only = f", {one.only}" if one.only else ""
    rate = f" [{one.per_unit:+.2f}]" if one.per_unit is not None else ""
    doubt = "" if one.is_sure else " (unsure)"
    return f"{place} {one.site.function}: {one.how}{only}{rate}{doubt}"
