"""What schemathesis says of the endpoint and its description: a program, for it takes long to load inside of pytest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.specs.openapi import checks

from leakdiff.web.app import Endpoint
from leakdiff.web.desk import Desk
from leakdiff.web.jobs import Job, Outcome, Say
from leakdiff.web.wsgi import WsgiApp
from snapshots import snapshot
from web_client import LOGIN, endpoint

EXAMPLES = 4  # for each operation and mode
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
ACCEPTS = ("*/*", "application/json", "text/html")


def tell() -> None:
    """Write what was tried, which statuses came, and what was not as described."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", WsgiApp(_served()), headers=LOGIN)
    failures: list[str] = []
    statuses: Counter[int] = Counter()
    tried = 0
    for mode in schemathesis.GenerationMode:
        for found in schema.get_all_operations():
            tried += 1
            operation: Any = found.ok()  # type: ignore[union-attr] # an Err has none, and that is told as well
            try:
                _keep_to(operation, mode, statuses)
            except Exception as error:  # noqa: BLE001 - of many kinds, and all of them are told
                failures.append(f"{operation.label}: {type(error).__name__}: {error}"[:500])
    print(json.dumps({"failures": failures, "tried": tried, "statuses": sorted(statuses)}))  # noqa: T201


def _served() -> Endpoint:
    """Return an endpoint that keeps a snapshot, and whose measurements are over at once."""

    def begin(desk: Desk, kind: str, _: Callable[[Say], Outcome], *, expected: float) -> Job:
        return desk.jobs.begin(kind, lambda _: Outcome(said="done"), expected=expected)

    Desk.begin = begin  # type: ignore[assignment, method-assign]
    made = endpoint()
    taken = snapshot(types={"app.Order": (3, 300)}, owners={"app._orders": (3, 300)}, sites={"app.py:7": (3, 300)})
    made.desk._keep(taken)  # noqa: SLF001 - what POST snapshot does at its end
    return made


def _keep_to(operation: Any, mode: Any, statuses: Counter[int]) -> None:
    """Send an operation what its description allows, or what it does not."""

    @seed(0)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def tried(case: Any) -> None:
        answer = case.call(headers=LOGIN | {"accept": ACCEPTS[statuses.total() % len(ACCEPTS)]})
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)
        assert answer.status_code < 500, answer.content

    tried()
