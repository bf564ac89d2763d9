"""Real services on real servers, under load, leaking in one route: the endpoint names the owner and the route.

A few pairs of a framework and a server run by default; ``LEAKDIFF_SERVICES=all`` runs the whole matrix, two minutes.
What is not installed is skipped: ``pip install fastapi flask django aiohttp uvicorn hypercorn gunicorn``.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest

ROOT = Path(__file__).parents[1]
SERVICES = Path(__file__).parent / "services"
TOKEN = "for-a-test-only-" + "0" * 32
PREFIX = "/debug/leakdiff"
OWNER, ROUTE = "leaky._cancelled", "POST /rides/{ride}/cancel"
PATIENCE = 30.0  # seconds for what takes six
WATCH = 2.0
ENOUGH = 10  # requests that leak during a watch
SURE = 0.1  # margin of a rate: from few readings it is wider, and the rate further off

GUNICORN = ["-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--log-level", "critical", "--no-control-socket"]
SERVERS = {
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "--log-level", "critical", "{app}:application"],
    "uvicorn-2": ["-m", "uvicorn", "--port", "{port}", "--log-level", "critical", "--workers=2", "{app}:application"],
    "hypercorn": ["-m", "hypercorn", "--bind", "127.0.0.1:{port}", "--log-level", "critical", "{app}:application"],
    "gunicorn": [*GUNICORN, "--workers=2", "{app}:application"],
    "gunicorn-threads": [*GUNICORN, "--workers=2", "--threads=4", "{app}:application"],
    "gunicorn-asgi": [*GUNICORN, "--workers=2", "-k", "asgi", "{app}:application"],
    "own": ["{app}.py", "{port}"],
}
USUAL = (
    ("fastapi", "uvicorn"),
    ("django_asgi", "hypercorn"),
    ("flask", "gunicorn"),
    ("aiohttp", "own"),
)
OTHERS = (
    ("starlette", "uvicorn"),
    ("starlette", "hypercorn"),
    ("starlette", "gunicorn-asgi"),
    ("fastapi", "uvicorn-2"),
    ("fastapi", "hypercorn"),
    ("fastapi", "gunicorn-asgi"),
    ("django_asgi", "uvicorn"),
    ("django_asgi", "gunicorn-asgi"),
    ("django_wsgi", "gunicorn"),
    ("django_wsgi", "gunicorn-threads"),
    ("flask", "gunicorn-threads"),
)
PAIRS = (*USUAL, *OTHERS) if os.environ.get("LEAKDIFF_SERVICES") == "all" else USUAL


@attrs.frozen
class Service:
    """A service that runs.

    Attributes:
        process: The server; of several processes, the one that started the others.
        port: Its port.
    """

    process: subprocess.Popen[bytes]
    port: int

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        """Ask the endpoint for JSON, over a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json", "Connection": "close"}
            connection.request(method, PREFIX + path, headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def ask_of(self, pid: int, path: str) -> Any:
        """Ask until a certain worker answers."""

        def answered() -> Any:
            status, answer = self.ask("GET", path)
            return answer if status == 200 and answer["process"]["pid"] == pid else None

        return until(answered, pause=0.02)

    def health(self) -> int:
        """Return the status of the service's own route."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health", headers={"Connection": "close"})
            return connection.getresponse().status
        finally:
            connection.close()


def until(found: Callable[[], Any], *, pause: float = 0.1, seconds: float = PATIENCE) -> Any:
    """Ask again and again until there is an answer that is true."""
    end, failed = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            answer = found()
        except (OSError, HTTPException, ValueError) as error:  # it is starting, or a worker was killed
            answer, failed = None, repr(error)
        if answer:
            return answer
        time.sleep(pause)
    raise AssertionError(f"no answer within {seconds:g} s; {failed}")


@contextmanager
def running(framework: str, server: str) -> Iterator[Service]:
    """Start a service on a free port, and end it with all its workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [one.format(port=port, app=f"on_{framework}") for one in SERVERS[server]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(SERVICES)))}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=SERVICES,
        env=environment | {"LEAKDIFF_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        service = Service(process, port)
        until(lambda: service.health() == 200)
        yield service
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def load(service: Service) -> Iterator[None]:
    """Ask for both routes in the meantime, a hundred times a second."""
    drive, over = _generator(), threading.Event()

    async def scenario(client: Any, chance: Random) -> None:
        asked = ("POST", f"/rides/{chance.getrandbits(30)}/cancel") if chance.random() < 0.4 else ("GET", "/health")
        await client.ask(*asked)
        if chance.random() < 0.2:
            await client.close()  # a connection stays with one worker, and all of them shall have traffic

    driving = drive("127.0.0.1", service.port, scenario, seconds=2 * PATIENCE, clients=3, pause=0.03, stop=over.is_set)
    thread = threading.Thread(target=asyncio.run, args=(driving,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _generator() -> Any:
    """Return the load generator of the benchmarks, which are no package."""
    spec = importlib.util.spec_from_file_location("web_load", ROOT / "benchmarks" / "web_load.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module.drive


@attrs.frozen(kw_only=True)
class Told:
    """What the endpoint said of a service.

    Attributes:
        verdict: What its watch said of the owner.
        rates: What ``/routes`` says grows the owner.
        routes: The names of all routes there.
    """

    verdict: str
    rates: list[dict[str, Any]]
    routes: set[str]


def _watch(service: Service) -> tuple[int, str]:
    """Begin a watch; return the worker that does it, and the path of the job."""
    status, begun = service.ask("POST", f"/watch?seconds={WATCH:g}")
    assert status == 202, begun
    return begun["process"]["pid"], f"/jobs/{begun['job']}"


def _tell(framework: str, server: str) -> Told:
    """Watch, and ask for routes.

    Of several workers, the one that watches may have had nothing to do meanwhile: only then is there another watch.
    """
    with running(framework, server) as service, load(service):
        until(lambda: _cancelled(service.ask("GET", "/routes")[1]))
        pid, job = until(functools.partial(_watched, service), seconds=3 * PATIENCE)
        return _told(service, pid, job)


def _watched(service: Service) -> tuple[int, Any] | None:
    """Watch; return the worker and the job, or None if hardly a request came that leaks in that worker meanwhile."""
    pid, path = _watch(service)
    before = _cancelled(service.ask_of(pid, "/routes"))
    job = until(functools.partial(_ended, service, pid, path), pause=0.5)
    return (pid, job) if _cancelled(service.ask_of(pid, "/routes")) - before >= ENOUGH else None


def _cancelled(told: Any) -> int:
    """Return how many requests came that leak, in the worker that answered."""
    return sum(one["requests"] for one in told["routes"] if one["route"] == ROUTE)


def _told(service: Service, pid: int, job: Any) -> Told:
    verdicts = [finding["verdict"] for finding in job["report"]["findings"] if finding["owner"] == OWNER]
    assert verdicts[:1] == ["LEAK"], job["report"]

    def explained() -> Any:
        told = service.ask_of(pid, "/routes")
        rates = [rate for one in told["owners"] if one["owner"] == OWNER for rate in one["rates"]]
        if not rates or rates[0]["margin"] > SURE:
            raise ValueError(told["owners"])
        return rates, {one["route"] for one in told["routes"]}

    rates, routes = until(explained, pause=0.5, seconds=10.0)
    return Told(verdict=verdicts[0], rates=rates, routes=routes)


def _ended(service: Service, pid: int, path: str) -> Any:
    job = service.ask_of(pid, path)
    if job["state"] == "running":
        raise ValueError(job["job_said"])
    return job


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, str], Future[Told]]]:
    """Run the pairs, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        yield {pair: pool.submit(_tell, *pair) for pair in PAIRS if _is_installed(*pair)}


def _is_installed(framework: str, server: str) -> bool:
    names = (framework.partition("_")[0], server.partition("-")[0])
    return all(name == "own" or importlib.util.find_spec(name) is not None for name in names)


@pytest.mark.parametrize(("framework", "server"), PAIRS)
def test_owner_and_route_are_named(outcomes: dict[tuple[str, str], Future[Told]], framework: str, server: str) -> None:
    """The endpoint of a service that leaks in one route names the owner and the route, by the framework's pattern."""
    if (framework, server) not in outcomes:
        pytest.skip(f"{framework} or {server} is missing: pip install fastapi flask django aiohttp hypercorn gunicorn")
    told = outcomes[framework, server].result()

    assert told.verdict == "LEAK"
    assert [rate["route"] for rate in told.rates] == [ROUTE]
    assert told.rates[0]["per_request"] == pytest.approx(1.0, abs=2 * SURE)
    assert told.routes >= {ROUTE, "GET /health"}
    assert not any("debug" in route for route in told.routes), "leakdiff's own requests are not traffic"


def test_service_answers_on_when_a_worker_is_killed_in_a_watch() -> None:
    """A worker killed during its watch takes the watch with it and nothing else; another answers and says who it is."""
    if not _is_installed("flask", "gunicorn"):
        pytest.skip("flask or gunicorn is missing: pip install flask gunicorn")
    with running("flask", "gunicorn") as service, load(service):
        pid, path = _watch(service)
        os.kill(pid, signal.SIGKILL)

        assert until(lambda: service.health() == 200)
        status, gone = until(lambda: service.ask("GET", path))
        others = {until(lambda: service.ask("GET", "/"))[1]["process"]["pid"] for _ in range(8)}
        assert status == 404
        assert gone["slug"] == "not-known"
        assert str(pid) in gone["message"]
        assert pid not in others
        assert until(lambda: service.ask("POST", "/watch?seconds=1")[0] == 202)
