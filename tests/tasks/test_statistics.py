"""Specifies that a metric with a value for every example needs no more than its definition."""

from __future__ import annotations

import pytest

from textmill.evaluation.metrics import Metric
from textmill.evaluation.significance import differences, intervals
from textmill.tasks.classification import metrics
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.predictions import score
from textmill.tasks.statistics import tabulate

CONFIG = ClassificationConfig(kind="classification", name="stars", train="a", test="b")
REFERENCES = "12345" * 20
GOOD, POOR = (
    [
        {"text": f"{i}", "reference": true, "label": true if i % every else "3"}
        for i, true in enumerate(REFERENCES)
    ]
    for every in (4, 2)
)


@pytest.fixture(autouse=True)
def ordinal(monkeypatch: pytest.MonkeyPatch) -> None:
    error = Metric(
        "mean_error",
        lower_is_better=True,
        of_example=lambda row: abs(int(row["label"]) - int(row["reference"])),
    )
    monkeypatch.setattr(metrics, "METRICS", (*metrics.METRICS, error))


def test_it_is_scored() -> None:
    errors = [abs(int(row["label"]) - int(row["reference"])) for row in GOOD]
    found = score(CONFIG, GOOD)
    assert found["mean_error"] == sum(errors) / len(errors) > 0
    assert "accuracy" in found


def test_calibration_is_compared_without_an_interval_of_its_own() -> None:
    rows = [[row | {"score": sure} for row in GOOD] for sure in (0.8, 0.5)]
    answers = tabulate("classification", rows)
    assert "calibration_error" not in intervals(answers, 0)
    assert differences(answers, 0, 1)["calibration_error"].gain.value < 0


def test_it_has_an_interval_and_is_compared_with_its_direction() -> None:
    answers = tabulate("classification", [POOR, GOOD])
    found = intervals(answers, 1)["mean_error"]
    assert found.value == score(CONFIG, GOOD)["mean_error"]
    assert found.low < found.value < found.high
    difference = differences(answers, 0, 1)["mean_error"]
    assert difference.gain.value > 0
    assert difference.p_better < 0.01
    assert {"accuracy", "f1_macro", "class/1/f1"} <= answers.metrics.keys()
