"""What one test asks for, by a marker or by arguments of the fixture; read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import attrs
import pytest

from leakdiff.errors import BadOption
from leakdiff.model.verdict import Verdict
from leakdiff.options import Options, make_options, refuse_unknown
from leakdiff.testing.settings import DEFAULTS, Settings

NAMES = ("ignore", "max_growth", "verdicts")  # what a test may ask for beside the knobs of a check
_FAILING = (Verdict.LEAK, Verdict.NATIVE, Verdict.INCONCLUSIVE)


@attrs.frozen(kw_only=True)
class Demands:
    """What one test asks for.

    Attributes:
        options: How it is repeated.
        ignore: Patterns, as of ``fnmatch``, of owners, types, causes and fingerprints that may grow.
        max_growth: What a finding may grow by per unit and still pass, in what its first line counts.
        verdicts: Verdicts that fail the test.
    """

    options: Options = DEFAULTS
    ignore: tuple[str, ...] = ()
    max_growth: float = 0.0
    verdicts: tuple[Verdict, ...] = _FAILING

    def ignores(self, *names: str) -> bool:
        """Tell whether a pattern matches one of the names of what grew."""
        return any(name and fnmatchcase(name, pattern) for name in names for pattern in self.ignore)


def demands_of(marker: pytest.Mark | None, settings: Settings) -> Demands:
    """Return what a marker asks for, on top of the settings of the session.

    Raises:
        BadOption: If an argument is unknown or cannot work.
    """
    given: dict[str, Any] = dict(marker.kwargs) if marker is not None else {}
    if marker is not None and marker.args:
        raise BadOption("@pytest.mark.leakdiff(...)", marker.args[0], "given arguments by name: rounds=5, units=11")
    return make_demands(settings.options, given)


def make_demands(options: Options, given: Mapping[str, Any]) -> Demands:
    """Return demands from arguments of a marker or of the fixture.

    Raises:
        BadOption: If an argument is unknown or cannot work.
    """
    knobs = {name: value for name, value in given.items() if name not in NAMES}
    refuse_unknown(given, {*attrs.fields_dict(Options), *NAMES})
    make_options(**knobs)
    return Demands(
        options=attrs.evolve(options, **knobs),
        ignore=_ignored(given.get("ignore", ())),
        max_growth=_growth(given.get("max_growth", 0)),
        verdicts=_verdicts(given.get("verdicts", _FAILING)),
    )


def _ignored(value: object) -> tuple[str, ...]:
    patterns = _listed(value)
    if any(type(text) is not str for text in patterns):
        raise BadOption("ignore", value, 'a pattern such as "app.cache.*", or a list of them')
    return tuple(map(str, patterns))


def _listed(value: object) -> tuple[object, ...]:
    """Return what a list holds; what is none is the only thing in it."""
    return tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)


def _growth(value: object) -> float:
    if type(value) not in (int, float) or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise BadOption("max_growth", value, "a number of entries, objects, blocks or bytes per unit, 0 or more")
    return float(value)  # type: ignore[arg-type]


def _verdicts(value: object) -> tuple[Verdict, ...]:
    names, known = _listed(value), list(Verdict)
    if not names or any(type(name) not in (str, Verdict) or name not in known for name in names):
        raise BadOption("verdicts", value, f"some of {', '.join(known)}")
    return tuple(Verdict(str(name)) for name in names)
