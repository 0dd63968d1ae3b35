"""Specifies when to retrain: one event for one change, tried as often as allowed."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from textmill.tracking.events import PastRun
from textmill_flows.scheduling.triggers import at_data, at_drift, at_tick, tries_left


def past(status: str, run_id: str = "a1b2c3d4e5", data: str | None = None) -> PastRun:
    return PastRun(run_id, f"http://store/{run_id}", status, data, {})


def test_a_tick_is_one_event_in_every_time_zone() -> None:
    there = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert at_tick(there).event == "schedule-20261025T003000Z"
    assert at_tick(there.astimezone(ZoneInfo("Asia/Tokyo"))) == at_tick(there)


def test_the_hour_that_the_clock_repeats_holds_two_ticks() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert at_tick(first).event != at_tick(first.replace(fold=1)).event


def test_unchanged_data_are_no_event() -> None:
    decision = at_data("d1", past("FINISHED", data="d1"))
    assert decision.event is None
    assert "http://store/a1b2c3d4e5" in decision.reason


def test_changed_data_are_one_event_until_a_run_has_finished_on_them() -> None:
    last = past("FINISHED", data="d1")
    assert at_data("d2", last).event == at_data("d2", last).event
    assert at_data("d2", last).event != at_data("d3", last).event
    assert at_data("d1", None).event is not None


def test_data_that_come_back_to_an_earlier_state_are_a_new_event() -> None:
    first = at_data("d2", past("FINISHED", "run1", "d1"))
    again = at_data("d2", past("FINISHED", "run3", "d1"))
    assert first.event != again.event


def test_drift_is_one_event_for_the_text_and_the_sources() -> None:
    last = past("FINISHED", data="d0")
    assert at_drift([], "t1", "d1", last).event is None
    event = at_drift(["too dear"], "t1", "d1", last).event
    assert event == at_drift(["too dear", "and rare"], "t1", "d1", last).event
    assert event != at_drift(["too dear"], "t2", "d1", last).event
    assert event != at_drift(["too dear"], "t1", "d2", last).event


def test_drift_without_new_sources_says_what_is_missing() -> None:
    last = past("FINISHED", data="d0")
    assert "add such text" in at_drift(["too dear"], "t1", "d0", last).reason
    assert "add such text" not in at_drift(["too dear"], "t1", "d1", last).reason


@pytest.mark.parametrize(
    ("statuses", "left", "words"),
    [
        ([], 3, ""),
        (["FAILED"], 2, ""),
        (["KILLED", "FAILED", "FAILED", "KILLED"], 1, ""),
        (["KILLED", "FAILED", "FAILED", "FAILED"], 0, "3 runs for it have failed"),
        (["FINISHED"], 0, "has dealt with it"),
        (["FAILED", "FINISHED", "FAILED"], 0, "has dealt with it"),
        (["RUNNING", "FAILED"], 0, "is dealing with it"),
    ],
)
def test_an_event_is_tried_until_one_run_has_finished(
    statuses: list[str], left: int, words: str
) -> None:
    found, reason = tries_left([past(status) for status in statuses], retries=2)
    assert found == left
    assert words in reason
