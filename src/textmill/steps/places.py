"""Places at the accelerator: locks that end with the process that holds them, even if killed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from textmill.steps.worker import Stopped, is_stopping

ASK_EVERY_S = 0.5

log = logging.getLogger(__name__)


@contextmanager
def held_slot(folder: Path, n_places: int | None, label: str) -> Iterator[None]:
    """Wait for one of the places that the processes of this machine share, and hold it.

    Args:
        folder: where the locks lie.
        n_places: how many there are; None needs none.
        label: what waits, for the message.

    Raises:
        Stopped: `stop_all` was called while this waited.
    """
    if n_places is None:
        yield
        return
    lock = _first_free(folder, n_places)
    if lock is None:
        log.info("%s waits: %d trainings run here (cluster.max_trainings).", label, n_places)
    while lock is None:
        if is_stopping():
            raise Stopped(f"{label} was not started: the run is being stopped.")
        time.sleep(ASK_EVERY_S)
        lock = _first_free(folder, n_places)
    try:
        yield
    finally:
        lock.release()


def _first_free(folder: Path, n_places: int) -> FileLock | None:
    for number in range(n_places):
        lock = FileLock(folder / f"training-{number}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return lock
    return None
