"""Requests that come by WSGI, counted: each is over when its answer is closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from leakdiff.capture.request_meter import RequestMeter
from leakdiff.capture.routes import HARMLESS
from leakdiff.web.counting import COUNTED, MISSING, Counter, Sizes
from leakdiff.web.patterns import OWN, pattern_of_environ

_LONGEST_NUMBER = 19  # digits: the length that a client says its body has is a number of any size


class _Visit(Sizes):
    """One WSGI request, from the call until its answer is closed."""

    __slots__ = ("_counter", "_environ", "_file", "_has_pattern", "_method", "_offered", "_root", "_route", "_start")

    def __init__(self, counter: Counter, meter: RequestMeter | None, environ: dict[str, Any], start: Any) -> None:
        super().__init__(meter)
        self._counter = counter
        self._environ: Any = environ
        self._start: Any = start
        self._root, self._method = environ.get("SCRIPT_NAME"), environ.get("REQUEST_METHOD")
        self._route: str | None = None
        self._has_pattern = False
        self._file: Any = None
        self._offered: Any = environ.get("wsgi.file_wrapper")
        self.received = _number(environ.get("CONTENT_LENGTH"))
        if meter is not None:
            meter.enter()

    def run(self, app: Any) -> Any:
        """Call the application and return its answer: as it is where all of it is there, else so that its end is seen.

        A server that offers a function for files compares what that returned with the answer: so do we. Where it
        offers a class it asks for an instance of it, and the class has to stay.
        """
        environ, wrap = self._environ, self._wrap_file
        is_function = self._offered is not None and type(self._offered) is not type
        if is_function:
            environ["wsgi.file_wrapper"] = wrap
        try:
            pieces = app(environ, self.start)
        finally:
            if is_function and environ.get("wsgi.file_wrapper") is wrap:
                environ["wsgi.file_wrapper"] = self._offered
        return self._answered(pieces)

    def _wrap_file(self, *arguments: Any, **named: Any) -> Any:
        self._file = self._offered(*arguments, **named)
        return self._file

    def start(self, status: Any, *arguments: Any, **named: Any) -> Any:
        """Begin the answer; now is when Flask's request can be seen."""
        with HARMLESS:
            self.is_missing = type(status) is str and status.startswith(str(MISSING))
            self._look()
        write = self._start(status, *arguments, **named)
        return write if write is None else self._writing(write)

    def _writing(self, write: Any) -> Any:
        def noted(piece: Any) -> Any:
            with HARMLESS:
                self.went(piece)
            return write(piece)

        return noted

    def _look(self) -> None:
        """Name the route; where the application is mounted may be a value, and is told as ``{}``."""
        environ = self._environ
        pattern = pattern_of_environ(environ)
        root = environ.get("SCRIPT_NAME")
        if pattern is not None and type(root) is str and type(self._root) is str and root != self._root:
            pattern = f"/{{}}{pattern}"
        self._has_pattern = pattern is not None
        self._route = self._counter.name(self._method, pattern, environ, is_missing=self.is_missing)

    def _answered(self, pieces: Any) -> Any:
        if type(pieces) in (list, tuple):
            with HARMLESS:
                for piece in pieces:
                    self.went(piece)
        elif not (type(pieces) is self._offered or (self._file is not None and pieces is self._file)):
            return _Answer(self, pieces)
        self.end()  # a file is sent by the server itself, and only if it sees that it is one
        return pieces

    def end(self) -> None:
        """Count the request as ended, once; name its route unless that was done as the answer began."""
        if self._environ is None:
            return
        try:
            with HARMLESS:
                is_late = not self._has_pattern and pattern_of_environ(self._environ) is not None
                if self._route is None or is_late:
                    self._look()
        finally:
            self.drop()

    def drop(self) -> None:
        """Count the request as ended, once, by what is known of it: no code of the program's is run."""
        environ, self._environ = self._environ, None
        if environ is None:
            return
        self._start = self._offered = self._file = None
        if self.meter is not None:
            self.meter.leave()
        route = self._route if self._route is not None else self._counter.unnamed(self._method)
        self._counter.end(self, None if OWN in environ else route)


def _number(text: object) -> int:
    """Return the number that a client says, 0 if it says none: more digits than Python reads would raise."""
    is_number = type(text) is str and len(text) < _LONGEST_NUMBER and text.isascii() and text.isdecimal()
    return int(text) if is_number else 0  # type: ignore[call-overload]


class _Answer:
    """An answer in pieces, whose last is followed by ``close``, as PEP 3333 asks."""

    __slots__ = ("_all", "_rest", "_visit")

    def __init__(self, visit: _Visit, pieces: Any) -> None:
        self._visit, self._all = visit, pieces
        self._rest: Any = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> Any:
        if self._rest is None:
            self._rest = iter(self._all)
        piece = next(self._rest)
        with HARMLESS:
            self._visit.went(piece)
        return piece

    def close(self) -> None:
        """Close what it wraps, and count the request as ended."""
        pieces, self._all, self._rest = self._all, (), None
        try:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
            del pieces, close
        finally:
            self._visit.end()

    def __del__(self) -> None:
        self._visit.drop()  # a server that never closed it


class CountedWsgi:
    """Counts the requests of a WSGI application, each when its answer is closed."""

    def __init__(self, app: Any, counter: Counter) -> None:
        self._app, self._counter = app, counter

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Serve one request."""
        if COUNTED in environ:
            return self._app(environ, start_response)
        environ[COUNTED] = True
        visit = _Visit(self._counter, self._counter.begin(environ.get("PATH_INFO")), environ, start_response)
        try:
            return visit.run(self._app)
        except BaseException:
            visit.end()
            raise
