"""The test runner on the heap: what belongs to it, and kinds for walks that do not enter it."""

from __future__ import annotations

from leakdiff.capture.kinds import OWN, Kinds, KindsByIdentity, make_kinds, module_of, mro_of, type_name
from leakdiff.model.outlived import belongs_to_runner

_WEAK_CACHE = "_abc._abc_data"


def is_of_runner(cls: type) -> bool:
    """Tell whether a class belongs to the test runner or to one of its plugins."""
    if belongs_to_runner(module_of(cls)):
        return True
    return any(module_of(base).startswith("_pytest.") for base in mro_of(cls))


def kinds_past_runner() -> Kinds:
    """Return kinds for a walk that enters neither what the runner keeps for itself nor the weak caches of ``abc``.

    The runner keeps its items, reports and settings. What one of the two refers to is no leak.
    """
    return _PastByIdentity() if type(make_kinds()) is KindsByIdentity else _Past()


class _Past(Kinds):
    def _classify(self, cls: type) -> int:
        return OWN if is_of_runner(cls) or type_name(cls) == _WEAK_CACHE else super()._classify(cls)


class _PastByIdentity(_Past, KindsByIdentity):
    """The same by the identity of types."""
