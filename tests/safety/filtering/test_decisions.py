"""Specifies how decisions are counted, logged and described: never with the text."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from textmill.safety.filtering.decisions import Decision, FilterCounts, describe

BLOCKED = Decision("insults", "block", "prompt", 4, 9, "en")
MASKED = Decision("personal_data", "mask", "output", 0, 5)


def test_decisions_are_counted_by_everything_but_their_place() -> None:
    counts = FilterCounts()
    counts.record([BLOCKED, MASKED])
    counts.record([Decision("insults", "block", "prompt", 1, 2, "en")])
    assert counts.as_dict() == {
        ("insults", "block", "prompt", "en"): 2,
        ("personal_data", "mask", "output", ""): 1,
    }


def test_no_count_is_lost_between_threads() -> None:
    counts = FilterCounts()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: counts.record([BLOCKED]), range(2000)))
    assert counts.as_dict()["insults", "block", "prompt", "en"] == 2000


def test_a_log_line_has_the_numbers(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        FilterCounts().record([BLOCKED, BLOCKED])
    assert caplog.messages == [
        "filter category=insults action=block side=prompt language=en count=2"
    ]


def test_decisions_are_shown_as_plain_values_and_described_once() -> None:
    assert MASKED.shown() == {
        "category": "personal_data",
        "action": "mask",
        "side": "output",
        "start": 0,
        "end": 5,
        "language": None,
    }
    assert describe([BLOCKED, MASKED, BLOCKED]) == (
        "insults (block, prompt), personal_data (mask, output)"
    )
