"""``leakdiff demo --serve``: a service that leaks, and its debug endpoint, for whoever wants to try one."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

pytest.importorskip("jinja2", reason="the pages need it: pip install 'leakdiff[web]'")


@pytest.fixture
def service(environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run the service at a free port, in a process of its own."""
    command = [sys.executable, "-m", "leakdiff", "demo", "--serve", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **environ}) as process:
        yield process
        process.kill()


@pytest.fixture
def environ() -> dict[str, str]:
    """Return what the environment has besides."""
    return {"LEAKDIFF_TOKEN": ""}


def said(process: subprocess.Popen[str]) -> str:
    """Read what it says until it has said all."""
    assert process.stdout is not None
    lines = ""
    while "what it found" not in lines:
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr is not None else ""
        lines += line
    return lines


def asked(url: str, token: str, method: str = "GET") -> str:
    """Ask the endpoint as curl does, with the token as the password."""
    login = base64.b64encode(f":{token}".encode()).decode()
    request = urllib.request.Request(url, method=method, headers={"Authorization": f"Basic {login}"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return str(answer.read().decode())


def test_what_it_says_leads_to_the_owner(service: subprocess.Popen[str]) -> None:
    """Its address, its token and one watch are all that is needed to see the map by name; Ctrl-C ends it quietly."""
    lines = said(service)
    url, token = re.findall(r"http://127\.0\.0\.1:\d+/", lines)[0], re.findall(r"token +(\S+)", lines)[0]
    asked(f"{url}watch?seconds=3", token, "POST")
    page, deadline = "", time.monotonic() + 60
    while "LEAK" not in page and time.monotonic() < deadline:
        time.sleep(0.5)
        page = asked(url, token)
    service.send_signal(signal.SIGINT)
    _, errors = service.communicate(timeout=30)

    assert "LEAK  leakdiff.demo.matching._inflight grows by " in page
    assert (service.returncode, errors) == (0, "")


@pytest.mark.parametrize("environ", [{"LEAKDIFF_TOKEN": "s3cret-" * 8}])
def test_a_token_that_was_given_is_not_printed(service: subprocess.Popen[str], environ: dict[str, str]) -> None:
    """Terminals are recorded and shared: what is printed is where the token is, as a shell reads it."""
    lines = said(service)
    url = re.findall(r"http://127\.0\.0\.1:\d+/", lines)[0]
    page = asked(url, environ["LEAKDIFF_TOKEN"])

    assert "s3cret" not in lines
    assert f'curl -u ":$LEAKDIFF_TOKEN" {url}\n' in lines
    assert "leakdiff" in page
