"""Specifies how differences between groups are written, and their table in MLflow."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.tasks.behaviour.test_group_scores import case
from textmill.evaluation.significance import Interval
from textmill.reports.tables.bias_tables import (
    TABLE,
    bounds,
    group_differences,
    log_group_differences,
    marked_share,
    signed,
)
from textmill.tasks.behaviour.group_differences import differences_from_rows
from textmill.tasks.behaviour.group_scores import write_group_scores
from textmill.tracking.results import Result
from textmill.tracking.store import Store

CASES = [case(0.5, 0.25, 0.5, template=str(number)) for number in range(3)]
FOUND = differences_from_rows(map(asdict, CASES))


def test_differences_have_signs_and_shares_have_none() -> None:
    interval = Interval(0.1234, -0.05, 0.3, 0.1)
    assert (signed(interval), bounds(interval, "+")) == ("+0.123", "-0.050 to +0.300")
    assert bounds(Interval(0.1, 0.05, 0.3, 0.1)) == "0.050 to 0.300"
    rounded = Interval(-0.0001, -0.0004, 0.0, 0.1)
    assert (signed(rounded), bounds(rounded, "+")) == ("+0.000", "+0.000 to +0.000")


@pytest.mark.parametrize(
    ("n", "words"), [(1, "0 of 1 differences are"), (2, "1 of 2 differences is")]
)
def test_it_says_how_many_are_marked_and_would_be_by_chance(n: int, words: str) -> None:
    dogs, birds, _ = FOUND
    shown = marked_share([birds, dogs][:n])
    assert shown.startswith(f"{words} marked ≠ 0; without any bias, about one in twenty would be")


def test_a_result_without_groups_has_no_differences(tmp_path: Path) -> None:
    result = Result("behaviour mood", "k", "r", "url", tmp_path, "d", is_reused=False)
    assert group_differences(None) == group_differences(result) == ()
    write_group_scores(CASES, tmp_path)
    assert group_differences(result) == FOUND


def test_the_table_has_a_row_per_pair_and_is_logged_once(store: Store, tmp_path: Path) -> None:
    experiment_id = store.experiment("bias")
    run_id = store.start_run(experiment_id, "behaviour mood", {})
    result = Result("behaviour mood", "k", run_id, "url", tmp_path, "d", is_reused=False)
    for _ in range(2):
        log_group_differences(store, result, FOUND)
    values = json.loads(Path(store.client.download_artifacts(run_id, TABLE)).read_text())
    rows = [dict(zip(values["columns"], row, strict=True)) for row in values["data"]]
    assert [(row["first"], row["second"]) for row in rows] == [
        ("cats", "dogs"),
        ("cats", "birds"),
        ("dogs", "birds"),
    ]
    assert rows[0] == {
        "attribute": "animal",
        "first": "cats",
        "second": "dogs",
        "texts": "templates",
        "cases": 3,
        "label": "bad",
        "difference": pytest.approx(0.25),
        "difference_low": pytest.approx(0.25),
        "difference_high": pytest.approx(0.25),
        "flips": 1.0,
        "flips_low": pytest.approx(FOUND[0].flips.low),
        "flips_high": pytest.approx(FOUND[0].flips.high),
        "excludes_zero": True,
        "first_text": "0 x 0",
        "second_text": "0 x 1",
    }
