"""Every way the debug endpoint can refuse, each with the status it answers and a slug that the documents explain."""

from __future__ import annotations

from typing import Self

from leakdiff.errors import (
    BadOption,
    CannotMeasure,
    LeakdiffError,
    MissingExtra,
    SnapshotNotFound,
    StoreUnusable,
    UnsupportedInterpreter,
)
from leakdiff.watcher import told

_STATUSES: tuple[tuple[type[LeakdiffError], int], ...] = (
    (SnapshotNotFound, 404),
    (BadOption, 400),
    (StoreUnusable, 503),
    (CannotMeasure, 503),
    (MissingExtra, 501),
    (UnsupportedInterpreter, 501),
)


class Refused(LeakdiffError):
    """The base of all refusals of the debug endpoint.

    Attributes:
        status: The status code of the answer.
        headers: Headers of the answer.
    """

    slug = "refused"
    status = 400

    def __init__(self, sentence: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(sentence)
        self.headers = headers


class NotThere(Refused):
    """There is nothing at this path, or no token is configured."""

    slug = "not-there"
    status = 404

    def __init__(self) -> None:
        super().__init__("There is nothing at this path.")


class NotKnown(Refused):
    """A snapshot, job, profile or finding that was named is not kept here."""

    slug = "not-known"
    status = 404

    def __init__(self, what: str, name: str, todo: str) -> None:
        super().__init__(f"This process keeps no {what} {name!r}. {todo}")


class NotMeasured(Refused):
    """What was asked for needs a measurement that was never taken."""

    slug = "not-measured"
    status = 404

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(f"{what} is not known yet. {todo}")


class NotReady(Refused):
    """What was asked for is being computed, for somebody who asked before."""

    slug = "not-ready"
    status = 503

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is being computed, for somebody who asked before. Try again in a few seconds.",
            (("Retry-After", "5"),),
        )


class BadToken(Refused):
    """The request carries no token, or another than the one configured."""

    slug = "bad-token"
    status = 401

    def __init__(self) -> None:
        super().__init__(
            "The token is missing or wrong: send `Authorization: Bearer TOKEN`, or log in with any name and the token "
            "as password.",
            (("WWW-Authenticate", 'Bearer realm="leakdiff"'), ("WWW-Authenticate", 'Basic realm="leakdiff"')),
        )


class BadHost(Refused):
    """The Host header names a host that is not on the list."""

    slug = "bad-host"
    status = 421

    def __init__(self) -> None:
        super().__init__(
            "This host name is not on the list of those the endpoint answers to: add it to hosts= (loopback names "
            "are always on it)."
        )


class CrossSite(Refused):
    """A page of another site sent the request."""

    slug = "cross-site"
    status = 403

    def __init__(self) -> None:
        super().__init__("A page of another site sent this request, and only pages of the endpoint itself may.")


class BadMethod(Refused):
    """The path is there, the method is not."""

    slug = "bad-method"
    status = 405

    def __init__(self, path: str, allowed: tuple[str, ...]) -> None:
        methods = ", ".join(allowed)
        super().__init__(f"{path} answers to {methods} only.", (("Allow", methods),))


class BadParameter(Refused):
    """A parameter is unknown, or its value cannot work."""

    slug = "bad-parameter"
    status = 400

    def __init__(self, name: str, saw: str, must: str) -> None:
        super().__init__(f"The parameter {name!r} cannot work: {saw}; it must be {must}.")


class Busy(Refused):
    """Another measurement is under way in this process."""

    slug = "busy"
    status = 409

    def __init__(self, kind: str, job: str, seconds: float) -> None:
        retry = max(1, round(seconds))
        super().__init__(
            f"A {kind} is under way in this process (job {job}), and only one measurement runs at a time. "
            f"Try again in about {retry} s.",
            (("Retry-After", str(retry)),),
        )


class TooOften(Refused):
    """Something was asked for again too soon."""

    slug = "too-often"
    status = 429

    def __init__(self, what: str, seconds: float, *, after: str = "the last") -> None:
        retry = max(1, round(seconds + 0.5))
        super().__init__(f"{what} came too soon after {after}. Try again in {retry} s.", (("Retry-After", str(retry)),))


class TooLarge(Refused):
    """The body, the query or the answer is larger than allowed."""

    slug = "too-large"
    status = 413

    def __init__(self, what: str, most: int) -> None:
        super().__init__(f"{what} is larger than {most:,} bytes, which is the limit.")


class TooSlow(Refused):
    """The body did not arrive in time."""

    slug = "too-slow"
    status = 408

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive within {seconds:g} s.")


class Broken(Refused):
    """A view failed; the service itself goes on."""

    slug = "view-failed"
    status = 500

    def __init__(self, view: str, told: str) -> None:
        super().__init__(f"{view} could not be shown: {told} The service itself is not affected.")


class Failed(Refused):
    """Something that a view needs refused or failed, and said why in a sentence with a slug of its own."""

    status = 500

    @classmethod
    def of(cls, error: LeakdiffError) -> Self:
        """Say what an error of leakdiff's other parts says."""
        made = cls(str(error))
        made.slug = error.slug
        usual = error.status if isinstance(error, Refused) else cls.status
        made.status = next((status for kind, status in _STATUSES if isinstance(error, kind)), usual)
        return made


def refusal_of(error: Exception, what: str) -> Refused:
    """Return how an error is answered, without the frames that it went through.

    Args:
        error: What was raised.
        what: What could not be shown, for an error that is not one of leakdiff's.
    """
    if isinstance(error, Refused):
        return error.with_traceback(None)  # which leads to the frame that keeps it
    return Failed.of(error) if isinstance(error, LeakdiffError) else Broken(what, told(error))
