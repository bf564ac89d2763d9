"""Who holds the instances of a class: how many there are, under which owners, and how many no root reaches."""

from __future__ import annotations

import difflib
import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from leakdiff.capture.alive_hidden import CONSTANTS
from leakdiff.capture.alive_holders import MOST_OBJECTS, REST
from leakdiff.capture.alive_instances import InnerWalk, TopWalk
from leakdiff.capture.alive_names import Named
from leakdiff.capture.alive_paths import Paths
from leakdiff.capture.kinds import derives, dict_of_type, is_exactly, is_own_module, size_of, type_name
from leakdiff.capture.lookup import chain_at
from leakdiff.capture.roots import Roots, find_roots, own_parts
from leakdiff.capture.walk import Budget, Pacer, Walk
from leakdiff.errors import OwnerNotFound
from leakdiff.model.alive import Alive, InstanceOwner, InstanceOwners

_MOST_TOLD = 5
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: classes of C code that are part of the interpreter do not have it
_flags: Any = type.__dict__["__flags__"].__get__
_LONGEST_NAME = 120
_SLICE = 20_000


# -- the class by its name -------------------------------------------------------------------------


def classes_named(name: str) -> tuple[type, ...]:
    """Return the classes of a name, or of the one name that ends so; there are several where they are made in a loop.

    Raises:
        OwnerNotFound: If there is none, or several names end so.
    """
    by_name: dict[str, list[type]] = {}
    for cls in every_class():
        by_name.setdefault(type_name(cls), []).append(cls)
    end = f".{name}"
    ending = [name] if name in by_name else sorted(known for known in by_name if known.endswith(end))
    if len(ending) == 1:
        return tuple(by_name[ending[0]])
    if ending:
        saw = f"{len(ending)} classes have names that end so: {_listed(ending)}"
        raise OwnerNotFound(_short(name), saw, "Give the whole name of one of them.")
    if kind := _kind_at(name):
        raise OwnerNotFound(_short(name), f"it is no class, but {kind}", f"Ask of it: leakdiff.why_alive({name}).")
    near = _near(name, [known for known in by_name if not is_own_module(known)])
    saw = f"no class of this process is called so{f'; there are {_listed(near)}' if near else ''}"
    raise OwnerNotFound(_short(name), saw, "Give a class, or its name with the module; a text itself with itself=True.")


def every_class() -> Iterator[type]:
    """Yield every class there is, each once."""
    left: list[type] = [object]
    seen: set[int] = set()
    while left:
        cls = left.pop()
        if id(cls) not in seen:
            seen.add(id(cls))
            yield cls
            left.extend(type.__subclasses__(cls))


def _kind_at(path: str) -> str:
    """Return the type of what a path of names leads to; empty if it leads to nothing."""
    _, chain = chain_at(path) if "." in path else ("", [])
    return f"an object of type {type_name(type(chain[-1]))}" if chain else ""


def _near(name: str, known: Sequence[str]) -> list[str]:
    """Return names that look like one: whole, or by their last part."""
    wanted = name[:_LONGEST_NAME].rpartition(".")[2].casefold()
    by_last: dict[str, list[str]] = {}
    for full in known:
        by_last.setdefault(full.rpartition(".")[2].casefold(), []).append(full)
    close = difflib.get_close_matches(wanted, [last for last in by_last if len(last) <= _LONGEST_NAME], _MOST_TOLD, 0.7)
    return [full for last in close for full in sorted(by_last[last])][:_MOST_TOLD]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_TOLD:,} more" if len(names) > _MOST_TOLD else ""
    return ", ".join(_short(name) for name in names[:_MOST_TOLD]) + more


def _short(name: str) -> str:
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    return "".join(char if char.isprintable() else "?" for char in shown)


# -- its instances ---------------------------------------------------------------------------------


@attrs.define
class _Row:
    """An owner in the making: addresses of its instances, each with how many it stands for, and their bytes.

    Attributes:
        unread: Of them, those whose own path was not read.
    """

    named: Named
    instances: dict[int, tuple[int, int]] = attrs.field(factory=dict)
    unread: set[int] = attrs.field(factory=set)


def read_instances(classes: Sequence[type], budget: float) -> Alive:
    """Find who holds the instances of some classes of one name.

    Args:
        classes: The classes; instances of their subclasses do not count.
        budget: Seconds the walk may take.
    """
    found = find_roots()
    roots = Roots(found.first, found.then)
    del found  # what it set apart for other walks would be taken for instances that no root reaches
    walk = TopWalk(Budget(MOST_OBJECTS, budget), pacer=Pacer(rest=REST), wanted=tuple(classes))
    walk.from_roots(*roots.targets(), avoid=own_parts())
    inner = InnerWalk(walk.budget, pages=walk.pages, pacer=walk.pacer, wanted=walk.wanted, kinds=walk.kinds)
    inner.from_tops(walk.tops)
    return _Instances(walk, inner, roots).answer()


