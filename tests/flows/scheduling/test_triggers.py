"""Specifies the triggers of retraining: one event per change, with a limited number of attempts."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from textmill.tracking.events import PastRun
from textmill_flows.scheduling.triggers import (
    check_data,
    check_drift,
    check_schedule,
    remaining_attempts,
)


def past(status: str, run_id: str = "a1b2c3d4e5", data: str | None = None) -> PastRun:
    return PastRun(run_id, f"http://store/{run_id}", status, data, {})


def test_a_scheduled_time_is_one_event_in_every_time_zone() -> None:
    there = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert check_schedule(there).event == "schedule-20261025T003000Z"
    assert check_schedule(there.astimezone(ZoneInfo("Asia/Tokyo"))) == check_schedule(there)


def test_the_same_time_in_a_repeated_hour_is_two_events() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert check_schedule(first).event != check_schedule(first.replace(fold=1)).event


def test_unchanged_data_do_not_fire() -> None:
    decision = check_data("d1", past("FINISHED", data="d1"))
    assert decision.event is None
    assert "http://store/a1b2c3d4e5" in decision.reason


def test_changed_data_are_one_event_until_a_run_has_finished_on_them() -> None:
    last = past("FINISHED", data="d1")
    assert check_data("d2", last).event == check_data("d2", last).event
    assert check_data("d2", last).event != check_data("d3", last).event
    assert check_data("d1", None).event is not None


def test_data_reverted_to_an_earlier_state_are_a_new_event() -> None:
    first = check_data("d2", past("FINISHED", "run1", "d1"))
    again = check_data("d2", past("FINISHED", "run3", "d1"))
    assert first.event != again.event


def test_drift_is_one_event_for_the_text_and_the_sources() -> None:
    last = past("FINISHED", data="d0")
    assert check_drift([], "t1", "d1", last).event is None
    event = check_drift(["too dear"], "t1", "d1", last).event
    assert event == check_drift(["too dear", "and rare"], "t1", "d1", last).event
    assert event != check_drift(["too dear"], "t2", "d1", last).event
    assert event != check_drift(["too dear"], "t1", "d2", last).event


def test_drift_without_changed_sources_asks_for_new_text_in_them() -> None:
    last = past("FINISHED", data="d0")
    assert "add such text" in check_drift(["too dear"], "t1", "d0", last).reason
    assert "add such text" not in check_drift(["too dear"], "t1", "d1", last).reason


@pytest.mark.parametrize(
    ("statuses", "left", "words"),
    [
        ([], 3, ""),
        (["FAILED"], 2, ""),
        (["KILLED", "FAILED", "FAILED", "KILLED"], 1, ""),
        (["KILLED", "FAILED", "FAILED", "FAILED"], 0, "3 runs have failed for this event"),
        (["FINISHED"], 0, "has already finished"),
        (["FAILED", "FINISHED", "FAILED"], 0, "has already finished"),
        (["RUNNING", "FAILED"], 0, "is already running"),
    ],
)
def test_an_event_has_attempts_until_one_run_has_finished(
    statuses: list[str], left: int, words: str
) -> None:
    found, reason = remaining_attempts([past(status) for status in statuses], retries=2)
    assert found == left
    assert words in reason
