"""A logger with a name of its own for every job: ``logging`` never forgets one."""

from __future__ import annotations

import itertools
import logging

_PREFIX = "leakdiff.plant.job-"
_numbers = itertools.count()
_logger = logging.getLogger("leakdiff.plant.jobs")


def leak(units: int) -> None:
    """Log each job under its own name."""
    for _ in range(units):
        logging.getLogger(f"{_PREFIX}{next(_numbers)}").debug("started")


def clean(units: int) -> None:
    """Log each job under one name, with what tells them apart in the message."""
    for _ in range(units):
        _logger.debug("job %d started", next(_numbers))


def teardown() -> None:
    """Forget the loggers of all jobs."""
    known = logging.Logger.manager.loggerDict
    for name in [name for name in known if name.startswith(_PREFIX)]:
        del known[name]
