"""Specifies the tables of scores in the terminal."""

from __future__ import annotations

from pathlib import Path

from textmill.evaluation.learning_curve import FILE, LearningCurve, Point
from textmill.evaluation.seed_scores import Spread
from textmill.evaluation.significance import Interval
from textmill.files import write_json
from textmill.tracking.results import Result
from textmill_flows.running.scores import curve_table, parent_spreads, score_table


def test_scores_over_seeds_have_a_column_where_there_are_some() -> None:
    summary = {"mood/accuracy": 0.9, "mood/f1_macro": 0.8, "baseline/mood/accuracy": 0.7}
    intervals = {"mood/accuracy": Interval(0.9, 0.85, 0.95, 0.02)}
    assert score_table(summary, intervals, {}).splitlines() == [
        "| score | model | 95 % interval | baseline | trivial |",
        "|---|---|---|---|---|",
        "| mood/accuracy | 0.900 | 0.850 to 0.950 | 0.700 |  |",
        "| mood/f1_macro | 0.800 |  |  |  |",
    ]
    spreads = {"mood/accuracy": Spread(0.88, 0.012, 3)}
    assert score_table(summary, intervals, spreads).splitlines()[:3] == [
        "| score | model | 95 % interval | over seeds | baseline | trivial |",
        "|---|---|---|---|---|---|",
        "| mood/accuracy | 0.900 | 0.850 to 0.950 | 0.880 ± 0.012 | 0.700 |  |",
    ]
    assert parent_spreads(spreads) == {
        "seeds/mood/accuracy/mean": 0.88,
        "seeds/mood/accuracy/deviation": 0.012,
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
