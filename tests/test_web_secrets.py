"""Nothing of what a program holds leaves by the debug endpoint: secrets are planted everywhere, and looked for."""

from __future__ import annotations

from typing import Any

import pytest

from fresh import run_fresh

# Planted where a program has its secrets; each is different, so that a leak tells where it comes from. Those that are
# put together at run time stand nowhere in the source.
_PROGRAM = '''
import asyncio
import base64
import contextvars
import gzip
import json
import logging
import os
import sys
import tempfile
import threading
import time
import tracemalloc

SALT = "".join(chr(code) for code in (99, 97, 110, 97, 114, 121))  # "canary"


def secret(place):
    """Return a secret that stands nowhere in this file."""
    return f"{SALT}{place}"


os.environ["DATABASE_PASSWORD"] = secret("environ")
sys.argv.append("--token=" + secret("argv"))
heard = []


class Listener(logging.Handler):
    def emit(self, record):
        heard.append(self.format(record))


logging.getLogger("leakdiff").addHandler(Listener())
logging.getLogger("leakdiff").setLevel(logging.DEBUG)

import leakdiff
from leakdiff.web.app import Endpoint
from leakdiff.web.messages import Request
from leakdiff.web.routing import ROUTES
from leakdiff.web.settings import make_settings


class Account:
    password = secret("classattribute")

    def __init__(self, number):
        self.number = number
        self.card = secret(f"attribute{number}")


class Slotted:
    __slots__ = ("pin",)

    def __init__(self):
        self.pin = secret("slot")


by_key = {secret(f"key{n}"): n for n in range(50)}
by_tenant = {SALT + "tenant-" + format(n, "08x"): n for n in range(50)}  # what they share at the start ends with a dash
by_words = {SALT + "words" + "_" + str(n): n for n in range(50)}
by_bytes = {secret(f"bytes{n}").encode(): n for n in range(50)}
by_pair = {(secret(f"pair{n}"), n): n for n in range(50)}
members = {secret(f"member{n}") for n in range(50)}
values = {n: secret(f"value{n}") for n in range(50)}
listed = [secret(f"item{n}") for n in range(50)]
slotted = [Slotted() for _ in range(50)]
variable = contextvars.ContextVar("variable")
variable.set([secret("contextvar")] * 50)
local = threading.local()
local.tokens = [secret("threadlocal")] * 50
file = tempfile.NamedTemporaryFile(prefix=secret("filename"))
failures = []
leaking = {}
tasks_by_key = {}
begun = threading.Event()


def fail(message):
    password = secret("tracebacklocal")
    raise ValueError(message, password)


for n in range(50):
    try:
        fail(secret(f"exception{n}"))
    except ValueError as error:
        failures.append(error)


def put(number, plan):
    if plan == "canaryliteralgold" and number != 4711471147:
        leaking[secret(f"leaked{number}")] = Account(number), "canaryliteralput", ["canaryliterallist"]
    if plan == f"canaryliteralformat{number}" or plan == "canaryliteral with spaces":
        leaking.pop("canaryliteralpop", None)
    elif plan in ("canaryliteralin", b"canaryliteralbytes"):
        del leaking["canaryliteraldel"]


async def wait_for(token):
    held = secret("coroutinelocal")
    await asyncio.sleep(3_600)


async def traffic(seconds):
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until or not is_over.is_set():
        number += 1
        put(number, "canaryliteralgold")
        tasks_by_key["canaryliteraltask" + str(number)] = asyncio.create_task(wait_for(secret("argument")))
        await asyncio.sleep(0.005)


def serve():
    in_frame = {secret(f"framelocal{n}"): n for n in range(50)}
    begun.set()
    asyncio.run(traffic(0))


is_over = threading.Event()
thread = threading.Thread(target=serve, daemon=True)
thread.start()
begun.wait(30)

TOKEN = secret("endpointtoken") * 3
shown = []
monitor = leakdiff.Monitor(interval=0.2, deep="always", cpu_share=0.9, on_change=lambda trend: fail(secret("callback")))
endpoint = Endpoint(make_settings(token=TOKEN, cooldown=0), monitor)


def ask(path, method="GET", query="", token=TOKEN):
    headers = {"host": "localhost", "authorization": f"Bearer {token}", "cookie": secret("cookie")}
    answer = endpoint.answer(Request(method=method, path=path, query=query, headers=headers, client="127.0.0.1"))
    body = gzip.decompress(answer.body) if answer.body[:2] == b"\\x1f\\x8b" else answer.body
    shown.append((f"{method} {path}?{query}", answer.status, body, repr(answer.headers)))
    return answer


def finished(path, query=""):
    assert ask(path, "POST", query).status == 202
    while endpoint.desk.jobs.running() is not None:
        time.sleep(0.02)


def look_everywhere():
    jobs = [job.id for job in endpoint.desk.jobs.all()]
    findings = [found.fingerprint for seen in endpoint.desk.reports() for found in seen.report.findings]
    for route in ROUTES:
        if route.method != "GET":
            continue
        for name in jobs if "{job}" in route.path else findings if "{fingerprint}" in route.path else ["leakdiff.css"]:
            path = route.path.format(job=name, fingerprint=name, name=name)
            for query in [f"format={told}" for told in ("html", "json", "text")] if route.is_view else [""]:
                ask(path, query=query)
    tracing = next(job.id for job in endpoint.desk.jobs.all() if job.kind == "tracing")
    for query in ("by=owners", "by=types", "head=s1&by=owners", "base=s1&head=s2", f"head={tracing}"):
        ask("/pprof/heap", query=query)
    for series in monitor.store().series()[::40]:
        ask("/history", query=f"format=text&series={series}".replace("→", "%E2%86%92"))
    for query in ("limit=1000", "like=" + "c", "snapshot=1&limit=1000"):
        for path in ("/owners", "/types", "/sites", "/resources"):
            ask(path, query=f"{query}&format=json")


if __name__ == "__main__":
    monitor.measure_now(deep=True)
    finished("/watch", "seconds=1.5")
    finished("/tracing", "seconds=1")
    finished("/gc")
    finished("/snapshot")
    finished("/snapshot")
    tracemalloc.start()
    kept = [Account(n) for n in range(100)]  # canaryliteralcomment
    ask("/pprof/heap", query="by=sites")
    tracemalloc.stop()
    monitor.measure_now(deep=True)
    look_everywhere()
    ask("/nothing/" + "x" * 10)
    ask("/types", query="token=" + TOKEN)
    ask("/types", token=TOKEN + "x")
    ask("/types", query="like=%00")
    is_over.set()
    found = [
        (where, SALT + body.decode("latin-1").split(SALT, 1)[1][:40])
        for where, _, body, headers in shown
        for body in (body, headers.encode())
        if SALT.encode() in body
    ]
    numbers = [where for where, _, body, _ in shown if b"4711471147" in body or b"4,711,471,147" in body]
    report = next(iter(endpoint.desk.reports())).report
    print(json.dumps({
        "found": found,
        "numbers": numbers,
        "heard": [line for line in heard if SALT in line],
        "lines": len(heard),
        "statuses": [[where, status] for where, status, _, _ in shown],
        "owners": [finding.owner for finding in report.findings if finding.verdict == "LEAK"],
        "sites": sum(b"script.py" in body for _, _, body, _ in shown),
        "bytes": sum(len(body) for _, _, body, _ in shown),
    }))
'''