@attrs.define(eq=False)
class _Instances:
    """The instances that two walks met; must not outlive the answer."""

    walk: TopWalk
    inner: InnerWalk
    roots: Roots
    _sizeofs: dict[int, bool] = attrs.field(factory=dict)
    _paths: Paths = attrs.field(default=attrs.Factory(lambda self: Paths(self.walk, self.roots), takes_self=True))

    def answer(self) -> Alive:
        """Return it as names and numbers."""
        stray = self._stray()
        sizes = [size_of(obj, self._sizeofs) for obj in self.walk.tops]
        count = len(sizes) + len(self.inner.inner) + len(stray)
        total = sum(sizes) + sum(self.inner.sizes) + sum(size_of(obj, self._sizeofs) for obj in stray)
        rows = self._rows(sizes)
        owned = Counter(address for row in rows for address in row.instances)
        return Alive(
            type=type_name(self.walk.wanted[0]),
            of_class=True,
            count=count,
            bytes=total,
            owners=InstanceOwners(
                sorted((_told(row, count) for row in rows), key=lambda one: (-one.count, -one.bytes, one.path)),
                self.walk.budget.spent
                or f"no instance of {type_name(self.walk.wanted[0])} is held by anything that a root reaches",
            ),
            several=self._several(owned, rows),
            stray=len(stray),
            walked=self.walk.walked + self.inner.walked,
            stopped=self.walk.budget.spent or "",
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        if self.walk.budget.spent is not None:
            yield f"{self.walk.budget.spent}: there may be more instances, and more that hold them"
        if len(self.walk.wanted) > 1:
            yield f"{len(self.walk.wanted):,} classes have this name; the instances of all are counted"
        if self._paths.unread:
            yield self._paths.unread
        if is_exactly(self.walk.wanted[0], *CONSTANTS):
            yield "constants that only code keeps are not among them"
        yield from self.walk.kinds.failures.values()

    def _several(self, owned: Counter[int], rows: Sequence[_Row]) -> int:
        shared = {address for address, times in owned.items() if times > 1}
        by_address = {address: counted[0] for row in rows for address, counted in row.instances.items()}
        return sum(by_address[address] for address in shared)

    def _stray(self) -> list[Any]:
        """Return the instances that gc knows and no root reaches."""
        if self.walk.budget.spent is not None:
            return []
        if not any(_is_of_python(cls) for cls in self.walk.wanted):
            self._pass_over_own()
        stray, everything = [], gc.get_objects()
        for at in range(0, len(everything), _SLICE):
            part = everything[at : at + _SLICE]
            stray += [one for one in part if is_exactly(type(one), *self.walk.wanted) and not self.walk.pages.has(one)]
            self.walk.pacer.breathe()
        return stray

    def _pass_over_own(self) -> None:
        """Count dicts, functions and the like that leakdiff itself has as visited: it is not asked about."""
        spaces = [dict_of_type(part) if derives(type(part), type) else part for part in own_parts()]
        parts = [[*space.values()] for space in spaces]
        parts += [gc.get_referents(walk) for walk in (self.walk, self.inner)]
        Walk(self.walk.budget, pages=self.walk.pages, pacer=self.walk.pacer).from_roots(parts)

    # -- by owner ----------------------------------------------------------------------------------

    def _rows(self, sizes: Sequence[int]) -> list[_Row]:
        """Count the topmost instances by the path of their holders, and what lies under each of them with it."""
        weights = {id(obj): (1, size) for obj, size in zip(self.walk.tops, sizes, strict=True)}
        for at, size in self.inner.under_tops():
            address = self.inner.addresses[at]
            count, total = weights[address]
            weights[address] = count + 1, total + size
        rows: dict[str, _Row] = {}
        self._paths.read()
        for index, address in zip(self.walk.held, self.walk.addresses_held, strict=True):
            named = self._paths.of(index, address)
            if named is not None:
                row = rows.setdefault(named.owner, _Row(named))
                row.instances[address] = weights[address]
                if not self._paths.is_read(index):
                    row.unread.add(address)
        return list(rows.values())


def _is_of_python(cls: type) -> bool:
    return bool(_flags(cls) & _HEAP_TYPE)


def _told(row: _Row, count: int) -> InstanceOwner:
    held = sum(number for number, _ in row.instances.values())
    return InstanceOwner(
        path=row.named.owner,
        kind=row.named.kind,
        type=row.named.type,
        count=held,
        bytes=sum(size for _, size in row.instances.values()),
        share=held / count if count else 0.0,
        steps=row.named.steps,
        unread=sum(row.instances[address][0] for address in row.unread),
    )
