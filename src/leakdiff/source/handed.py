"""Where what is put goes afterwards: the functions that get it, in the order in which they do."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

import attrs

from leakdiff.source.aliases import assigned_pairs
from leakdiff.source.calls import Calling, Calls, Place
from leakdiff.source.counterparts import End, counterparts
from leakdiff.source.mutations import Operation
from leakdiff.source.trees import FunctionDef, Tree, arguments_of, dotted, first_argument, identifier
from leakdiff.source_files import is_of_stdlib

_MOST_LEVELS = 3  # of callers in the user's own code
_MOST_PLACES = 24  # functions looked at
_MOST_HOPS = 6  # of all callers
_DEEPEST = 2  # calls inside calls
_GETS, _GETS_SOURCE, _OF_HOLDER, _REST, _NEXT = 2.0, 3.0, 3.5, 4.0, 5.0
_PER_LEVEL, _PER_DEPTH, _PER_TURN = 0.2, 0.3, 0.1

Position = tuple[int, int]


@attrs.frozen
class Followed:
    """What is followed in one function, and from where on.

    Attributes:
        place: The function.
        after: The line and column from which on.
        names: What is put, what it is put under, and what stands for that entry.
        sources: What those were made from.
        holder: The object whose method put it.
        since: The call by which it is put, or the operation itself.
        is_handed: Whether that call is only handed the function that puts.
    """

    place: Place
    after: Position
    names: frozenset[str]
    sources: frozenset[str]
    holder: str
    since: ast.AST = attrs.field(eq=id)
    is_handed: bool = False


@attrs.define(eq=False)
class Handed:
    """Follows entries from where they are put."""

    calls: Calls
    _seen: list[Place] = attrs.field(factory=list, init=False)

    def ends(self, tree: Tree, put: Operation) -> Iterator[End]:
        """Yield where the life of what an operation puts seems to end."""
        function = tree.function(put.node)
        if function is not None:
            yield from self._from(_at_put(Place(tree, function), put), 0, 0)

    def read(self, place: Place, names: Iterable[str], node: ast.AST) -> Iterator[End]:
        """Yield the functions that get an entry which a function reads back, or its key."""
        one = Followed(place, _end(node), frozenset(names), frozenset(), "", node)
        for end in self._inside(one, _DEEPEST):
            yield attrs.evolve(end, ground="reads")

    def _from(self, one: Followed, level: int, hops: int) -> Iterator[End]:
        if level > _MOST_LEVELS or hops > _MOST_HOPS or one.place in self._seen or len(self._seen) >= _MOST_PLACES:
            return
        self._seen.append(one.place)
        is_own = not is_of_stdlib(one.place.tree.file)
        found = list(self._inside(one, 0)) if is_own else []
        for end in (*found, *counterparts(one.place)):
            yield attrs.evolve(end, rank=end.rank + level * _PER_LEVEL)
        if not found and is_own:
            yield from _rest(one, level)
        for calling in self.calls.of(one.place):
            yield from self._from(_at_call(calling, one), level + is_own, hops + 1)

    # -- one function ------------------------------------------------------------------------------

    def _inside(self, one: Followed, depth: int) -> Iterator[End]:
        """Yield the functions of the program that get what is followed, the last one first."""
        got = [(call, rank) for call in _calls_after(one) if (rank := _rank(one, call)) is not None]
        turn = 0
        for call, rank in sorted(got, key=lambda each: _end(each[0]), reverse=True):
            places = [found for found in self.calls.run_by(one.place.tree, call) if found not in self._seen]
            handed = [
                (found, at) for found, at in self.calls.handed_to(one.place.tree, call) if found not in self._seen
            ]
            for place, skipped in [*((place, 0) for place in places), *handed]:
                yield End(place, place.function, _how(one, call, rank), rank + turn * _PER_TURN, "flow")
                yield from self._deeper(one, call, place, skipped, depth)
            turn += bool(places or handed)

    def _deeper(self, one: Followed, call: ast.Call, place: Place, skipped: int, depth: int) -> Iterator[End]:
        if depth >= _DEEPEST:
            return
        passed = _parameters(place, call, skipped)
        names = {name for name, arg in passed if names_in(one.place, arg) & one.names}
        sources = {name for name, arg in passed if names_in(one.place, arg) & one.sources}
        holder = place.first if _receiver(call) == one.holder else ""
        start = place.function.lineno, 0
        inner = Followed(place, start, frozenset(names), frozenset(sources), holder, place.function)
        for end in self._inside(inner, depth + 1):
            if end.place != one.place:
                yield attrs.evolve(end, rank=end.rank + _PER_DEPTH)


def _rank(one: Followed, call: ast.Call) -> float | None:
    """Say how much a call has to do with what is followed; None for nothing."""
    given = {name for arg in _given(call) for name in names_in(one.place, arg)}
    func = call.func
    on = names_in(one.place, func.value) if isinstance(func, ast.Attribute) else frozenset()
    is_holder = bool(one.holder) and _receiver(call) == one.holder
    if (given | on) & one.names or _gets_result(one, call):
        return _GETS - 0.5 * is_holder
    if (given | on) & one.sources:
        return _GETS_SOURCE - 0.5 * is_holder
    if is_holder:
        return _OF_HOLDER
    return _NEXT if not call.args and isinstance(func, ast.Name) and _is_statement(one.place.tree, call) else None


def _gets_result(one: Followed, call: ast.Call) -> bool:
    return any(part is one.since for arg in _given(call) for part in ast.walk(arg))


def _how(one: Followed, call: ast.Call, rank: float) -> str:
    if rank >= _NEXT:
        return f"is called next in {one.place.function.name}()"
    if rank == _OF_HOLDER:
        return f"is called on {one.holder} after the put"
    if _gets_result(one, call):
        return f"gets what {identifier(one.since)}() returns"
    func = call.func
    if isinstance(func, ast.Attribute) and (on := sorted(names_in(one.place, func.value) & one.names)):
        return f"is called on `{on[0]}` after the put"
    given = {name for arg in _given(call) for name in names_in(one.place, arg)}
    got = sorted(given & one.names) or sorted(given & one.sources)
    return f"gets `{got[0]}` after the put" if got else "gets what was put"


def _rest(one: Followed, level: int) -> Iterator[End]:
    """Yield the last use of what is followed, where no function of the program gets it."""
    rank = _REST + level * _PER_LEVEL
    kept = _targets(one.place, one.since) if isinstance(one.since, ast.Call) else set()
    used = [node for node in _names_after(one) if names_in(one.place, node) & (kept or one.names)]
    if used:
        last = max(used, key=_end)
        if not isinstance(one.place.tree.statement(last), ast.Return):  # then it lives on in the caller
            yield End(one.place, last, f"the last use of `{last.id}`", rank, "rest")
    elif kept:
        yield End(one.place, one.since, f"`{min(kept)}` is not used again", rank, "rest")
    elif level and isinstance(one.since, ast.Call) and not one.is_handed:
        yield End(one.place, one.since, f"nothing is done after {identifier(one.since.func)}()", rank, "rest")


def _names_after(one: Followed) -> Iterator[ast.Name]:
    for node in ast.walk(one.place.function):
        if (
            isinstance(node, ast.Name)
            and one.place.tree.function(node) is one.place.function
            and _end(node) > one.after
        ):
            yield node


# -- where to begin --------------------------------------------------------------------------------


def _at_put(place: Place, put: Operation) -> Followed:
    tree = place.tree
    parts = list(_put_parts(tree, put))
    names = {name for part in parts for name in names_in(place, part)}
    statement = tree.statement(put.node)
    call = tree.parent(put.node)
    if isinstance(call, ast.Call):
        names |= _targets(place, call)
    since = call if isinstance(call, ast.Call) else put.node
    holder = dotted(put.ref.node).partition(".")[0]
    after = _end(statement) if not hasattr(statement, "body") else _end(since)
    return Followed(place, after, frozenset(names), _sources(place, names), holder, since)


def _put_parts(tree: Tree, put: Operation) -> Iterator[ast.AST]:
    """Yield the expressions of what is put, and of what it is put under."""
    call = tree.parent(put.node)
    statement = tree.statement(put.node)
    if isinstance(call, ast.Call):
        yield from (arg for arg in _given(call) if arg is not put.ref.node)
        return
    if isinstance(put.node, ast.Subscript):
        yield put.node.slice
    if isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and statement.value is not None:
        yield statement.value


def _at_call(calling: Calling, inner: Followed) -> Followed:
    """Return what is followed in a caller: what it passes, the object it calls, and what it gets back."""
    place, call = calling.place, calling.call
    passed = _parameters(inner.place, call, calling.handed)
    names = {name for param, arg in passed if param in inner.names for name in names_in(place, arg)}
    sources = {name for param, arg in passed if param in inner.sources for name in names_in(place, arg)}
    first, func = inner.place.first, call.func
    is_own = bool(first) and any(name.partition(".")[0] == first for name in inner.names)
    if is_own and isinstance(func, ast.Attribute):
        names |= names_in(place, func.value)
    if inner.place.is_maker or _returns(inner):
        names |= _targets(place, call)
    receiver = _receiver(call)
    sources |= _sources(place, names)
    return Followed(place, _end(call), frozenset(names), frozenset(sources), receiver, call, bool(calling.handed))


def _returns(inner: Followed) -> bool:
    """Tell whether a function returns what is followed."""
    for node in ast.walk(inner.place.function):
        value = node.value if isinstance(node, ast.Return) else None
        if value and (names_in(inner.place, value) & inner.names or inner.since in ast.walk(value)):
            return True
    return False


def _targets(place: Place, call: ast.AST) -> set[str]:
    """Return the names that get what a call returns."""
    node = call
    while isinstance(place.tree.parent(node), (ast.Await, ast.NamedExpr)):
        node = place.tree.parent(node) or node
    statement = place.tree.parent(node)
    if isinstance(statement, ast.withitem) and statement.optional_vars is not None:
        return set(names_in(place, statement.optional_vars))
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return {name for target in targets if target is not None for name in names_in(place, target)}


def _sources(place: Place, names: Iterable[str]) -> frozenset[str]:
    """Return the names that others were made from."""
    wanted, found = set(names), set[str]()
    for _ in range(2):
        for node in ast.walk(place.function):
            if isinstance(node, ast.Assign):
                for target, value in assigned_pairs(node.targets, node.value):
                    if names_in(place, target) & wanted:
                        found |= names_in(place, value)
        wanted = set(found)
    return frozenset(found)


# -- calls and names -------------------------------------------------------------------------------


def names_in(place: Place, expression: ast.AST) -> frozenset[str]:
    """Return the local names an expression is made of, and attributes of the method's own object: ``self.timer``."""
    tree, first = place.tree, first_argument(place.tree.method(place.function))
    found = set()
    for node in ast.walk(expression):
        if not isinstance(node, ast.Name) or not isinstance(tree.scope_of(node, node.id), FunctionDef):
            continue
        parent = tree.parent(node)
        is_called = isinstance(parent, ast.Call) and parent.func is node
        if node.id == first and isinstance(parent, ast.Attribute):
            outer = tree.parent(parent)
            is_method = isinstance(outer, ast.Call) and outer.func is parent
            found.add(node.id if is_method else f"{node.id}.{parent.attr}")
        elif not is_called:
            found.add(node.id)
    return frozenset(found)


def _calls_after(one: Followed) -> Iterator[ast.Call]:
    for node in ast.walk(one.place.function):
        is_here = isinstance(node, ast.Call) and one.place.tree.function(node) is one.place.function
        if is_here and isinstance(node, ast.Call) and node is not one.since and _end(node) > one.after:
            yield node


def _given(call: ast.Call) -> Sequence[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _receiver(call: ast.Call) -> str:
    """Return the object a method is called on, as the code writes it."""
    func = call.func
    return dotted(func.value) if isinstance(func, ast.Attribute) else ""


def _parameters(place: Place, call: ast.Call, skipped: int) -> list[tuple[str, ast.expr]]:
    """Return the arguments of a call with what the function calls them."""
    names = arguments_of(place.function)[1 if place.first else 0 :]
    pairs = list(zip(names, call.args[skipped:], strict=False))
    return pairs + [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg in names]


def _is_statement(tree: Tree, call: ast.Call) -> bool:
    parent = tree.parent(call)
    return isinstance(tree.parent(parent) if isinstance(parent, ast.Await) else parent, ast.Expr)


def _end(node: ast.AST) -> Position:
    return int(getattr(node, "end_lineno", 0) or 0), int(getattr(node, "end_col_offset", 0) or 0)
