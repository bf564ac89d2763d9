"""The code behind an owner: where it is named, the lines that put entries in and those that take them out."""

from __future__ import annotations

import enum

import attrs

from leakdiff.model.heap import Bound, Site
from leakdiff.model.one_line import one_line

NEVER = " and never "  # between the two halves of a pair of which a function calls one only


class NameKind(enum.StrEnum):
    """How code names an owner."""

    GLOBAL = "global"  # a name of a module
    ATTRIBUTE = "attribute"  # an attribute of a class or of its instances
    LOCAL = "local"  # a local of a running or suspended function, or a variable of a closure
    DEFAULT = "default"  # an argument with a mutable default
    CACHE = "cache"  # a function that a cache wraps: calling it puts, ``cache_clear()`` removes


@attrs.frozen
class Scope:
    """A class or function in which a name means the owner.

    Attributes:
        qualname: Its qualified name, such as ``Emitter`` or ``serve.<locals>.worker``.
        file: Its source file.
        line: Its first line where that is known, else 0.
    """

    qualname: str
    file: str
    line: int = 0

    __repr__ = one_line


@attrs.frozen
class Home:
    """Where code that names an owner is to be looked for.

    Attributes:
        kind: How code names it.
        name: The name: the last identifier on the path to the owner, such as ``_inflight`` or ``_events``.
        module: The module that holds the name or defines the first of the scopes.
        file: That module's source file; empty where there is none.
        scopes: Classes by method resolution order for an attribute, the function for a local or a default; empty
            for a global.
        below: How many entries lie between what the name stands for and the owner: 1 for ``_events[*]``.
        owner_type: The owner's type name.
        files: ``(module, source file)`` of loaded modules that may name it as well: those of the same package, and
            for a program's own code all of it.
        outer: Where the name is one of a library's: the name by which the program itself knows the object around.
    """

    kind: NameKind
    name: str
    module: str
    file: str
    scopes: tuple[Scope, ...] = ()
    below: int = 0
    owner_type: str = ""
    files: tuple[tuple[str, str], ...] = ()
    outer: Home | None = None

    __repr__ = one_line


@attrs.frozen
class CodeSite:
    """A line that puts entries into an owner or takes them out.

    Attributes:
        site: The line.
        how: The operation: ``[key] =``, ``append``, ``del``, ``pop``, ``rebinding``.
        only: When it runs, such as ``only if driver.accepted (line 56)``; empty where it always does.
        per_unit: Entries that it put in (negative: took out) per unit in the round measured by line; None where it
            was not measured.
        is_sure: Whether the name surely means this owner there; False for an attribute of the same name on an object
            of which the type is not known.
    """

    site: Site
    how: str
    only: str = ""
    per_unit: float | None = None
    is_sure: bool = True

    __repr__ = one_line


def half_of_pair(miss: CodeSite) -> tuple[str, str]:
    """Return what a function calls that puts, and what that removes it never calls; both empty for other misses."""
    put, never, gone = miss.how.removeprefix("calls ").partition(NEVER)
    return (put, gone) if never else ("", "")


@attrs.frozen
class Code:
    """What the source says of an owner.

    Attributes:
        puts: Lines that put entries in; those that were seen to do so first.
        gones: Lines that take entries out.
        summary: One sentence, such as ``1 insert, 1 removal, and the removal runs only if driver.accepted (line 56)``.
        bound: A limit that the code enforces: a removal that runs when the owner's length passes a number.
        missing: Why there is nothing to read, in a sentence, where there is not.
        pending: Who cancels the tasks, futures or timers among the entries, in a sentence.
        made: Lines that make the owner, ``how`` naming what and the bound it is not given; at most three.
        misses: Places where an entry's life seems to end and that do not remove it, ``how`` saying why it seems so,
            most likely first; at most three, and none where a removal always runs.
    """

    puts: tuple[CodeSite, ...] = ()
    gones: tuple[CodeSite, ...] = ()
    summary: str = ""
    bound: Bound | None = None
    missing: str = ""
    pending: str = ""
    made: tuple[CodeSite, ...] = ()
    misses: tuple[CodeSite, ...] = ()

    __repr__ = one_line


@attrs.frozen
class Moves:
    """What one line was seen to do to an owner's length in the round that was measured by line.

    Attributes:
        file: Its file.
        line: Its number.
        put: Entries put in per unit.
        gone: Entries taken out per unit.
    """

    file: str
    line: int
    put: float
    gone: float

    __repr__ = one_line
