"""What leakdiff says: verdict, findings, evidence; names and numbers only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

from leakdiff.errors import BadOption, LeakFound
from leakdiff.model.cause import Cause
from leakdiff.model.code import Code
from leakdiff.model.heap import Bound, Site, Step
from leakdiff.model.named import Named
from leakdiff.model.native import NativeEvidence
from leakdiff.model.one_line import bounded, one_line
from leakdiff.model.opinion import SecondOpinion, WeakWork
from leakdiff.model.series import Shape
from leakdiff.model.showing import Showing
from leakdiff.model.shown import Shown
from leakdiff.model.signals import Phase, Rate, Round
from leakdiff.model.snapshot import Identity, Moment
from leakdiff.model.verdict import ACCUSING as ACCUSING  # noqa: PLC0414  # a report is where people look for these
from leakdiff.model.verdict import Novelty as Novelty  # noqa: PLC0414
from leakdiff.model.verdict import Verdict as Verdict  # noqa: PLC0414

if TYPE_CHECKING:
    import networkx as nx

    from leakdiff.entries import Entries
    from leakdiff.model.baseline import Baseline

_LONGEST_NAME = 80
_LONGEST_CLAIM = 140


@attrs.frozen
class TypeGrowth:
    """One type that grows under an owner.

    Attributes:
        name: Its qualified name.
        per_unit: Objects per unit of work.
        count: Objects over the deep rounds.
        site: Where most of them were allocated, if known.
        per_entry: Objects per entry that the owner gained, where entries are counted.
    """

    name: str
    per_unit: float
    count: int
    site: Site | None = None
    per_entry: float | None = None

    __repr__ = one_line


@attrs.frozen
class Finding(Showing):
    """One cause of growth.

    Attributes:
        verdict: What it is.
        because: The reason, in a sentence a stranger can check.
        fingerprint: Six hex digits that are the same on the next run.
        owner: The owner by the name a person can edit; None where no Python object owns the growth.
        owner_type: The owner's type, or the type at the top of what has no owner.
        length: Entries the owner holds now.
        path: Steps from the root over the owner to a growing object.
        depth: How many of the steps lead to the owner.
        types: What grows, most first.
        key_shape: What the owner's keys look like.
        sites: Allocation sites, most frequent first.
        per_unit: Rates: objects and shallow bytes under this owner; blocks and native bytes of the whole
            process where the finding accounts for them.
        per_entry: Bytes one entry retains, where entries are counted.
        bound: What will stop the growth, if anything.
        advice: What to do.
        cause: The kind of mistake, by the name the runbook has for it; None where none fits.
        code: What the source says of the owner: the lines that put entries in and those that take them out.
        native: The evidence for growth that no Python object owns.
        waiting: Where tasks among the entries wait, by the lines of the awaits, outermost first; the last says on what.
        retained: Bytes per unit that would go with this owner alone: what no other owner holds as well.
        share: Bytes per unit of what it holds, what several owners hold being shared out among them.
        shared_with: Names of other owners that hold the same objects.
        shape: How its length went: ``linear``, ``step``, ``plateau``, ``sawtooth``, ``noisy`` or ``flat``; None where
            it was not watched.
        artefact: Why growth of this kind is no fault of the program, where it is of a known kind.
        novelty: ``NEW`` or ``KNOWN``, where a baseline was given.
        grows: Which scenario of a soak makes it grow, and by how much; empty where it was not a soak.
        graph: The graph around the growing objects: type names with ``count`` and ``bytes``, edges with ``count``.
        unit: What its rates count by; its report's.
        units: Units of work that the heap was compared over; 0 where it was not. Its report's as well.
        work: Weak references to what was checked; its report's.
    """

    verdict: Verdict
    because: str
    fingerprint: str
    owner: str | None
    owner_type: str
    length: int
    path: tuple[Step, ...]
    depth: int
    types: tuple[TypeGrowth, ...]
    key_shape: str | None
    sites: tuple[Site, ...]
    per_unit: Rate
    per_entry: float | None = None
    entries_per_unit: float | None = None
    bound: Bound | None = None
    advice: str = ""
    cause: Cause | None = None
    code: Code | None = None
    native: NativeEvidence | None = None
    waiting: tuple[Site, ...] = ()
    retained: float | None = None
    share: float | None = None
    shared_with: tuple[str, ...] = ()
    shape: Shape | None = None
    artefact: str = ""
    novelty: Novelty | None = None
    grows: str = ""
    graph: nx.DiGraph[str] | None = attrs.field(default=None, eq=False, repr=False)
    unit: str = attrs.field(default="unit", eq=False)
    units: float = attrs.field(default=0, eq=False)
    work: WeakWork | None = attrs.field(default=None, eq=False, repr=False)

    def __repr__(self) -> str:
        from leakdiff.render.text import title

        return bounded(f"<Finding {title(self)}>")

    def __str__(self) -> str:
        from leakdiff.render.text import title

        return title(self)

    def why(self) -> Shown:
        """Return all that is known of it, row by row, as its report tells it."""
        from leakdiff.render.text import finding_text

        return Shown(finding_text(self))

    def draw(self, style: str = "tree", *, show_values: bool | None = None) -> Shown:
        """Return a picture of the path and of the graph above the growing objects.

        Args:
            style: ``tree`` or ``ascii`` for text; ``dot``, ``mermaid``, ``svg``; ``treemap`` for what the owner
                retains, as SVG, and ``bars`` for that as text; ``objgraph`` for objgraph's picture of back-references,
                of the live objects, as SVG.
            show_values: Allows the style ``objgraph`` to read keys and values, which runs ``repr`` of the program's own
                classes; None asks at a prompt, and refuses elsewhere.

        Raises:
            BadOption: If there is no such style.
            ValuesNotAllowed: If keys and values would have to be shown, and nobody allowed it.
            OwnerNotFound: If objgraph is to draw live objects, and they cannot be found in this process.
            NothingToDraw: If the picture would be empty, or needs a program that is not there.
        """
        from leakdiff.drawing import draw

        return draw(self, style, show_values=show_values)

    def entries(self, count: int = 3, *, show_values: bool | None = None) -> Entries:
        """Return the newest entries of the owner as they are now, in this process: their keys, values and attributes.

        What it returns holds texts only, none of the objects. Texts and numbers of the program are shown, so it asks.

        Args:
            count: How many, at most.
            show_values: Whether to show them; None asks at a prompt, and refuses elsewhere.

        Raises:
            BadOption: If the number cannot work.
            ValuesNotAllowed: If nobody allowed it.
            OwnerNotFound: If the owner cannot be found in this process, by its path.
        """
        from leakdiff.entries import entries_of

        return entries_of(self, count, show_values=show_values)

    def second_opinion(self, step: Callable[..., Any] | None = None, **how: Any) -> SecondOpinion:
        """Ask objgraph, pympler and guppy3 about it, as ``Report.second_opinion`` does.

        Raises:
            StepGone: If the work that was checked is gone and none is given.
        """
        return Report(self.verdict, self.because, (self,), unit=self.unit, work=self.work).second_opinion(step, **how)


class Findings(Named[Finding]):
    """Findings, the gravest and heaviest first.

    One is taken out by its number, its fingerprint or its owner: ``findings[0]``, ``findings["3f9a2c"]``.
    """

    one = "finding"
    _between = "; "

    @staticmethod
    def names_of(value: Finding) -> tuple[str, ...]:
        """Return its fingerprint, and the name of its owner."""
        return (value.fingerprint, value.owner) if value.owner is not None else (value.fingerprint,)

    def why(self) -> Shown:
        """Return all that is known of each, one after the other."""
        from leakdiff.render.text import finding_text

        return Shown("\n\n".join(finding_text(finding) for finding in self))

    def _short(self, value: Finding) -> str:
        who = value.owner if value.owner is not None else value.owner_type
        return f"{value.verdict} {bounded(who, _LONGEST_NAME)} [{value.fingerprint}]"


@attrs.frozen
class Cost:
    """What the check itself cost.

    Attributes:
        cpu_seconds: CPU seconds of leakdiff's own work, without the step.
        walked: Objects of the heap walked, 0 if no walk was needed.
    """

    cpu_seconds: float = 0.0
    walked: int = 0

    __repr__ = one_line


@attrs.frozen
class Report(Showing):
    """The answer of a check.

    Attributes:
        verdict: The gravest verdict that stands.
        because: Its reason.
        findings: Causes of growth, the gravest and heaviest first.
        rounds: Every measured round with its raw signals.
        not_analysed: What was not looked at or could not be, in sentences.
        cost: What the check cost.
        python: Version of the interpreter.
        version: Version of leakdiff.
        confidence: How sure the verdict is, because of what, and what would make it surer, in a sentence.
        fixed: Owners of the baseline's findings that were not found any more.
        work: Weak references to what was checked, for a second opinion.
        also: What else there is to tell, as a short name and a text each: of a soak, what ran and what did not.
        unit: What rates count by, in the singular: ``unit`` of work, or ``second`` or ``hour`` of live traffic.
        taken: When it was made; None where that is not known.
        identity: Of which process it is; None where that is not known.
    """

    verdict: Verdict
    because: str
    findings: Findings = attrs.field(default=Findings(), converter=Findings)
    rounds: tuple[Round, ...] = ()
    not_analysed: tuple[str, ...] = ()
    cost: Cost = Cost()
    python: str = ""
    version: str = ""
    unit: str = "unit"
    confidence: str = ""
    fixed: tuple[str, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    taken: Moment | None = attrs.field(default=None, repr=False)
    identity: Identity | None = attrs.field(default=None, repr=False)
    work: WeakWork | None = attrs.field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Tell the findings what they need of their report, so that one can be taken out of it."""
        units = sum(measured.units for measured in self.rounds if measured.phase is Phase.DEEP)
        told = (attrs.evolve(one, unit=self.unit, units=units or one.units, work=self.work) for one in self.findings)
        object.__setattr__(self, "findings", Findings(told))

    def __str__(self) -> str:
        from leakdiff.render.text import headline

        return headline(self)

    def __repr__(self) -> str:
        from leakdiff.render.plain import counted
        from leakdiff.render.text import claim, told

        shown = told(self)
        first = claim(shown[0]) if shown else self.because
        rounds = f", {counted(len(self.rounds), 'round')}" if self.rounds else ""
        found = f"{counted(len(shown), 'finding')}{rounds}"
        return bounded(f"<Report {self.verdict}, {found}: {bounded(first, _LONGEST_CLAIM)}>")

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that are leaks: LEAK or NATIVE."""
        return tuple(finding for finding in self.findings if finding.verdict in ACCUSING)

    def top(self, most: int = 3) -> Findings:
        """Return the first few of the findings that are worth telling: the gravest and heaviest.

        Raises:
            BadOption: If the number cannot work.
        """
        from leakdiff.render.text import told

        if type(most) is not int or most < 1:
            raise BadOption("most", most, "a whole number from 1 on")
        return Findings(told(self)[:most])

    def why(self) -> Shown:
        """Return the full report as text that shows itself at a prompt."""
        return Shown(self.text())

    def text(self) -> str:
        """Return the full report as text."""
        from leakdiff.render.text import render_text

        return render_text(self)

    def markdown(self) -> str:
        """Return the report as GitHub-flavoured Markdown: for tickets, and for the summary of a CI step."""
        from leakdiff.render.markdown import render_markdown

        return render_markdown(self)

    def sarif(self) -> str:
        """Return the report as SARIF 2.1.0: code hosts show it at the lines that insert and remove."""
        from leakdiff.render.sarif import render_sarif

        return render_sarif(self)

    def save(self, path: str | Path) -> None:
        """Write it to a file, whole or not at all, in the format that the file's ending names.

        Args:
            path: Ends with ``.json``, ``.html``, ``.md``, ``.sarif``, ``.txt``, ``.svg``, ``.dot`` or ``.mmd``.

        Raises:
            BadOption: If the ending names no format.
            CannotWrite: If the file cannot be written.
            MissingExtra: If jinja2 is not installed, which HTML needs and ``leakdiff[html]`` brings along.
        """
        from leakdiff.reports import save

        save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a report that was saved as JSON, also by ``leakdiff check --json``.

        Raises:
            CannotRead: If the file is missing, corrupt, foreign or of a newer format.
        """
        from leakdiff.reports import load

        return load(path)  # type: ignore[return-value]

    def json(self) -> str:
        """Return the report as JSON (format 1; docs/reference/json.md has the schema)."""
        from leakdiff.render.json import render_json

        return render_json(self)

    def html(self) -> str:
        """Return the report as one page of HTML, which needs nothing from outside.

        Raises:
            MissingExtra: If jinja2 is not installed, which ``leakdiff[html]`` brings along.
        """
        from leakdiff.render.html import render_html

        return render_html(self)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``json()`` encodes."""
        from leakdiff.render.json import as_dict

        return as_dict(self)

    def second_opinion(
        self,
        step: Callable[..., Any] | None = None,
        *,
        setup: Callable[..., Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        units: int | None = None,
    ) -> SecondOpinion:
        """Ask objgraph, pympler and guppy3 the same question, and say where they agree, differ, or cannot see.

        Args:
            step: What was checked; needed where it is gone meanwhile, as a lambda is.
            setup: As for ``leakdiff.check``.
            teardown: As for ``leakdiff.check``.
            units: Units of work between two looks of a peer; as many as in a round of the check, if None.

        Raises:
            StepGone: If the report's step is gone and none is given.
        """
        from leakdiff.second import second_opinion

        return second_opinion(self, step, setup=setup, teardown=teardown, units=units, work=self.work)

    def expect_clean(self, *, baseline: Baseline | None = None, target: str = "") -> None:
        """Raise unless nothing leaks: one line at the end of a test.

        Args:
            baseline: Leaks that are known and accepted for now.
            target: The name under which the baseline has what was checked.

        Raises:
            LeakFound: If the verdict is LEAK or NATIVE, by a leak that is not in the baseline, or INCONCLUSIVE; carries
                the report.
        """
        from leakdiff.model.baseline import new_leaks

        report = self if baseline is None else baseline.compare(self, target=target)
        is_accepted = baseline is not None and not new_leaks(report)
        if report.verdict is Verdict.INCONCLUSIVE or (report.verdict in ACCUSING and not is_accepted):
            raise LeakFound(report.text(), report)
