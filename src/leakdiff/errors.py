"""Every way leakdiff can refuse or fail, each with a slug that docs/reference/messages.md explains."""

from __future__ import annotations

from collections.abc import Sequence


class LeakdiffError(Exception):
    """The base of all errors leakdiff raises on purpose.

    Attributes:
        slug: The stable name under which docs/reference/messages.md explains the message.
    """

    slug = "leakdiff-error"


class BadOption(LeakdiffError, ValueError):
    """An option has a value that cannot work.

    Attributes:
        must: What it must be.
    """

    slug = "bad-option"

    def __init__(self, name: str, value: object, must: str, *, shown: str | None = None) -> None:
        is_plain = type(value) in (int, float, str, bool, type(None))
        said = repr(value) if is_plain else f"a {type(value).__name__}"
        super().__init__(f"{name}={said if shown is None else shown} cannot work: {name} must be {must}.")
        self.must = must


class BadUsage(LeakdiffError, ValueError):
    """A command line names a command or an option that is not there, or lacks what a command needs."""

    slug = "bad-usage"

    def __init__(self, what: str, saw: str, todo: str) -> None:
        super().__init__(f"{what}: {saw}. {todo}")


class BadCallable(LeakdiffError, TypeError):
    """What was given as step, setup or teardown cannot be called as such."""

    slug = "bad-callable"

    def __init__(self, role: str, saw: str, must: str) -> None:
        super().__init__(f"{role} cannot be used: it is {saw}; {must}.")


class BadBody(LeakdiffError, RuntimeError):
    """The body of a test cannot be run again and again."""

    slug = "bad-body"

    def __init__(self, test: str, saw: str) -> None:
        super().__init__(
            f"{test} cannot be checked for leaks: {saw}. Take the marker away, or make a test that can be repeated."
        )


class BadRounds(LeakdiffError, RuntimeError):
    """A loop over ``leakdiff.rounds()`` stands where it cannot measure, or was left before it had."""

    slug = "bad-rounds"

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(f"{what}. {todo}")

    @classmethod
    def left(cls, passes: int) -> BadRounds:
        """Say that a loop was left early."""
        return cls(
            f"The loop over leakdiff.rounds() was left in pass {passes:,}, before it had measured anything to the end: "
            "nothing can be said of growth",
            "Let it go round by itself, without break or return; rounds(rounds=, units=) say how often it does.",
        )


class CannotExpect(LeakdiffError, TypeError):
    """Whether an object goes away, or how a container grows, cannot be told."""

    slug = "cannot-expect"

    def __init__(self, what: str, saw: str, todo: str) -> None:
        super().__init__(f"{what} cannot be watched: {saw}. {todo}")


class BadScenario(LeakdiffError, TypeError):
    """A scenario of a soak cannot be run as such."""

    slug = "bad-scenario"

    def __init__(self, name: str, saw: str, todo: str) -> None:
        super().__init__(f"The scenario {name} cannot be used: {saw}. {todo}")


class UnsupportedInterpreter(LeakdiffError, RuntimeError):
    """This interpreter's heap cannot be read exactly."""

    slug = "unsupported-interpreter"

    def __init__(self, saw: str) -> None:
        super().__init__(
            f"leakdiff reads the heap of CPython 3.11 or newer with the GIL; this is {saw}. "
            "Run it under such an interpreter."
        )


class MissingExtra(LeakdiffError, ImportError):
    """Something that was asked for needs a package that leakdiff does not bring along."""

    slug = "missing-extra"

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs {package}, which is not installed: pip install 'leakdiff[{extra}]'.")


class TargetNotFound(LeakdiffError, LookupError):
    """The file, module or callable that was named does not exist."""

    slug = "target-not-found"

    def __init__(self, what: str, saw: str, todo: str) -> None:
        super().__init__(f"{what} was not found: {saw}. {todo}")


class TargetImportFailed(LeakdiffError, ImportError):
    """The user's file or module raised while it was imported."""

    slug = "target-import-failed"

    def __init__(self, target: str, error: BaseException) -> None:
        super().__init__(
            f"{target} could not be imported: it raised {type(error).__name__} (traceback above). "
            "Make it importable on its own first."
        )


class TargetFailed(LeakdiffError, RuntimeError):
    """The user's file or module raised when it was asked for what it defines."""

    slug = "target-failed"

    def __init__(self, target: str, name: str, error: BaseException) -> None:
        super().__init__(
            f"{target} has no {name!r} that can be used: asking for it raised {type(error).__name__} "
            "(traceback above). Mend that first; nothing was run."
        )


class StepFailed(LeakdiffError, RuntimeError):
    """The workload itself raised; the user's traceback is the cause.

    Attributes:
        where: In which round, and which unit where that is known.
    """

    slug = "step-failed"

    def __init__(self, role: str, where: str, error: BaseException) -> None:
        self.where = where
        super().__init__(
            f"{role} raised {type(error).__name__} in {where}; the traceback is its cause. "
            "Growth cannot be measured on a workload that fails: catch the error in the step if it belongs to the work."
        )


