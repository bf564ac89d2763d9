"""What a soak repeats: functions with a weight and a name."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from leakdiff.capture.workload import is_awaitable
from leakdiff.errors import BadOption, BadScenario
from leakdiff.soaking.faults import Fault, Faulty, is_coroutine_function, name_of
from leakdiff.soaking.striking import Striker

_FOREVER = 1e12


def _weight(_: object, attribute: attrs.Attribute[float], value: object) -> None:
    if type(value) not in (int, float) or not 0 < value < _FOREVER:  # type: ignore[operator]
        raise BadOption(attribute.name, value, "a number above 0")


def _name(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (type(value) is not str or not value.strip() or not value.isprintable()):
        raise BadOption(attribute.name, value, "a text on one line")


@attrs.frozen(eq=False)
class Scenario:
    """One kind of unit in the mix of a soak.

    Attributes:
        function: A function or a coroutine function without arguments, or what ``leakdiff.cancel_midway`` and the other
            faults make of one.
        weight: How often it comes, beside the weights of the others.
        name: What reports call it; the function's name unless given.
    """

    function: Callable[[], Any] | Faulty
    weight: float = attrs.field(default=1.0, kw_only=True, validator=_weight)
    name: str | None = attrs.field(default=None, kw_only=True, validator=_name)

    def __attrs_post_init__(self) -> None:
        refuse_arguments(self.called, self.plain)

    @property
    def plain(self) -> Callable[[], Any]:
        """The function without its fault."""
        function: Any = self.function
        plain: Callable[[], Any] = function.function if type(function) is Faulty else function
        return plain

    @property
    def fault(self) -> Fault | None:
        """What strikes it."""
        return self.function.fault if type(self.function) is Faulty else None

    @property
    def called(self) -> str:
        """What reports call it."""
        if self.name is not None:
            return self.name
        return self.function.name if type(self.function) is Faulty else name_of(self.function)


def refuse_arguments(name: str, function: object) -> None:
    """Refuse what cannot be called without arguments.

    Raises:
        BadScenario: If so.
    """
    if not callable(function):
        raise BadScenario(name, f"it is a {type(function).__name__}", "Give a function or a coroutine function.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise BadScenario(name, "it is a generator function, and calling it runs nothing", "Give a plain function.")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        return
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [one.name for one in parameters if one.default is one.empty and one.kind not in kinds]
    if needed:
        raise BadScenario(name, f"it requires {', '.join(needed)}", "Give a function without arguments: a lambda, say.")


def listed(given: Any) -> tuple[Scenario, ...]:
    """Return scenarios from what a user gives: one or several, functions among them; names are made distinct.

    Raises:
        BadScenario: If there are none, or something else is among them.
    """
    some = tuple(given) if type(given) in (list, tuple) else (given,)
    if not some:
        raise BadScenario("scenarios", "the list is empty", "Give one scenario at least.")
    made = [one if type(one) is Scenario else Scenario(_callable(one)) for one in some]
    return tuple(_renamed(made))


def _callable(given: object) -> Any:
    if type(given) is Faulty or callable(given):
        return given
    raise BadScenario(
        "scenarios", f"a {type(given).__name__} is among them", "Give functions, or leakdiff.Scenario(...)."
    )


def _renamed(scenarios: Iterable[Scenario]) -> list[Scenario]:
    seen: dict[str, int] = {}
    done = []
    for one in scenarios:
        number = seen[one.called] = seen.get(one.called, 0) + 1
        done.append(attrs.evolve(one, name=one.called if number == 1 else f"{one.called} ({number})"))
    return done


@attrs.define(eq=False)
class Running:
    """A scenario in a soak that runs.

    Attributes:
        scenario: The scenario.
        is_async: Whether it is a coroutine function.
        striker: What strikes it, if anything does.
        units: How often it ran.
    """

    scenario: Scenario
    is_async: bool
    striker: Striker | None
    units: int = 0

    @classmethod
    def of(cls, scenario: Scenario, seed: int) -> Running:
        """Make a scenario ready to run."""
        striker = None
        if type(scenario.function) is Faulty:
            drawn = random.Random(f"{seed} {scenario.called}")  # noqa: S311 - so that the run can be repeated
            striker = Striker(scenario.function, scenario.called, drawn)
        return cls(scenario, is_coroutine_function(scenario.plain), striker)

    async def run(self) -> None:
        """Run a unit of a coroutine function."""
        if self.striker is not None:
            await self.striker.run()
        else:
            await self.scenario.plain()

    def call(self) -> None:
        """Run a unit of a plain function."""
        if self.striker is not None:
            self.striker.run_plain()
        elif is_awaitable(self.scenario.plain()):
            todo = "Make it a coroutine function: async def."
            raise BadScenario(self.scenario.called, "it is plain, and returned something to await", todo)
