"""A handler added to the same logger for every unit."""

from __future__ import annotations

import logging

_logger = logging.getLogger("leakdiff.plant.jobs")


def run_job() -> logging.Handler:
    """Log a job with a handler of its own, and return that."""
    handler = logging.NullHandler()
    _logger.addHandler(handler)
    _logger.debug("started")
    return handler


def leak(units: int) -> None:
    """Run jobs whose handlers stay."""
    for _ in range(units):
        run_job()


def clean(units: int) -> None:
    """Run jobs and take each one's handler away."""
    for _ in range(units):
        handler = run_job()
        _logger.removeHandler(handler)
        handler.close()


def teardown() -> None:
    """Take all handlers away."""
    for handler in list(_logger.handlers):
        _logger.removeHandler(handler)
        handler.close()
