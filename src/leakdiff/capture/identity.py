"""Which process a measurement is of, and when: what tells replicas, restarts and deploys apart."""

from __future__ import annotations

import functools
import importlib.machinery
import os
import platform
import sys
import time
import types
from importlib.metadata import Distribution
from urllib.parse import unquote

from leakdiff.__about__ import __version__
from leakdiff.capture.kinds import dict_of_module
from leakdiff.errors import BadOption
from leakdiff.model.snapshot import Identity, Moment
from leakdiff.source_files import is_installed

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def now() -> Moment:
    """Return this moment."""
    return Moment(utc=time.time(), monotonic=time.monotonic())


def read_identity(*, service: str | None = None, version: str | None = None, revision: str | None = None) -> Identity:
    """Say which process this is.

    What is not given comes from ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES``, else from the installed
    distribution of the package that was started with ``python -m``, else it stays empty.

    Args:
        service: OpenTelemetry's ``service.name``.
        version: ``service.version``.
        revision: ``vcs.ref.head.revision``.

    Raises:
        BadOption: If one of them is not a text.
    """
    _check(service=service, version=version, revision=revision)
    name, attributes = os.environ.get("OTEL_SERVICE_NAME", ""), _resource_attributes()
    installed, installed_version = _main_distribution()
    return Identity(
        service=_first(service, name, attributes.get("service.name"), installed),
        version=_first(version, attributes.get("service.version"), installed_version),
        revision=_first(revision, attributes.get("vcs.ref.head.revision")),
        host=platform.node(),
        pid=os.getpid(),
        started=_started(os.getpid()),
        boot_id=_boot_id(),
        python=platform.python_version(),
        leakdiff=__version__,
    )


def _check(**given: object) -> None:
    for name, value in given.items():
        if value is not None and type(value) is not str:
            raise BadOption(name, value, "a text")


def _first(given: str | None, *others: str | None) -> str:
    """Return what was given, even if empty, else the first of the others that says something."""
    return given if given is not None else next((text for text in others if text), "")


def _resource_attributes() -> dict[str, str]:
    """Read OpenTelemetry's list ``key=value,key=value`` with percent-encoded values."""
    pairs = (pair.partition("=") for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    return {unquote(key.strip()): unquote(value.strip()) for key, equals, value in pairs if equals}


@functools.lru_cache(maxsize=1)
def _started(pid: int) -> float:
    """Return when this process started: read once, for it moves when somebody sets the clock of the host."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except (psutil.Error, OSError):
        return 0.0


def _boot_id() -> str:
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


# -- the installed distribution of the main module ------------------------------------------------


@functools.cache
def _main_distribution() -> tuple[str, str]:
    """Return name and version of the distribution that the main module belongs to; empty if there is none."""
    name, file = _main_module()
    package = name.partition(".")[0]
    if package in ("", "__main__"):
        return "", ""
    try:
        found = _distribution_of(package, file)
        return (found.metadata["Name"] or "", found.version or "") if found is not None else ("", "")
    except Exception:  # noqa: BLE001 - a broken installation of something else is no reason to have no snapshot
        return "", ""


def _main_module() -> tuple[str, str]:
    """Return the name under which the main module would be imported, and its file; empty for a script."""
    main = sys.modules.get("__main__")
    if type(main) is not types.ModuleType:
        return "", ""
    spec = dict_of_module(main).get("__spec__")
    if type(spec) is not importlib.machinery.ModuleSpec:
        return "", ""
    return spec.name, spec.origin or ""


def _distribution_of(package: str, file: str) -> Distribution | None:
    """Return what was installed under the package's name or, in the folder of installed packages, contains it."""
    for found in Distribution.discover(name=package):
        if _contains(found, package) or _is_editable(found):
            return found
    if not is_installed(file):
        return None
    return next((found for found in Distribution.discover() if _contains(found, package)), None)


def _contains(found: Distribution, package: str) -> bool:
    if package in (found.read_text("top_level.txt") or "").split():
        return True
    return any(part.parts[0] in (package, f"{package}.py") for part in found.files or ())


def _is_editable(found: Distribution) -> bool:
    """Tell whether a distribution is a link to its sources, which its list of files does not name."""
    return '"editable":true' in (found.read_text("direct_url.json") or "").replace(" ", "")
