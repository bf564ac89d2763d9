"""The ride-matching service with its debug endpoint: something to look at that leaks while one looks."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from leakdiff import demo
from leakdiff.console import emit
from leakdiff.errors import BadOption
from leakdiff.targets import find_target

if TYPE_CHECKING:
    from leakdiff.web.server import Server

_HIGHEST = 65_535  # of all ports
_UNITS, _REST = 5, 0.05  # rides at a time, and seconds between: it leaves most of a core idle


def serve(port: int) -> None:
    """Serve until Ctrl-C, and say at once how to look at it.

    Args:
        port: At which loopback listens; 0 for any that is free.

    Raises:
        BadOption: If ``LEAKDIFF_TOKEN`` is too short, or nothing can listen at the port.
        MissingExtra: If what ``leakdiff[web]`` brings along is not installed.
    """
    from leakdiff.web.settings import TOKEN

    given = os.environ.get(TOKEN)
    token = given or secrets.token_hex(32)
    with suppress(KeyboardInterrupt), _listening(port, token) as server:
        emit(_said(server.url, f"${TOKEN}" if given else token))
        asyncio.run(_ride_on())


def _listening(port: int, token: str) -> Server:
    from leakdiff.web import serve as serve_endpoint

    if not 0 <= port <= _HIGHEST:
        raise BadOption("serve", port, f"a port, from 0 to {_HIGHEST:,}, where 0 is any that is free")
    try:
        return serve_endpoint(port=port, token=token)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadOption("serve", port, f"a port to listen at ({reason}); 0 is any that is free") from error


def _said(url: str, token: str) -> str:
    """Say how to look; ``token`` is what a shell reads, so that one which others have given stands nowhere."""
    return "\n".join(
        (
            f"leakdiff: a service that leaks runs with its debug endpoint at {url}; Ctrl-C ends it",
            "",
            "  in a browser    any user name, and as the password the token:",
            f"  token           {token}",
            "  or by curl:",
            f'  watch           curl -u ":{token}" -X POST "{url}watch?seconds=10"',
            f'  what it found   curl -u ":{token}" {url}',
            "",
        )
    )


async def _ride_on() -> None:
    step = find_target(demo.LEAKY).step
    while True:
        await step(_UNITS)
        await asyncio.sleep(_REST)
