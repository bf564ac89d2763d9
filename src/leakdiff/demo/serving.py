"""The ride-matching service with its debug endpoint: something to look at that leaks while one looks."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import suppress

from leakdiff import demo
from leakdiff.console import emit, flush
from leakdiff.targets import find_target

_UNITS, _REST = 5, 0.05  # rides at a time, and seconds between: it leaves most of a core idle


def serve(port: int) -> None:
    """Serve until Ctrl-C, and say at once how to look at it.

    Args:
        port: At which loopback listens; 0 for any that is free.

    Raises:
        BadOption: If ``LEAKDIFF_TOKEN`` is too short.
        MissingExtra: If what ``leakdiff[web]`` brings along is not installed.
        OSError: If nothing can listen there.
    """
    from leakdiff.web import serve as serve_endpoint
    from leakdiff.web.settings import TOKEN

    token = os.environ.get(TOKEN) or secrets.token_hex(32)
    with suppress(KeyboardInterrupt), serve_endpoint(port=port, token=token) as server:
        emit(_said(server.url, token))
        flush()
        asyncio.run(_ride_on())


def _said(url: str, token: str) -> str:
    return "\n".join(
        (
            f"leakdiff: a service that leaks runs with its debug endpoint at {url}; Ctrl-C ends it",
            "",
            "  in a browser    any user name, and as the password the token:",
            f"  token           {token}",
            "  or by curl:",
            f"  watch           curl -u :{token} -X POST '{url}watch?seconds=10'",
            f"  what it found   curl -u :{token} {url}",
            "",
        )
    )


async def _ride_on() -> None:
    step = find_target(demo.LEAKY).step
    while True:
        await step(_UNITS)
        await asyncio.sleep(_REST)
