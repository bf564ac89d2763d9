"""What a path of the endpoint is: its method, what it takes, and which view answers."""

from __future__ import annotations

import functools
import importlib
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs

from leakdiff.web.desk import Desk
from leakdiff.web.messages import Request, Response
from leakdiff.web.refusals import BadParameter
from leakdiff.web.view import View

Format = Literal["html", "json", "text"]
FORMATS: tuple[Format, ...] = ("html", "json", "text")
VARIABLE = re.compile(r"\{(\w+)\}")
SEGMENT = "[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}"  # what can stand for a variable of a path: names that we gave


@attrs.frozen(kw_only=True)
class Parameter:
    """A parameter of the query, or of the form that is posted.

    Attributes:
        name: Its name.
        kind: ``number``, ``integer``, ``boolean`` or ``text``.
        default: What it is if it is not given.
        least: The least number.
        most: The largest number, or the longest text.
        choices: All texts that can be given.
        said: What it means.
    """

    name: str
    kind: Literal["number", "integer", "boolean", "text"]
    default: Any = None
    least: float = 0
    most: float = 200
    choices: tuple[str, ...] = ()
    said: str = ""

    def read(self, value: str) -> Any:
        """Return what a text stands for.

        Raises:
            BadParameter: If it cannot work.
        """
        if self.kind == "text":
            return self._text(value)
        if self.kind == "boolean":
            if value not in ("true", "false"):
                raise BadParameter(self.name, "it is neither", "true or false")
            return value == "true"
        return self._number(value)

    def _text(self, value: str) -> str:
        if self.choices and value not in self.choices:
            raise BadParameter(self.name, "it is none of these", ", ".join(self.choices))
        if len(value) > self.most:
            raise BadParameter(self.name, f"it has {len(value):,} characters", f"{self.most:,.0f} at most")
        return value

    def _number(self, value: str) -> float:
        must = f"a{' whole' if self.kind == 'integer' else ''} number from {self.least:g} to {self.most:g}"
        is_plain = value.isascii() and len(value) < 32 and "_" not in value and value == value.strip()
        try:
            number = (int(value) if self.kind == "integer" else float(value)) if is_plain else math.nan
        except ValueError:
            number = math.nan
        if not self.least <= number <= self.most:
            raise BadParameter(self.name, "it is out of range or no number", must)
        return number


_FORMAT = Parameter(name="format", kind="text", choices=FORMATS, said="How to answer; goes before the Accept header.")


@attrs.frozen(kw_only=True)
class Asked:
    """What a view is asked.

    Attributes:
        desk: What it looks at.
        request: The request.
        format: How it will be told.
        given: The parameters by name, read; those of the path as well.
    """

    desk: Desk
    request: Request
    format: Format
    given: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Route:
    """One method of one path.

    Attributes:
        method: ``GET`` or ``POST``; ``HEAD`` goes where ``GET`` does.
        path: The path, with variables as ``{name}``, each within one segment.
        view: Where the view is: the module under ``leakdiff.web.views``, and its name there.
        said: What it answers, in a line.
        parameters: Those of the query, or of the form.
        is_view: Whether it answers in three formats; others answer in one of their own.
        types: The content types of its answers, where it is no view.
        statuses: What it may answer beyond what every path may.
    """

    method: str
    path: str
    view: str
    said: str
    parameters: tuple[Parameter, ...] = ()
    is_view: bool = True
    types: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()

    @property
    def all_parameters(self) -> tuple[Parameter, ...]:
        """Its parameters, and how to answer where there is a choice."""
        return (*self.parameters, *((_FORMAT,) if self.is_view else ()))

    def load(self) -> Callable[[Asked], View | Response]:
        """Return the view, imported when it is first asked for."""
        module, name = self.view.split(":")
        found: Callable[[Asked], View | Response] = getattr(
            importlib.import_module(f"leakdiff.web.views.{module}"), name
        )
        return found

    def match(self, path: str) -> dict[str, str] | None:
        """Return the variables of a path; None if it is another."""
        found = _pattern(self.path).fullmatch(path)
        return found.groupdict() if found is not None else None


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    parts = enumerate(VARIABLE.split(path))
    return re.compile("".join(f"(?P<{part}>{SEGMENT})" if at % 2 else re.escape(part) for at, part in parts))
