"""What rich, IPython and notebooks ask a result for; neither is imported before it asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from leakdiff.model.one_line import told_fields
from leakdiff.model.shown import Shown

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_MOST_MEMBERS = 10


class Showing:
    """A result that shows itself as a table wherever tables can be shown, and as one line elsewhere."""

    __slots__ = ()

    def __rich_repr__(self) -> Iterator[Any]:
        """Yield what ``rich.pretty`` shows: members of a sequence, or the fields that say something, a line each."""
        if isinstance(self, tuple):
            yield from (Shown(repr(member)) for member in self[:_MOST_MEMBERS])
            if len(self) > _MOST_MEMBERS:
                yield "more", len(self) - _MOST_MEMBERS
        else:
            yield from ((name, Shown(text)) for name, text in told_fields(self))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from leakdiff.render.rich import rich_console

        return rich_console(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from leakdiff.render.notebook import mimebundle

        return mimebundle(self)
