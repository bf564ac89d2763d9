"""What leakdiff says: verdict, findings, evidence; names and numbers only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from leakdiff.errors import LeakFound
from leakdiff.model.cause import Cause
from leakdiff.model.code import Code
from leakdiff.model.heap import Bound, Site, Step
from leakdiff.model.native import NativeEvidence
from leakdiff.model.opinion import SecondOpinion, WeakWork
from leakdiff.model.series import Shape
from leakdiff.model.signals import Rate, Round
from leakdiff.model.verdict import ACCUSING as ACCUSING  # noqa: PLC0414  # a report is where people look for these
from leakdiff.model.verdict import Novelty as Novelty  # noqa: PLC0414
from leakdiff.model.verdict import Verdict as Verdict  # noqa: PLC0414

if TYPE_CHECKING:
    import networkx as nx

    from leakdiff.model.baseline import Baseline


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


@attrs.frozen
class Finding:
    """One cause of growth.

    Attributes:
        verdict: What it is.
        because: The reason, in a sentence a stranger can check.
        fingerprint: Six hex digits that are the same on the next run.
        owner: The owner by the name a person can edit; None where no Python object owns the growth.
        owner_type: The owner's type, or the type at the top of what has no owner.
        entries: Entries the owner holds now.
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
    """

    verdict: Verdict
    because: str
    fingerprint: str
    owner: str | None
    owner_type: str
    entries: int
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

    def __repr__(self) -> str:
        return f"<Finding {self.verdict} {self.owner or self.owner_type} {self.per_unit.objects:.2f} objects per unit>"


@attrs.frozen
class Cost:
    """What the check itself cost.

    Attributes:
        cpu_seconds: CPU seconds of leakdiff's own work, without the step.
        walked: Objects of the heap walked, 0 if no walk was needed.
    """

    cpu_seconds: float = 0.0
    walked: int = 0


@attrs.frozen
class Report:
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
    """

    verdict: Verdict
    because: str
    findings: tuple[Finding, ...] = ()
    rounds: tuple[Round, ...] = ()
    not_analysed: tuple[str, ...] = ()
    cost: Cost = Cost()
    python: str = ""
    version: str = ""
    unit: str = "unit"
    confidence: str = ""
    fixed: tuple[str, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    work: WeakWork | None = attrs.field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        from leakdiff.render.text import headline

        return headline(self)

    def __repr__(self) -> str:
        return f"<Report {self.verdict}, {len(self.findings)} finding(s), {len(self.rounds)} rounds>"

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that are leaks: LEAK or NATIVE."""
        return tuple(finding for finding in self.findings if finding.verdict in ACCUSING)

    def text(self) -> str:
        """Return the full report as text."""
        from leakdiff.render.text import render_text

        return render_text(self)

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
