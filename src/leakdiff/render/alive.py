"""Who keeps an object alive, as text: one line, or row by row like a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from leakdiff.model.alive import ASKING, Alive, Holder, InstanceOwner, Whose
from leakdiff.model.heap import Step
from leakdiff.model.one_line import bounded
from leakdiff.render.plain import counted, size

_MOST_HOLDERS = 8
_MOST_OWNERS = 10
_LONGEST_NAME = 200
_LONGEST_ROW = 500
_UNSEEN = "C code, the interpreter, or a running function that has not named it"
_GARBAGE = f"garbage that gc has not collected yet, or held by {_UNSEEN}"


def alive_line(alive: Alive) -> str:
    """Return it in one line, the object first."""
    return f"{_name(alive.type)}: {_of_class(alive) if alive.of_class else _of_object(alive)}"


def _of_class(alive: Alive) -> str:
    if alive.stopped and not alive.count:
        return f"not known: {alive.stopped}"
    least = "at least " if alive.stopped else ""
    most = f", {_about(alive.owners[0])} under {_name(alive.owners[0].path)}" if alive.owners else ""
    return f"{least}{counted(alive.count, 'instance')}{most}"


def _of_object(alive: Alive) -> str:
    own, asking = _of(alive, Whose.PROGRAM), _asking(alive)
    if own:
        least = "at least " if alive.stopped else ""
        return f"{least}{counted(alive.programs, 'holder')}, {_name(own[0].where)}"
    if alive.permanent:
        return "the interpreter itself holds it"
    if asking:
        but = "no holder but" if alive.is_whole else "no holder known but"
        also = f", besides {' and '.join(_beyond(alive))}" if _beyond(alive) else ""
        return f"{but} {_whose(asking[0])}, {_name(asking[0].where)}{also}"
    return f"not known: {alive.stopped}" if alive.stopped else "no holder that Python can see"


def alive_text(alive: Alive) -> str:
    """Return all of it as text; ends without a newline."""
    lines = [f"leakdiff: ALIVE  {claim(alive)}", ""]
    lines.extend(f"  {name:<5}  {bounded(text, _LONGEST_ROW)}" for name, text in rows(alive))
    return "\n".join(lines).rstrip()


def claim(alive: Alive) -> str:
    """Say in a few words who keeps it alive."""
    name, own = _name(alive.type), _of(alive, Whose.PROGRAM)
    if alive.of_class:
        return _claim_of_class(alive, name)
    if not own:
        return _claim_without_holder(alive, name)
    if alive.programs > 1:
        least = "at least " if alive.stopped else ""
        return f"{name} is held by {least}{alive.programs:,} objects, {_name(own[0].owner)} the nearest"
    return f"{name} is held by {_name(own[0].owner)}{_besides(alive, 'alone')}"


def _besides(alive: Alive, nothing: str) -> str:
    """Say what else holds an object, whether that is known, or the word for nothing."""
    if alive.is_whole:
        return f" {nothing}"
    if alive.permanent:
        return f", and never freed: {alive.permanent}"
    beyond = "".join(f" and {what}" for what in _beyond(alive))
    if alive.stopped:
        return f"{beyond}; what else holds it is not known: {alive.stopped}"
    return beyond or "; whether anything else does is not known, see the notes"


def _claim_without_holder(alive: Alive, name: str) -> str:
    """Say why an object is alive that the program itself does not hold, as far as anyone can tell."""
    if alive.permanent:
        return f"{name} is never freed: {alive.permanent}"
    if asking := _asking(alive):
        return f"{name} is held by {_listed(dict.fromkeys(map(_whose, asking)))}{_besides(alive, 'only')}"
    if alive.stopped:
        return f"what holds {name} is not known: {alive.stopped}"
    if _of(alive, Whose.UNREACHED):
        return f"no root reaches {name}: {_GARBAGE}"
    if alive.references == 0:
        return f"nothing holds {name} but this call"
    loop = ", but for itself" if _of(alive, Whose.ITSELF) else ""
    return f"nothing that Python can see holds {name}{loop}{_uncounted(alive)}"


def _claim_of_class(alive: Alive, name: str) -> str:
    if alive.stopped:
        return _claim_of_some(alive, name)
    if not alive.count:
        return f"no instance of {name} was found"
    if not alive.owners:
        return f"{counted(alive.count, 'instance')} of {name}, which no root reaches"
    first = alive.owners[0]
    if alive.stray > first.count:
        return f"{counted(alive.count, 'instance')} of {name}, {alive.stray:,} of them reached by no root"
    if alive.count == 1:
        return f"1 instance of {name}, held by {_name(first.path)}"
    most = "all" if first.count == alive.count else _about(first)
    sampled = f", as far as was read: {first.unread:,} of their paths were not" if first.unread else ""
    return f"{counted(alive.count, 'instance')} of {name}, {most} of them held by {_name(first.path)}{sampled}"


def _claim_of_some(alive: Alive, name: str) -> str:
    """Say what was found before the walk was stopped."""
    if not alive.count:
        return f"whether there are instances of {name} is not known: {alive.stopped}"
    first = f", {_about(alive.owners[0])} of these held by {_name(alive.owners[0].path)}" if alive.owners else ""
    return f"at least {counted(alive.count, 'instance')} of {name}{first}; {alive.stopped}"


def _uncounted(alive: Alive) -> str:
    if alive.references is None:
        return ""
    return f"; reference count {alive.references:,}, visible {alive.seen + alive.instances:,}"


def rows(alive: Alive) -> Iterator[tuple[str, str]]:
    """Yield what is known, as a name and a text each."""
    yield from _rows_of_class(alive) if alive.of_class else _rows_of_object(alive)
    for note in alive.notes:
        yield "note", note


# -- an object -------------------------------------------------------------------------------------


def _rows_of_object(alive: Alive) -> Iterator[tuple[str, str]]:
    if alive.path:
        yield "path", path_text(alive.path, alive.type)
    own = _of(alive, Whose.PROGRAM)
    yield from _lines("held", own, alive.programs - len(own))
    yield from (("also", _also(holder)) for holder in _asking(alive)[:_MOST_HOLDERS])
    yield from _lines("cycle", _of(alive, Whose.ITSELF), 0, "; reached through the object only: does not keep it alive")
    yield from _lines("stray", _of(alive, Whose.UNREACHED), 0, f"; {_GARBAGE}")
    yield "count", _counted(alive)
    if would := _would(alive):
        yield "would", would


def _lines(name: str, holders: Sequence[Holder], unnamed: int, what: str = "") -> Iterator[tuple[str, str]]:
    """Yield a row for each holder; those of which all is the same share one."""
    lines = Counter(_held(holder) for holder in holders)
    for line, times in list(lines.items())[:_MOST_HOLDERS]:
        yield name, f"{line}{what}{f'     {times:,} such' if times > 1 else ''}"
    left = unnamed + sum(list(lines.values())[_MOST_HOLDERS:])
    if left > 0:
        yield name, f"and by {left:,} more"


def _held(holder: Holder) -> str:
    entries = f", {counted(holder.length, 'entry', 'entries')}" if holder.length is not None else ""
    return f"{_name(holder.where)}     {_name(holder.type)}{entries}     {counted(holder.references, 'reference')}"


def _also(holder: Holder) -> str:
    if holder.said:
        return holder.said
    return f"the caller: {_name(holder.where)}"


def _counted(alive: Alive) -> str:
    if alive.permanent:
        return alive.permanent
    if alive.references is None:
        return "the interpreter does not count its references"
    parts = [f"{alive.seen:,} of them seen"]
    if alive.instances:
        parts.append(f"{alive.instances:,} by its instances")
    if alive.unexplained:
        missed = "what the walk did not come to, " if alive.stopped else ""
        parts.append(f"{alive.unexplained:,} by {missed}{_UNSEEN}")
    return f"{counted(alive.references, 'reference')}: {', '.join(parts)}"


def _would(alive: Alive) -> str:
    """Say what would have to let go for the object to be freed: all that was found, and no more."""
    own, asking = _of(alive, Whose.PROGRAM), _asking(alive)
    if alive.permanent or alive.notes or not (own or asking):
        return ""
    who = [_name(own[0].where)] if len(own) == 1 else [f"all {alive.programs:,}"] if own else []
    who += dict.fromkeys(map(_whose, asking))
    who += _beyond(alive)
    return f"it goes when {_listed(who)} {'lets' if len(who) == 1 and len(own) < 2 else 'let'} go"


def _beyond(alive: Alive) -> list[str]:
    """Return what else keeps it that is no holder on a path."""
    found = {
        "its instances": alive.instances,
        "what no root reaches": len(_of(alive, Whose.UNREACHED)),
        "what Python cannot see": 0 if alive.stopped else alive.unexplained,
    }
    return [what for what, count in found.items() if count]


def path_text(path: Sequence[Step], end: str) -> str:
    """Return a path as reports write it: the root, the edges, and what the last of them leads to."""
    first, *rest = path
    start = f"{first.type} {first.label}" if first.type not in ("native", "object") else first.label
    labels = (_name(step.label.strip().removeprefix(".")) for step in rest)
    return " ─ ".join([_name(start), *filter(None, labels), _name(end)])


# -- the instances of a class ----------------------------------------------------------------------


def _rows_of_class(alive: Alive) -> Iterator[tuple[str, str]]:
    yield "what", f"{counted(alive.count, 'instance')}, {size(alive.bytes)} by themselves"
    for line in _table(alive.owners[:_MOST_OWNERS]):
        yield "held", line
    if len(alive.owners) > _MOST_OWNERS:
        yield "held", f"and by {len(alive.owners) - _MOST_OWNERS:,} more owners"
    if alive.several:
        yield "both", f"{counted(alive.several, 'instance')} of these held by several: they count for each"
    if alive.stray:
        yield "stray", f"{counted(alive.stray, 'instance')} that no root reaches: {_GARBAGE}"
    if alive.path:
        yield "path", path_text(alive.path, alive.type)


def owners_text(owners: Sequence[InstanceOwner]) -> str:
    """Return owners as a table; ends without a newline."""
    return "\n".join(f"  {bounded(line, _LONGEST_ROW)}" for line in _table(owners))


def holders_text(holders: Sequence[Holder]) -> str:
    """Return holders, a line each; ends without a newline."""
    return "\n".join(f"  {holder.whose:<9}  {bounded(_held(holder), _LONGEST_ROW)}" for holder in holders)


def _table(owners: Iterable[InstanceOwner]) -> Iterator[str]:
    cells = [(_about(one), f"{one.share:.1%}", size(one.bytes), _name(one.path), _name(one.type)) for one in owners]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for count, share, taken, path, kind in cells:
        numbers = f"{count:>{widths[0]}}  {share:>{widths[1]}}  {taken:>{widths[2]}}"
        yield f"{numbers}  {path:<{widths[3]}}     {kind}"


# -- words -----------------------------------------------------------------------------------------


def _about(owner: InstanceOwner) -> str:
    """Return how many instances an owner holds; ``~`` where some count by a sample."""
    return f"{'~' if owner.unread else ''}{owner.count:,}"


def _of(alive: Alive, whose: Whose) -> list[Holder]:
    return [holder for holder in alive.holders if holder.whose is whose]


def _asking(alive: Alive) -> list[Holder]:
    return [holder for holder in alive.holders if holder.whose in ASKING]


def _whose(holder: Holder) -> str:
    return "your session" if holder.whose is Whose.SESSION else "the caller"


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _name(text: str) -> str:
    """Return a name in one line, printable and bounded."""
    return bounded(text, _LONGEST_NAME)
