"""Functions that call what puts and never what removes, where others call both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leakdiff.model.code import NEVER
from leakdiff.source.calls import Calling, Calls, Place
from leakdiff.source.counterparts import End
from leakdiff.source.trees import FunctionDef

_RANK = 0.4  # others keep to the pair: what does not is more likely than what names alone suggest


def unpaired(calls: Calls, puts: Sequence[Place], gones: Sequence[Place]) -> Iterator[End]:
    """Yield the calls of a function that puts, in functions that never call one that removes.

    Somebody has to call both: that is what tells a pair from two functions that have nothing to do with each other.

    Args:
        calls: Looks calls up.
        puts: Functions that put entries in.
        gones: Functions that take entries out; those that put as well are no pair.
    """
    placed = [put.function for put in puts]
    for gone in gones:
        if gone.function in placed:
            continue
        removing = _functions(calls.of(gone))
        for put in puts:
            callings = calls.of(put)
            if any(one.place.function in removing for one in callings):
                yield from _without(callings, removing, put, gone)


def _without(callings: Sequence[Calling], removing: list[FunctionDef], put: Place, gone: Place) -> Iterator[End]:
    for one in callings:
        if one.place.function not in removing and one.place.function is not gone.function:
            how = f"calls {put.called}(){NEVER}{gone.called}()"
            yield End(one.place, one.call, how, _RANK, "pair")


def _functions(callings: Sequence[Calling]) -> list[FunctionDef]:
    return [one.place.function for one in callings]
