"""Who holds the instances of a class: how many there are, under which owners, and how many no root reaches."""

from __future__ import annotations

import difflib
import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from leakdiff.capture.alive_holders import MOST_OBJECTS, REST
from leakdiff.capture.alive_names import Named, name_way
from leakdiff.capture.alive_walk import InnerWalk, TopWalk
from leakdiff.capture.kinds import KindsByIdentity, is_exactly, size_of, type_name
from leakdiff.capture.references import references
from leakdiff.capture.roots import Roots, find_roots, own_parts
from leakdiff.capture.walk import Budget, Pacer
from leakdiff.errors import OwnerNotFound
from leakdiff.model.alive import ENTRIES, Alive, InstanceOwner, InstanceOwners

_MOST_NAMED = 5_000  # holders, or groups of alike ones, whose paths are read
_MOST_LEVELS = 4  # how far above its holder an instance may be grouped
_FEW = 4  # holders under one object that are named one by one all the same
_MOST_EACH = 1_000  # references of one holder that are named one by one
_MOST_TOLD = 5
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
    near = _near(name, by_name)
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


def _near(name: str, known: dict[str, list[type]]) -> list[str]:
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
    """An owner in the making: addresses of its instances, each with how many it stands for, and their bytes."""

    named: Named
    instances: dict[int, tuple[int, int]] = attrs.field(factory=dict)


def read_instances(classes: Sequence[type], budget: float) -> Alive:
    """Find who holds the instances of some classes of one name.

    Args:
        classes: The classes; instances of their subclasses do not count.
        budget: Seconds the walk may take.
    """
    roots = find_roots()
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
    _grouping: str = ""

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
                f"no instance of {type_name(self.walk.wanted[0])} is held by anything that a root reaches",
            ),
            several=self._several(owned, rows),
            stray=len(stray),
            walked=self.walk.walked + self.inner.walked,
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        if self.walk.budget.spent is not None:
            yield f"{self.walk.budget.spent}: there may be more instances, and more that hold them"
        if len(self.walk.wanted) > 1:
            yield f"{len(self.walk.wanted):,} classes have this name; the instances of all are counted"
        if self._grouping:
            yield self._grouping
        yield from self.walk.kinds.failures.values()

    def _several(self, owned: Counter[int], rows: Sequence[_Row]) -> int:
        shared = {address for address, times in owned.items() if times > 1}
        by_address = {address: counted[0] for row in rows for address, counted in row.instances.items()}
        return sum(by_address[address] for address in shared)

    def _stray(self) -> list[Any]:
        """Return the instances that gc knows and no root reaches."""
        if self.walk.budget.spent is not None:
            return []
        stray, everything = [], gc.get_objects()
        for at in range(0, len(everything), _SLICE):
            part = everything[at : at + _SLICE]
            stray += [one for one in part if is_exactly(type(one), *self.walk.wanted) and not self.walk.pages.has(one)]
            self.walk.pacer.breathe()
        return stray

    # -- by owner ----------------------------------------------------------------------------------

    def _rows(self, sizes: Sequence[int]) -> list[_Row]:
        """Count the topmost instances by the path of their holders, and what lies under each of them with it."""
        weights = {id(obj): (1, size) for obj, size in zip(self.walk.tops, sizes, strict=True)}
        for at, size in self.inner.under_tops():
            address = self.inner.addresses[at]
            count, total = weights[address]
            weights[address] = count + 1, total + size
        rows: dict[str, _Row] = {}
        names = self._names()
        for index, address in zip(self.walk.held, self.walk.addresses_held, strict=True):
            named = names.get((index, address)) or names.get((index, 0))
            if named is not None:
                row = rows.setdefault(named.owner, _Row(named))
                row.instances[address] = weights[address]
        return list(rows.values())

    def _names(self) -> dict[tuple[int, int], Named]:
        """Name the holders: each reference of those that stand alone, one for all of those that are alike."""
        groups = self._groups()
        live = self.walk.live([holders[0] for holders in groups])
        names: dict[tuple[int, int], Named] = {}
        for holders in groups:
            if holders[0] in live:
                self._name_group(holders, live, names)
            self.walk.pacer.breathe()
        return names

    def _name_group(self, holders: Sequence[int], live: dict[int, Any], names: dict[tuple[int, int], Named]) -> None:
        first = holders[0]
        way = self.walk.way(first, live)
        root = self.roots[self.walk.chain(first)[0]]
        kinds = KindsByIdentity()
        held = [ref for ref in references(way[-1], kinds) if is_exactly(type(ref), *self.walk.wanted)][:_MOST_EACH]
        named = [name_way([*way, ref], root, is_quiet=True) for ref in held[:1]]
        names.update(((index, 0), named[0]) for index in holders if named)
        if len(holders) == 1 and named and named[0].label not in ENTRIES:
            names.update(((first, id(ref)), name_way([*way, ref], root, is_quiet=True)) for ref in held)

    def _groups(self) -> list[list[int]]:
        """Put holders together whose paths are alike, where there are too many: those under one object above them."""
        holders = list(dict.fromkeys(self.walk.held))
        groups = [[index] for index in holders]
        above = holders
        for _ in range(_MOST_LEVELS if len(holders) > _MOST_NAMED else 0):
            above = [self.walk.parents[up] if self.walk.parents[up] >= 0 else up for up in above]
            by_above: dict[tuple[int, bool], list[int]] = {}
            for index, up in zip(holders, above, strict=True):
                by_above.setdefault((up, up == index), []).append(index)
            groups = list(by_above.values())
            if len(groups) <= _MOST_NAMED:
                break
        groups = [part for group in groups for part in ([group] if len(group) > _FEW else [[one] for one in group])]
        if len(groups) < len(holders):
            self._grouping = (
                f"{len(holders):,} objects hold them: the paths of {len(groups):,} were read, for all alike"
            )
        return groups


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
    )
