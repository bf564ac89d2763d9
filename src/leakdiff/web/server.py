"""The endpoint for programs that have no web server: the standard library's, in a thread of its own."""

from __future__ import annotations

import io
import ipaddress
import os
import socket
import socketserver
import threading
import time
import warnings
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

from leakdiff.errors import BadOption
from leakdiff.web.app import Endpoint
from leakdiff.web.settings import TOKEN, make_settings
from leakdiff.web.wsgi import WsgiApp

if TYPE_CHECKING:
    from leakdiff.monitor import Monitor

_MOST_CLIENTS = 16  # connections at a time; for a further one the oldest that has asked nothing yet is closed
_MOST_CLOSING = 16  # of those, threads that have not noticed yet
_ASKING = 2.0  # seconds that a client may take to send a request's first line and headers
_READING = 10.0  # seconds that a client may take to send the body, and to read the answer
_LINGERING = 1.0  # seconds that a client may take to send the rest of what is refused
_TURN = 1.0  # seconds that a further connection waits where all of them are being answered
_POLL = 0.1  # seconds that close() may take
_MOST_LINE = 65_536  # bytes of a request's first line


def serve(host: str = "127.0.0.1", port: int = 0, monitor: Monitor | None = None, **knobs: Any) -> Server:
    """Serve the debug endpoint from a daemon thread, for programs that have no web server.

    ``with leakdiff.web.serve() as server:`` closes it at the end; ``server.url`` says where it is. A forked child does
    not serve.

    Args:
        host: The address to listen at. Who listens elsewhere than at loopback gives ``hosts=`` as well, and thinks of
            TLS: the token is sent with every request.
        port: The port; 0 for any that is free.
        monitor: The process's monitor, for history and trend; the endpoint neither starts nor stops it.
        knobs: ``token``, ``hosts`` and the other settings by name, as for ``asgi_app``.

    Raises:
        BadOption: If an argument cannot work, or no token is configured.
        OSError: If nothing can listen there.
    """
    settings = make_settings(**knobs)
    if settings.token is None:
        raise BadOption("token", None, f"given, or set as {TOKEN}: nobody could look at what is served")
    if not _is_loopback(host):
        warnings.warn(
            f"leakdiff.web.serve listens at {host}, which others can reach, and without TLS.",
            RuntimeWarning,
            stacklevel=2,
        )
    return Server(host, port, Endpoint(settings, monitor))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Server:
    """A server that runs.

    Attributes:
        port: The port it listens at.
        url: Where the index is.
    """

    def __init__(self, host: str, port: int, endpoint: Endpoint) -> None:
        self._pid = os.getpid()
        self._listener = _Listener(host, port, WsgiApp(endpoint))
        self.port: int = self._listener.server_address[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"
        _listening.add(self._listener)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(_POLL,), name="leakdiff-web-server")
        self._thread.daemon = True
        self._thread.start()

    def __repr__(self) -> str:
        return f"<leakdiff.web server at {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; answers under way are finished by their threads. To close it again does nothing."""
        if self._pid == os.getpid() and self._thread.is_alive():
            self._listener.shutdown()
            self._thread.join()
        self._listener.server_close()


