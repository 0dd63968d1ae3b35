"""Specifies the baseline step: every simple model with its predictions and scores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from textmill.errors import InputError
from textmill.files import read_json
from textmill.tasks.baseline import baseline
from textmill.tasks.classification.metrics import class_scores
from textmill.tasks.classification.settings import ClassificationConfig

NAMES = ["majority", "naive_bayes_logistic_regression"]


@pytest.fixture(scope="module")
def out(toy: ClassificationConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("baseline")
    baseline(toy, {}, folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_the_predictions_of_each_baseline_reproduce_its_metrics(out: Path, name: str) -> None:
    lines = (out / name / "predictions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    scores = class_scores([r["label"] for r in rows], [r["reference"] for r in rows])
    metrics = read_json(out / "metrics.json")
    assert scores == {key: metrics[f"{name}/{key}"] for key in scores}


def test_metrics_of_the_classical_baseline_are_repeated_without_prefix(out: Path) -> None:
    metrics = read_json(out / "metrics.json")
    assert metrics["accuracy"] == metrics["naive_bayes_logistic_regression/accuracy"]
    assert metrics["accuracy"] > metrics["majority/accuracy"] == 0.5
    assert metrics["trivial/accuracy"] == 0.5


def test_a_label_of_test_or_validation_that_training_lacks_is_refused(
    toy: ClassificationConfig, tmp_path: Path
) -> None:
    file = tmp_path / "odd.jsonl"
    file.write_text('{"text": "x", "label": "good"}\n{"text": "x", "label": "odd"}\n')
    with pytest.raises(InputError, match=r"odd.jsonl:2: the label 'odd' .*bad, good"):
        baseline(toy.model_copy(update={"test": str(file)}), {}, tmp_path)
    with pytest.raises(InputError, match=r"odd.jsonl:2: the label 'odd' .*bad, good"):
        baseline(toy.model_copy(update={"validation": str(file)}), {}, tmp_path)