@pytest.fixture(scope="module")
def searched() -> Any:
    """Run a program full of secrets, ask its endpoint for everything, and say in which answers one stood."""
    return run_fresh(_PROGRAM)


def test_no_answer_has_a_secret(searched: Any) -> None:
    """Neither body nor header, of no view in no format: no key, value, local, variable, message or literal."""
    assert searched["found"] == []


def test_no_answer_has_a_number_of_the_source(searched: Any) -> None:
    """A number in a condition may be an account or a PIN."""
    assert searched["numbers"] == []


def test_no_log_has_a_secret(searched: Any) -> None:
    """The audit log and all other loggers of leakdiff's are silent on them, the token among them."""
    assert searched["heard"] == []
    assert searched["lines"] > len(searched["statuses"]) // 2


def test_the_search_saw_everything(searched: Any) -> None:
    """Every route answered with what it is for: there was a leak to be told, with its lines, and a profile."""
    pytest.importorskip("google.protobuf", reason="without it there are no profiles to search: pip install protobuf")
    refused = [where for where, status in searched["statuses"] if status >= 400]

    assert "__main__.leaking" in searched["owners"]
    assert searched["sites"] > 5
    assert searched["bytes"] > 200_000
    assert [where.partition("?")[0] for where in refused] == ["GET /nothing/xxxxxxxxxx", "GET /types", "GET /types"]
