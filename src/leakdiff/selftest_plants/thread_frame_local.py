"""A list that is a local variable of a running thread, and nothing else."""

from __future__ import annotations

import queue
import threading


class Job:
    """Something to do."""

    def __init__(self, name: str) -> None:
        self.name = name


_kept_jobs: queue.Queue[Job | None] = queue.Queue()
_done_jobs: queue.Queue[Job | None] = queue.Queue()


def hoard(jobs: queue.Queue[Job | None]) -> None:
    """Do jobs, and keep each one in a local list until the thread ends."""
    kept: list[Job] = []
    while (job := jobs.get()) is not None:
        kept.append(job)
        jobs.task_done()


def serve(jobs: queue.Queue[Job | None]) -> None:
    """Do jobs, and count them."""
    done = 0
    while (job := jobs.get()) is not None:
        done += len(job.name) > 0
        jobs.task_done()


def setup() -> None:
    """Start a thread that hoards and a thread that does not."""
    for work, jobs in ((hoard, _kept_jobs), (serve, _done_jobs)):
        threading.Thread(target=work, args=(jobs,), daemon=True).start()


def leak(units: int) -> None:
    """Give jobs to the thread that hoards, and wait until it has them all."""
    hand_over(units, _kept_jobs)


def clean(units: int) -> None:
    """Give jobs to the thread that does not, and wait until it has them all."""
    hand_over(units, _done_jobs)


def hand_over(units: int, jobs: queue.Queue[Job | None]) -> None:
    """Queue a job per unit, and wait until the queue is done."""
    for _ in range(units):
        jobs.put(Job("sweep"))
    jobs.join()


def teardown() -> None:
    """Send both threads home."""
    _kept_jobs.put(None)
    _done_jobs.put(None)
