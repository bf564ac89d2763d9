"""What every shape of the mutation benchmark is made with: names and choices from a seed, and one place to break."""

from __future__ import annotations

import ast
import random
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template

PLACE = "@@"  # a line of a template that stands for what is right in the twin and broken in the mutant
REMOVES = re.compile(
    r"\bdel |\.(pop\w*|remove\w*|discard|drop|clear|get_nowait|cancel|reset|unsubscribe|detach|unregister)\(|\.get\(\)"
)
PUT = "  #put"  # marks the lines that add entries; marks are taken off before the program is written
GONE = "  #gone"  # marks lines that take entries out and are right: nobody gets there any more

WORDS = re.findall(
    r"\w+",
    """
    order amber cargo delta ember fjord grain harbor island jacket kernel ledger meadow nickel orchard parcel quarry
    ribbon saddle timber umbra valley walnut yarrow zephyr anchor basket candle dragon engine falcon garden hammer
    insect jungle kettle lantern magnet needle oyster pepper quartz rocket silver temple urchin violet window arrow
    bridge canyon dollar elbow forest glider hazel invoice jasmine koala lemon marble nectar onion pebble quiver
    raven salmon thistle tunnel vessel willow yellow zebra badge cobalt drawer exam flute goblet hinge
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A program with one place that is right in the twin and broken in the mutant.

    Attributes:
        files: Templates by file name, the one to check last; each text is final but for the place and the marks.
        fix: What the clean twin says at the place.
        breaks: What a mutant may say there, by the name of the mistake.
        owner: Identifiers, any of which a right owner contains; empty where no Python object owns the growth.
        tags: What was combined, such as container, holder and style.
        counts_fds: Whether descriptors are part of the growth.
    """

    files: Mapping[str, str]
    fix: str
    breaks: Mapping[str, str]
    owner: tuple[str, ...]
    tags: tuple[str, ...] = ()
    counts_fds: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is known of a mutant, from how it was made.

    Attributes:
        owner: Identifiers, any of which a right owner contains; empty where no Python object owns the growth.
        file: The file with the broken place.
        lines: First and last line of the broken place in the mutant; where the fix was deleted, the lines around it.
        function: The innermost function around it; empty for a place outside any function.
        span: First and last line of that function in the mutant.
        puts: ``(file, line)`` of the lines that add entries.
        gones: ``(file, line)`` of healthy lines that take entries out, elsewhere than at the broken place.
        still_removes: Whether a removal from the owner is left at the broken place.
        counts_fds: Whether descriptors are part of the growth.
    """

    owner: tuple[str, ...]
    file: str
    lines: tuple[int, int]
    function: str
    span: tuple[int, int]
    puts: tuple[tuple[str, int], ...]
    gones: tuple[tuple[str, int], ...] = ()
    still_removes: bool = False
    counts_fds: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A mutant with its twin; a program that is hard but clean has no mutant.

    Attributes:
        name: Its number, shape and mistake.
        shape: The shape's name.
        mistake: What was broken; empty for a clean program.
        tags: What was combined.
        entry: The file to check.
        twin: Texts of the clean files by name.
        mutant: Texts of the broken files by name; empty for a clean program.
        truth: What is right to say of the mutant.
    """

    name: str
    shape: str
    mistake: str
    tags: tuple[str, ...]
    entry: str
    twin: Mapping[str, str]
    mutant: Mapping[str, str] = field(default_factory=dict)
    truth: Truth | None = None

    @property
    def description(self) -> str:
        """Say what it is in a line."""
        return ", ".join(filter(None, (self.shape, self.mistake, *self.tags)))


class Names(dict[str, str]):
    """Names by role, drawn when first asked for: ``store`` gives a variable, ``Store`` a class."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._words = rng.sample(WORDS, len(WORDS))

    def __missing__(self, role: str) -> str:
        pair = (self._words.pop(), self._words.pop())
        made = "".join(word.title() for word in pair) if role[0].isupper() else "_".join(pair)
        self[role] = made
        return made


class Draw:
    """Choices for one program, all from one seed."""

    def __init__(self, seed: str) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - a benchmark must repeat itself
        self.names = Names(self.rng)
        self.tags: list[str] = []

    def pick(self, *choices: str) -> str:
        """Choose one."""
        return self.rng.choice(choices)

    def tagged(self, kind: str, table: Mapping[str, str]) -> str:
        """Choose one of a table and remember its name in the description."""
        name = self.rng.choice(list(table))
        self.tags.append(f"{kind} {name}")
        return table[name]

    def between(self, least: int, most: int) -> int:
        """Choose a number."""
        return self.rng.randint(least, most)

    def chance(self, share: float) -> bool:
        """Say yes in this share of the cases."""
        return self.rng.random() < share

    def share(self) -> str:
        """Choose which units leak: an expression over ``number``."""
        table = {
            "every 2nd": "number % 2 == 0",
            "every 3rd": "number % 3 == 1",
            "3 in 10": "number % 10 in (1, 4, 8)",
            "every 10th": "number % 10 == 7",
        }
        return self.tagged("leaks", table)

    def fill(self, template: str) -> str:
        """Put names into a template."""
        return Template(textwrap.dedent(template).strip("\n")).substitute(self.names)


def removals(draw: Draw, removal: str, *, wrong: str = "", rest: str = "") -> dict[str, str]:
    """Think up the ways in which one removal goes missing; ``number`` must be in scope.

    Args:
        draw: Where the choices come from.
        removal: The statement that takes the entry out, as a template.
        wrong: The statement with a wrong key, where there is one.
        rest: A statement that must stand where nothing else does, such as ``pass``.
    """
    share = draw.share()
    rarely = draw.pick("number < 0", "number is None", share.replace("==", "!=").replace(" in ", " not in "))
    found = {
        "removal deleted": rest,
        "removal in an if": f"if {rarely}:\n    {removal}",
        "early return": f"if {share}:\n    return\n{removal}",
    }
    if wrong:
        found["wrong key"] = wrong
    return found


def sketch(  # noqa: PLR0913 - a program has so many parts
    draw: Draw,
    body: str,
    *,
    fix: str,
    breaks: Mapping[str, str],
    owner: Sequence[str],
    driver: str,
    counts_fds: bool = False,
    needs: Sequence[str] = ("$handle",),
) -> Sketch:
    """Make a sketch of a body and the driver that calls it, in one file or in two."""
    text, drive = draw.fill(body), draw.fill(driver)
    files = {}
    if draw.chance(0.35):
        home = draw.names["home_module"]
        draw.tags.append("two files")
        files[f"{home}.py"] = text
        wanted = ", ".join(draw.fill(name) for name in needs)
        files[f"{draw.names['main_module']}.py"] = f"from {home} import {wanted}\n\n{drive}"
    else:
        files[f"{draw.names['main_module']}.py"] = f"{text}\n\n\n{drive}"
    return Sketch(
        files=files,
        fix=draw.fill(fix),
        breaks={name: draw.fill(text) for name, text in breaks.items()},
        owner=tuple(draw.fill(name) for name in owner),
        tags=tuple(draw.tags),
        counts_fds=counts_fds,
    )


def program(name: str, shape: str, made: Sketch, mistake: str) -> Program:
    """Write the twin and the mutant of a sketch, and what is true of the mutant."""
    twin, mutant, puts, gones = {}, {}, [], []
    broken: tuple[str, int, int] | None = None
    around = ("", (0, 0))
    for file, template in made.files.items():
        twin[file], healthy, _ = written(template, made.fix)
        mutant[file], place, marks = written(template, made.breaks[mistake])
        puts += [(file, line) for line in marks[PUT]]
        gones += [(file, line) for line in marks[GONE]]
        if place and healthy:
            broken = (file, *place)
            is_deleted = not made.breaks[mistake]
            seen_in, line = (twin[file], healthy[0]) if is_deleted else (mutant[file], place[0])
            around = function_around(seen_in, mutant[file], line)
    if broken is None:
        raise ValueError(name)
    file, first, last = broken
    function, span = around
    truth = Truth(
        owner=made.owner,
        file=file,
        lines=(first, last),
        function=function,
        span=span,
        puts=tuple(puts),
        gones=tuple(gones),
        still_removes=still_removes(mistake, made.breaks[mistake]),
        counts_fds=made.counts_fds,
    )
    entry = list(made.files)[-1]
    return Program(
        name=name,
        shape=shape,
        mistake=mistake,
        tags=made.tags,
        entry=entry,
        twin=twin,
        mutant=mutant,
        truth=truth,
    )


def still_removes(mistake: str, text: str) -> bool:
    """Tell whether a broken place still takes something out of the owner, not of a copy or of something else."""
    return REMOVES.search(text) is not None and not mistake.endswith(("a copy", "the row", "resets another"))


def written(template: str, replacement: str) -> tuple[str, tuple[int, int] | None, dict[str, list[int]]]:
    """Put a replacement at the place of a template.

    Returns:
        The text; the first and last line of what was put in (of nothing, the lines around it), None where the
        template has no place; and the lines that have each mark.
    """
    lines: list[str] = []
    place = None
    for line in template.splitlines():
        if line.strip() == PLACE:
            put_in = textwrap.indent(replacement, line[: len(line) - len(line.lstrip())]).splitlines()
            place = (len(lines) + 1, len(lines) + len(put_in)) if put_in else (len(lines), len(lines) + 1)
            lines += put_in
        else:
            lines.append(line)
    marks = {mark: [number for number, line in enumerate(lines, 1) if line.endswith(mark)] for mark in (PUT, GONE)}
    text = "\n".join(line.removesuffix(PUT).removesuffix(GONE).rstrip() for line in lines) + "\n"
    return text, place, marks


def function_around(text: str, mutant: str, line: int) -> tuple[str, tuple[int, int]]:
    """Find the innermost function around a line of a text, and its lines in the mutant."""
    around = [(span, name) for name, span in functions(text).items() if span[0] <= line <= span[1]]
    if not around:
        return "", (0, 0)
    _, name = max(around)
    return name, functions(mutant).get(name, (0, 0))


def functions(text: str) -> dict[str, tuple[int, int]]:
    """List the functions of a source by qualified name, each with its lines, decorators included."""
    found: dict[str, tuple[int, int]] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}.{child.name}" if prefix else child.name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                found[name] = (first, child.end_lineno or child.lineno)
            visit(child, name)

    visit(ast.parse(text), "")
    return found


Shape = Callable[[Draw], Sketch]
