"""Specifies the places of trainings: shared by processes, and free again when one is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from textmill.steps import slots
from textmill.steps.process import Stopped, stop_all
from textmill.steps.slots import held_slot

HOLDER = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _ask_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "POLL_INTERVAL_S", 0.02)


def most_at_once(folder: Path, n_slots: int | None, n_threads: int) -> int:
    """Return how many of the threads held a place together."""
    here, most, guard = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal here, most
        with held_slot(folder, n_slots, "pretrain"):
            with guard:
                here += 1
                most = max(most, here)
            time.sleep(0.15)
            with guard:
                here -= 1

    threads = [threading.Thread(target=work) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most


@pytest.mark.parametrize(("n_slots", "most"), [(1, 1), (2, 2), (None, 4)])
def test_no_more_work_at_once_than_there_are_places(
    tmp_path: Path, n_slots: int | None, most: int
) -> None:
    assert most_at_once(tmp_path, n_slots, 4) == most


def test_a_killed_process_leaves_its_place_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "training-0.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        threading.Timer(0.3, holder.send_signal, [signal.SIGKILL]).start()
        started_s = time.monotonic()
        with held_slot(tmp_path, 1, "pretrain"):
            assert 0.2 < time.monotonic() - started_s < 20


def test_waiting_ends_when_the_run_is_stopped(tmp_path: Path) -> None:
    with held_slot(tmp_path, 1, "pretrain"):
        threading.Timer(0.2, stop_all).start()
        with (
            pytest.raises(Stopped, match="pretrain was not started"),
            held_slot(tmp_path, 1, "pretrain"),
        ):
            pass
