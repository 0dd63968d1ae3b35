"""Slots for parallel trainings: file locks, which are released even if the process is killed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from textmill.steps.process import Stopped, is_stopping

POLL_INTERVAL_S = 0.5

log = logging.getLogger(__name__)


@contextmanager
def held_slot(folder: Path, n_slots: int | None, label: str) -> Iterator[None]:
    """Acquire one of the slots shared by all processes of this machine, waiting if necessary.

    Args:
        folder: folder of the locks.
        n_slots: number of slots; None: no limit.
        label: label of the step, for messages.

    Raises:
        Stopped: `stop_all` was called while waiting.
    """
    if n_slots is None:
        yield
        return
    lock = _first_free(folder, n_slots)
    if lock is None:
        log.info("%s is waiting: %d trainings are running (cluster.max_trainings).", label, n_slots)
    while lock is None:
        if is_stopping():
            raise Stopped(f"{label} was not started: the run is being stopped.")
        time.sleep(POLL_INTERVAL_S)
        lock = _first_free(folder, n_slots)
    try:
        yield
    finally:
        lock.release()


def _first_free(folder: Path, n_slots: int) -> FileLock | None:
    for number in range(n_slots):
        lock = FileLock(folder / f"training-{number}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return lock
    return None
