"""What outlived the tests it was born in, under one owner: names and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from leakdiff.model.one_line import one_line

if TYPE_CHECKING:
    from leakdiff.model.owner import Accumulation

# The test runner, what it is made of, and tools that run inside it; xdist runs its workers in the last.
_RUNNERS = "_pytest", "pytest", "pluggy", "xdist", "execnet", "coverage", "hypothesis", "__channelexec__"
_RUNNER_PLUGIN = "pytest_"


def belongs_to_runner(module: str) -> bool:
    """Tell whether a module is of the test runner or of one of its plugins."""
    package = module.partition(".")[0]
    return package in _RUNNERS or package.startswith(_RUNNER_PLUGIN)


@attrs.frozen
class Gain:
    """A place in the heap graph that gained what outlived the piece of work it was born in.

    Attributes:
        found: The place, and what it gained.
        births: Numbers of the pieces of work that the gained objects were born in, sorted.
        untold: Entries it gained of which it is not known when.
        also: Positions, in the list it comes in, of other places that hold nearly all of the same.
    """

    found: Accumulation
    births: tuple[int, ...]
    untold: int = 0
    also: tuple[int, ...] = ()

    __repr__ = one_line


@attrs.frozen(kw_only=True)
class Outlived:
    """One owner of what outlived tests.

    Attributes:
        owner: Its name.
        owner_type: Its type.
        path: The way from a root over the owner to what it gained, as text.
        objects: Objects it gained that outlived their test.
        entries: Entries it gained while tests ran; 0 where it is no container.
        bytes: Shallow bytes of the objects, and what its buffers gained.
        types: Names of types and how many of each, most first.
        tests: The tests that the objects were born in, by node id; empty where that is not known.
        kept_by: Why they are kept, where that is known and no fault of the program.
        also: Names of other owners of nearly all of the same objects.
        fingerprint: Six hex digits that are the same on the next run.
    """

    owner: str
    owner_type: str
    path: str = ""
    objects: int = 0
    entries: int = 0
    bytes: int = 0
    types: tuple[tuple[str, int], ...] = ()
    tests: tuple[str, ...] = ()
    kept_by: str = ""
    also: tuple[str, ...] = ()
    fingerprint: str = ""

    def __repr__(self) -> str:
        return f"<Outlived {self.owner} {self.objects:,} objects of {len(self.tests):,} tests>"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        return attrs.asdict(self)
