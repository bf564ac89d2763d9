"""What the source says of an owner, in one sentence a person can act on."""

from __future__ import annotations

from collections.abc import Sequence

from leakdiff.model.code import CodeSite


def summarise(puts: Sequence[CodeSite], gones: Sequence[CodeSite], where: str, unreached: Sequence[CodeSite]) -> str:
    """Say how many lines put entries in and take them out, and when the latter do.

    Args:
        puts: Lines that put.
        gones: Lines that take out, without those that nobody calls where there are others.
        where: Where they were looked for, such as ``in the package app``.
        unreached: Lines that take out, in functions nobody calls.
    """
    if not puts and not gones and not unreached:
        return f"no line {where} that puts anything in or takes anything out was found"
    inserts = _counted(puts, "insert", "into")
    removals = _removals(gones or unreached, where)
    return f"{inserts}, {removals}"


def _removals(gones: Sequence[CodeSite], where: str) -> str:
    if not gones:
        return f"no removal anywhere {where}"
    sure = [gone for gone in gones if gone.is_sure]
    if not sure:
        return _counted(gones, "removal", "of")
    if all(gone.per_unit == 0 for gone in sure):
        return _never_ran(sure)
    counted = _counted(sure, "removal", "of")
    if not all(gone.only for gone in sure):
        return counted
    if len(sure) == 1:
        return f"{counted}, and the removal {_runs(sure[0].only)}"
    return f"{counted}, each only in some cases, such as {sure[0].only}"


def _never_ran(gones: Sequence[CodeSite]) -> str:
    if len(gones) > 1:
        return f"and the {len(gones)} removals ran in none of the units measured"
    only = f", {gones[0].only}," if gones[0].only else ""
    return f"and the removal{only} ran in none of the units measured"


def _runs(only: str) -> str:
    """Say that a removal runs only in some cases: ``not if`` reads better as ``does not run if``."""
    return f"does not run {only.removeprefix('not ')}" if only.startswith("not ") else f"runs {only}"


def _counted(sites: Sequence[CodeSite], what: str, joint: str) -> str:
    sure = [site for site in sites if site.is_sure]
    if sites and not sure:
        objects = "an object" if len(sites) == 1 else "objects"
        return f"{_number(len(sites), what)} {joint} an attribute of this name, on {objects} of unknown type"
    return _number(len(sure), what)


def _number(count: int, what: str) -> str:
    if count == 0:
        return f"no {what} that can be seen"
    return f"{count} {what}" if count == 1 else f"{count:,} {what}s"
