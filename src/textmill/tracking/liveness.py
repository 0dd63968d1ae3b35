"""Liveness of runs: the process of a running one holds its lock; killed runs are closed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import Timeout
from mlflow.entities import Run, RunStatus

from textmill.tracking.description import NOTE_TAG, STOPPED
from textmill.tracking.store import Store, StoreError
from textmill.tracking.tags import KIND_TAG

LOCKS_TAG = "textmill.locks"
"""The id of the folder that contains a run's lock."""
LOCK_TAG = "textmill.lock"
"""The name of the lock that a run's process holds."""
START_TIMEOUT_S = 5
"""Longer than a pipeline takes to create its run."""

log = logging.getLogger(__name__)


def lock_tags(store: Store, lock: str) -> dict[str, str]:
    """Return the tags of a run that name the lock of its process, for `close_dead_runs`."""
    return {LOCKS_TAG: store.locks_id, LOCK_TAG: lock}


@contextmanager
def no_pipeline_starts(store: Store) -> Iterator[None]:
    """Prevent other pipelines on this machine from starting inside the block."""
    lock = store.lock("start.lock")
    try:
        lock.acquire(timeout=START_TIMEOUT_S)
    except Timeout:
        log.info("Waiting until textmill prune has removed results.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def close_dead_runs(store: Store) -> list[Run]:
    """Set runs that killed processes of this home left RUNNING to KILLED; return them.

    Raises:
        RunError: the store is read-only.
    """
    store.check_writable()
    closed: list[Run] = []
    condition = f"attributes.status='RUNNING' and tags.`{LOCKS_TAG}`='{store.locks_id}'"
    for run in store.search(condition):
        lock = store.lock(run.data.tags[LOCK_TAG])
        try:
            with lock.acquire(timeout=0):
                # Its process may have ended it since the search.
                if store.client.get_run(run.info.run_id).info.status == "RUNNING":
                    store.end_run(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
                    if run.data.tags.get(KIND_TAG) == "pipeline":
                        note = run.data.tags.get(NOTE_TAG, "")
                        store.set_tags(run.info.run_id, {NOTE_TAG: f"{STOPPED}\n\n{note}"})
                    log.info("Closed %s, which was killed.", run.info.run_name)
                    closed.append(run)
        except Timeout:
            continue
    return closed


def end_run(store: Store, run_id: str, status: str, failure: str | None) -> None:
    """Set the final status of a run; if that fails, the next start closes the run."""
    try:
        store.end_run(run_id, status, failure)
    except StoreError as problem:
        log.warning("The status of the run %s could not be set. %s", run_id, problem)
