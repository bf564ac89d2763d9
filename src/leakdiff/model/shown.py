"""Text that was made to be looked at: at a prompt it shows itself instead of its quotes and escapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from leakdiff.errors import BadOption

MEDIA = {"text": "text/plain", "svg": "image/svg+xml"}


class Shown(str):  # noqa: SLOT000 - a str cannot have slots with names
    """A text, or a picture that is written as text, which a prompt shows as what it is.

    It is a ``str`` in every other respect: print it, search it, write it to a file.

    Attributes:
        kind: ``text`` or ``svg``: how a notebook shows it.
        said: What a plain prompt shows where the text itself is for machines; empty where it is for readers.
    """

    kind: str
    said: str

    def __new__(cls, text: str, kind: str = "text", said: str = "") -> Self:
        """Make one.

        Args:
            text: The text.
            kind: One of ``MEDIA``.
            said: One line to show instead of it at a plain prompt.

        Raises:
            BadOption: If there is no such kind.
        """
        if kind not in MEDIA:
            raise BadOption("kind", kind, f"one of {', '.join(MEDIA)}")
        made = super().__new__(cls, text)
        made.kind = kind
        made.said = said
        return made

    def __repr__(self) -> str:
        return self.said or str(self)

    def __getnewargs__(self) -> tuple[str, str, str]:  # type: ignore[override]
        return str(self), self.kind, self.said

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Return what IPython and notebooks show, by media type."""
        return {"text/plain": repr(self), MEDIA[self.kind]: repr(self) if self.kind == "text" else str(self)}

    def save(self, path: str | Path) -> None:
        """Write it to a file, whole or not at all, as UTF-8.

        Raises:
            CannotWrite: If the file cannot be written.
        """
        from leakdiff.store.files import write_whole

        write_whole(Path(path), self.encode("utf-8", "backslashreplace"))