class _Listener(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, app: WsgiApp) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.BoundedSemaphore(_MOST_CLIENTS + _MOST_CLOSING)
        self._callers = _Callers(_MOST_CLIENTS)
        super().__init__((host, port), _Client)
        self.app = app

    def server_bind(self) -> None:
        """Bind without asking a name server what this host is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if one is free soon: who connects and asks nothing keeps nobody out."""
        if not self._callers.admit(request, _TURN) or not self._free.acquire(timeout=_TURN):
            self._callers.forget(request)
            self.shutdown_request(request)
            return
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="leakdiff-web-client", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread can be started here
            self._free.release()
            self._callers.forget(request)
            self.shutdown_request(request)

    def heard(self, request: socket.socket) -> None:
        """Note that a connection has asked for something, and is not to be closed for another."""
        self._callers.heard(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, then let the next one in."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._callers.forget(request)
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what a client does wrong is nothing that the program should print."""


class _Callers:
    """The connections there are, and which of them have asked nothing yet, the oldest first.

    Args:
        most: How many there may be.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._silent: dict[socket.socket, None] = {}
        self._asking: set[socket.socket] = set()

    def admit(self, connection: socket.socket, seconds: float) -> bool:
        """Let a connection in; for it another one is closed that has asked nothing, or waited for so long."""
        with self._changed:
            if len(self._silent) + len(self._asking) >= self._most and self._silent:
                oldest = next(iter(self._silent))
                del self._silent[oldest]
                with suppress(OSError):  # its thread reads the end of it, and closes it
                    oldest.shutdown(socket.SHUT_RDWR)
            is_free = self._changed.wait_for(lambda: len(self._silent) + len(self._asking) < self._most, seconds)
            if is_free:
                self._silent[connection] = None
            return is_free

    def heard(self, connection: socket.socket) -> None:
        """Note that a connection has asked for something; one that was closed for another is out."""
        with self._changed:
            if connection in self._silent:
                del self._silent[connection]
                self._asking.add(connection)

    def forget(self, connection: socket.socket) -> None:
        """Note that a connection is over."""
        with self._changed:
            self._silent.pop(connection, None)
            self._asking.discard(connection)
            self._changed.notify_all()


_listening: weakref.WeakSet[_Listener] = weakref.WeakSet()


def _let_go() -> None:
    """Let go of the ports in a child, where no thread serves them."""
    for listener in list(_listening):
        with suppress(OSError):
            listener.server_close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


class _Timely(io.RawIOBase):
    """What a client sends, all of it within a time: one that sends a byte now and then is cut off as well."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """Let what follows take so long from now on."""
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Answering(ServerHandler):
    request_handler: WSGIRequestHandler
    os_environ: dict[str, str] = {}  # noqa: RUF012 - the program's environment is nothing that a request needs
    server_software = "leakdiff"

    def log_exception(self, exc_info: Any) -> None:
        """Say nothing, as the listener."""


class _Client(WSGIRequestHandler):
    server_version, sys_version = "leakdiff", ""
    command = ""  # until a request is read
    wbufsize = -1  # the answer leaves in one piece

    def setup(self) -> None:
        """Let the client take only so long."""
        super().setup()
        self._timely = _Timely(self.connection, _ASKING)
        self.rfile = io.BufferedReader(self._timely)

    def get_environ(self) -> dict[str, Any]:
        """Return the environ, with the path as it came and without headers that could pass for others."""
        for name in [name for name in self.headers if "_" in name]:
            del self.headers[name]
        return {**super().get_environ(), "REQUEST_URI": self.path}

    def handle(self) -> None:
        """Handle one request; a client that sends another makes another connection."""
        self.raw_requestline = self.rfile.readline(_MOST_LINE + 1)
        if len(self.raw_requestline) > _MOST_LINE:
            self.requestline = self.request_version = self.command = ""
            self.send_error(414)
        elif self.parse_request():
            # The annotations of both are wider than what they are here.
            rfile, listener = cast("io.BufferedReader", self.rfile), cast("_Listener", self.server)
            listener.heard(self.connection)
            self._timely.allow(_READING)
            answering = _Answering(rfile, self.wfile, io.StringIO(), self.get_environ())  # type: ignore[arg-type]
            answering.request_handler = self
            self.connection.settimeout(_READING)  # for the answer
            answering.run(listener.app)

    def finish(self) -> None:
        """Read what is left of a body that was refused: to close before would take the answer away from the client."""
        super().finish()
        if self.command == "POST":
            until = time.monotonic() + _LINGERING
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                self.connection.settimeout(_LINGERING)
                while self.connection.recv(1 << 16) and time.monotonic() < until:
                    pass

    def log_message(self, *_: Any) -> None:
        """Say nothing: the audit log does."""
