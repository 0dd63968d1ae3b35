"""Specifies the summary of a learning curve over seeds."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from textmill.evaluation.learning_curve import LearningCurve, Point


def curve_of(scores: dict[tuple[str, int], list[float]]) -> LearningCurve:
    points = tuple(
        Point(arm=arm, labels=labels, seed=seed, score=score, parameters=9)
        for (arm, labels), of_seeds in scores.items()
        for seed, score in enumerate(of_seeds)
    )
    return LearningCurve(metric="accuracy", lower_is_better=False, points=points)


def test_a_metric_is_the_mean_with_the_sample_standard_deviation() -> None:
    curve = curve_of({("random", 100): [0.5, 0.7], ("random", 150): [0.8, 0.8]})
    assert curve.metrics() == pytest.approx(
        {
            "curve/random/100": 0.6,
            "curve/random/100/deviation": 0.02**0.5,
            "curve/random/all": 0.8,
            "curve/random/all/deviation": 0.0,
        }
    )


def test_one_seed_has_no_deviation() -> None:
    curve = curve_of({("random", 100): [0.5]})
    assert curve.metrics() == {"curve/random/all": 0.5}
    assert (curve.n_seeds, curve.summary("random", 100).deviation) == (1, None)


def test_a_curve_is_read_as_it_was_written() -> None:
    curve = curve_of({("baseline", 9): [0.5], ("random", 9): [0.1]})
    assert LearningCurve.model_validate(curve.model_dump()) == curve
    assert curve.arms == ("baseline", "random")
    with pytest.raises(ValidationError):
        LearningCurve.model_validate(curve.model_dump() | {"points": []})
