"""Specifies which runs are dead, and that they alone are closed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from filelock import FileLock

from textmill.config import TrackingConfig
from textmill.tracking.liveness import LOCKS_TAG, close_dead_runs, lock_tags
from textmill.tracking.store import Store


def test_runs_whose_lock_is_free_are_closed_and_no_others(store: Store) -> None:
    experiment = store.experiment("tidy")
    dead = store.start_run(experiment, "dead", lock_tags(store, "dead.lock"))
    alive = store.start_run(experiment, "alive", lock_tags(store, "alive.lock"))
    ended = store.start_run(experiment, "ended", lock_tags(store, "ended.lock"))
    store.end_run(ended, "FINISHED")
    away = lock_tags(store, "away.lock") | {LOCKS_TAG: "of another home"}
    remote = store.start_run(experiment, "remote", away)
    with FileLock(store.locks / "alive.lock"):
        closed = close_dead_runs(store)
    states = [store.client.get_run(r).info.status for r in (dead, alive, ended, remote)]
    assert states == ["KILLED", "RUNNING", "FINISHED", "RUNNING"]
    for left in (alive, remote):
        store.end_run(left, "FINISHED")
    assert [run.info.run_id for run in closed] == [dead]


def test_dead_runs_are_recognized_after_a_change_of_hostname(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(home: Path) -> Store:
        return Store(TrackingConfig(home=str(home), uri=store.uri))

    dead = store.start_run(store.experiment("tidy"), "dead", lock_tags(store, "renamed.lock"))
    # Another machine of the same name, with the same server, and locks of its own.
    assert close_dead_runs(opened(tmp_path)) == []
    assert store.client.get_run(dead).info.status == "RUNNING"
    # The next container on the same volume.
    monkeypatch.setattr(socket, "gethostname", lambda: "another-name")
    close_dead_runs(opened(store.home))
    assert store.client.get_run(dead).info.status == "KILLED"


def test_closing_leaves_locks_free(store: Store) -> None:
    store.start_run(store.experiment("tidy"), "dead", lock_tags(store, "freed.lock"))
    close_dead_runs(store)
    with FileLock(store.locks / "freed.lock").acquire(timeout=0):
        assert close_dead_runs(store) == []
