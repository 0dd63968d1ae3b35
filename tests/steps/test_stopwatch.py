"""Specifies the time of a step: that of all attempts, whatever ended them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from textmill.steps import stopwatch
from textmill.steps.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that passes, as the only item."""
    now = [1000.0]
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_later_attempt_goes_on_from_the_time_that_was_saved(
    tmp_path: Path, clock: list[float]
) -> None:
    first = Stopwatch(tmp_path / "seconds")
    clock[0] += 30
    first.save()
    clock[0] += 500  # nobody was at it
    second = Stopwatch(tmp_path / "seconds")
    clock[0] += 12
    assert second.seconds() == 42


def test_what_is_killed_loses_no_more_than_the_time_since_the_last_tick(
    tmp_path: Path, clock: list[float]
) -> None:
    killed = Stopwatch(tmp_path / "seconds")
    for _ in range(100):
        clock[0] += 1
        killed.tick()
    assert 100 - Stopwatch(tmp_path / "seconds").seconds() < stopwatch.SAVE_EVERY_S


def test_without_a_file_every_attempt_counts_alone(clock: list[float]) -> None:
    watch = Stopwatch(None)
    clock[0] += 20
    watch.tick()
    watch.save()
    assert watch.seconds() == 20
    assert Stopwatch(None).seconds() == 0


def test_a_damaged_file_and_a_full_disk_are_no_failure(tmp_path: Path, clock: list[float]) -> None:
    for damaged in ("", "x", "-9", "inf", "nan", "\udc80"):
        (tmp_path / "seconds").write_bytes(damaged.encode(errors="surrogateescape"))
        assert Stopwatch(tmp_path / "seconds").seconds() == 0
    Stopwatch(tmp_path / "nowhere" / "seconds").save()
