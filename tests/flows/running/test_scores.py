"""Specifies the tables of scores in the terminal."""

from __future__ import annotations

from pathlib import Path

from textmill.evaluation.learning_curve import FILE, LearningCurve, Point
from textmill.files import write_json
from textmill.tracking.results import Result
from textmill_flows.running.scores import curve_table


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
