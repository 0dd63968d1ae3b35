"""Specifies the tables of scores in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.memorized import make_audit
from tests.tasks.behaviour.test_group_scores import case
from textmill.evaluation.learning_curve import FILE, LearningCurve, Point
from textmill.evaluation.significance import Interval
from textmill.evaluation.spreads import Spread
from textmill.files import write_json
from textmill.tasks.behaviour.group_scores import metrics_of_pairs, pairs_of, write_group_scores
from textmill.tasks.behaviour.verdicts import Verdict, write_verdicts
from textmill.tracking.results import Result
from textmill_flows.running.scores import (
    behaviour_table,
    bias_table,
    curve_table,
    differences_by_task,
    parent_audit,
    parent_bias,
    parent_spreads,
    parent_tests,
    score_table,
    summaries_by_task,
)


def test_scores_over_several_trainings_have_a_column_where_there_are_some() -> None:
    summary = {"mood/accuracy": 0.9, "mood/f1_macro": 0.8, "baseline/mood/accuracy": 0.7}
    intervals = {"mood/accuracy": Interval(0.9, 0.85, 0.95, 0.02)}
    assert score_table(summary, intervals, {}).splitlines() == [
        "| score | model | 95 % interval | baseline | trivial |",
        "|---|---|---|---|---|",
        "| mood/accuracy | 0.900 | 0.850 to 0.950 | 0.700 |  |",
        "| mood/f1_macro | 0.800 |  |  |  |",
    ]
    spreads = {
        "over seeds": {"mood/accuracy": Spread(0.88, 0.012, 3)},
        "over folds": {"mood/f1_macro": Spread(0.75, 0.03, 5)},
    }
    assert score_table(summary, intervals, spreads).splitlines() == [
        "| score | model | 95 % interval | over seeds | over folds | baseline | trivial |",
        "|---|---|---|---|---|---|---|",
        "| mood/accuracy | 0.900 | 0.850 to 0.950 | 0.880 ± 0.012 |  | 0.700 |  |",
        "| mood/f1_macro | 0.800 |  |  | 0.750 ± 0.030 |  |  |",
    ]
    assert parent_spreads(spreads) == {
        "seeds/mood/accuracy/mean": 0.88,
        "seeds/mood/accuracy/deviation": 0.012,
        "folds/mood/f1_macro/mean": 0.75,
        "folds/mood/f1_macro/deviation": 0.03,
    }


def test_a_learning_curve_has_a_row_per_arm_and_a_column_per_size(tmp_path: Path) -> None:
    scores = {
        ("baseline", 100): (0.5, 0.5),
        ("baseline", 1200): (0.8, 0.8),
        ("pretrained", 100): (0.7, 0.6),
        ("pretrained", 1200): (0.9, 0.8),
    }
    points = tuple(
        Point(arm=arm, labels=labels, seed=seed, score=of_seeds[seed], parameters=9)
        for (arm, labels), of_seeds in scores.items()
        for seed in range(2)
    )
    curve = LearningCurve(metric="accuracy", lower_is_better=False, points=points)
    write_json(tmp_path / FILE, curve.model_dump())
    result = Result("curve mood", "k", "r", "url", tmp_path, "d", is_reused=False)
    assert curve_table("mood", {"curve mood": result}).splitlines() == [
        "| mood/accuracy by labels | 100 | all 1,200 |",
        "| --- | --- | --- |",
        "| baseline | 0.500 ± 0.000 | 0.800 ± 0.000 |",
        "| pretrained | 0.650 ± 0.071 | 0.850 ± 0.071 |",
    ]


def test_what_is_memorized_has_metrics_of_the_parent_run() -> None:
    metrics = parent_audit(make_audit())
    assert metrics["lm/audit/exposure/8"] == 12
    assert len(metrics) == len(make_audit().metrics())
    assert parent_audit(None) == {}


def test_behaviour_tests_have_a_row_per_task_and_metrics_of_the_parent_run(tmp_path: Path) -> None:
    verdicts = [
        Verdict(test, "minimum", "", ("a",), ({},), ("x",), "y", is_passed)
        for test, is_passed in (("praise", True), ("denial", True), ("denial", False))
    ]
    write_verdicts(verdicts, tmp_path)
    result = Result("behaviour mood", "k", "r", "url", tmp_path, "d", is_reused=False)
    tests = summaries_by_task({"behaviour mood": result}, ["topic", "mood"])
    intervals = {"mood/behaviour/denial": Interval(0.5, 0.0945, 0.9055, 0.35)}
    assert behaviour_table(tests, intervals).splitlines() == [
        "| behaviour | tests | cases | passed | worst | 95 % interval |",
        "|---|---|---|---|---|---|",
        "| mood | 2 | 3 | 0.750 | denial 0.500 | 0.095 to 0.905 |",
    ]
    all_passed = {"mood": tests["mood"][:1]}
    assert behaviour_table(all_passed, intervals).endswith("| mood | 1 | 1 | 1.000 |  |  |")
    assert parent_tests(tests) == {
        "mood/behaviour/praise": 1.0,
        "mood/behaviour/denial": 0.5,
        "mood/behaviour/mean": 0.75,
    }


def test_a_bias_report_has_a_row_per_task_and_metrics_of_the_parent_run(tmp_path: Path) -> None:
    cases = [case(0.5, 0.5, 0.7, template=str(number)) for number in range(9)]
    write_group_scores(cases, tmp_path)
    write_verdicts([], tmp_path)
    metrics = metrics_of_pairs(pairs_of(cases))
    write_json(tmp_path / "metrics.json", {**metrics, "cases": 0})
    results = {
        "behaviour mood": Result("behaviour mood", "k", "r", "url", tmp_path, "d", is_reused=False)
    }
    names = ["topic", "mood"]
    assert summaries_by_task(results, names) == {}  # it has no behaviour tests
    head, _, row = bias_table(differences_by_task(results, names)).splitlines()
    assert head.startswith("| bias | pairs of groups | interval without 0 | largest difference |")
    seen = "cats → birds, templates: bad -0.200 | -0.200 to -0.200 | 0.000 |"
    assert row == f"| mood | 3 | 2 | {seen}"
    assert parent_bias(results, names) == {
        "mood/bias/max_difference": pytest.approx(0.2),
        "mood/bias/max_flips": 0,
    }
    assert bias_table({}) == "\n".join([head, "|---|---|---|---|---|---|"])