class StepForked(LeakdiffError, RuntimeError):
    """A step returned in a forked child process."""

    slug = "step-forked"

    def __init__(self, where: str) -> None:
        super().__init__(
            f"the step returned in a forked child process in {where}; only the parent is measured. "
            "End the child inside the step (os._exit), or use multiprocessing or subprocess."
        )


class CannotMeasure(LeakdiffError, RuntimeError):
    """Something this measurement needs is in use by someone else or missing."""

    slug = "cannot-measure"

    def __init__(self, what: str, saw: str, todo: str) -> None:
        super().__init__(f"{what} cannot be measured: {saw}. {todo}")


class CannotWrite(LeakdiffError, OSError):
    """A report or a snapshot could not be written; nothing half-written stays."""

    slug = "cannot-write"

    def __init__(self, path: str, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or error
        super().__init__(f"{path} could not be written: {reason}. Nothing was left behind.")


class CannotRead(LeakdiffError, OSError, ValueError):
    """A file holds no snapshot or report that this leakdiff can read."""

    slug = "cannot-read"

    def __init__(self, path: str, saw: str, todo: str) -> None:
        super().__init__(f"{path} cannot be read: {saw}. {todo}")


class BaselineMissing(LeakdiffError, FileNotFoundError):
    """The baseline that was named is not there."""

    slug = "baseline-missing"

    def __init__(self, path: str, command: str = "") -> None:
        command = command or f"leakdiff check TARGET --baseline {path} --write-baseline"
        super().__init__(f"The baseline {path} does not exist. Make it: {command}.")


class BadBaseline(LeakdiffError, ValueError):
    """A file holds no baseline that this leakdiff can read."""

    slug = "bad-baseline"

    def __init__(self, path: str, saw: str, todo: str) -> None:
        super().__init__(f"{path} cannot be used as a baseline: {saw}. {todo}")


class StepGone(LeakdiffError, ReferenceError):
    """The work of a check cannot be run again, because nobody kept it."""

    slug = "step-gone"

    def __init__(self, role: str) -> None:
        super().__init__(
            f"the {role} cannot be run again: a report keeps no object of the program, and this {role} was a lambda, "
            "a partial or a function that is gone. Give it: report.second_opinion(step=..., setup=..., teardown=...)."
        )


class StoreUnusable(LeakdiffError, OSError):
    """A store cannot be opened, read or written; what it holds is as it was."""

    slug = "store-unusable"

    def __init__(self, place: str, saw: str, todo: str) -> None:
        super().__init__(f"The store {place} cannot be used: {saw}. {todo}")


class StoreLocked(StoreUnusable):
    """Others held the store for longer than was allowed to wait."""

    slug = "store-locked"

    def __init__(self, place: str, seconds: float) -> None:
        super().__init__(
            place,
            f"others held it for {seconds:g} s",
            "Try again; if it stays locked, find who holds it (`fuser` on the file).",
        )


class SnapshotNotFound(LeakdiffError, LookupError):
    """A store has no snapshot of this id."""

    slug = "snapshot-not-found"

    def __init__(self, place: str, number: int) -> None:
        super().__init__(
            f"The store {place} has no snapshot {number}: it never had, or thinned it out. "
            "headers() lists those it has."
        )


class LeakFound(LeakdiffError, AssertionError):
    """Raised by ``Report.expect_clean()`` when the report says LEAK, NATIVE or INCONCLUSIVE.

    Attributes:
        report: The report that says so.
    """

    slug = "leak-found"

    def __init__(self, text: str, report: object) -> None:
        super().__init__(text)
        self.report = report


class ValuesNotAllowed(LeakdiffError, PermissionError):
    """Keys and values of the program would have to be shown, and nobody has allowed it."""

    slug = "values-not-allowed"

    def __init__(self, what: str, saw: str = "there is nobody to ask") -> None:
        super().__init__(
            f"{what} would show keys and values of the program, and {saw}. "
            "Give show_values=True if those who see this may see them."
        )


class OwnerNotFound(LeakdiffError, LookupError):
    """What was named cannot be found in this process."""

    slug = "owner-not-found"

    def __init__(self, name: str, saw: str, todo: str) -> None:
        super().__init__(f"{_shown(name, 200)} was not found: {_shown(saw)}. {_shown(todo)}")


class NoSuchName(LeakdiffError, KeyError):
    """A sequence of results has no value of this name."""

    slug = "no-such-name"

    def __init__(self, one: str, name: str, near: Sequence[str], count: int, note: str) -> None:
        saw = note or (f"of {count:,}, the nearest are {', '.join(near)}" if near else f"none of {count:,} is near")
        super().__init__(
            f"no {one} is called {name!r}: {saw}. names() lists them all, like(text) finds parts of names."
        )

    __str__ = LeakdiffError.__str__  # that of KeyError shows quotes and escapes


class NothingToDraw(LeakdiffError, ValueError):
    """A picture would be empty, or needs a program that is not there."""

    slug = "nothing-to-draw"

    def __init__(self, what: str, saw: str, todo: str) -> None:
        super().__init__(f"{what} cannot be drawn: {saw}. {todo}")


def _shown(text: str, most: int = 1_000) -> str:
    """Return text that somebody gave, bounded and harmless to a terminal."""
    cut = text if len(text) <= most else f"{text[:most]}..."
    return cut if cut.isprintable() else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)
