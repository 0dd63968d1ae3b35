"""Specifies the metrics of a classification, against scikit-learn and by hand."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import accuracy_score, classification_report, f1_score

from textmill.tasks.classification.metrics import METRICS, score, signatures
from textmill.tasks.classification.settings import ClassificationConfig

CONFIG = ClassificationConfig(kind="classification", name="mood", train="a", test="b")


def scored(predictions: list[str], references: list[str]) -> dict[str, float]:
    pairs = zip(predictions, references, strict=True)
    return score(CONFIG, [{"label": guess, "reference": true} for guess, true in pairs])


def test_every_metric_has_a_signature_with_a_version() -> None:
    signed = signatures(CONFIG)
    assert signed.keys() == {metric.name for metric in METRICS}
    assert all("version:" in signature for signature in signed.values())


def test_a_small_case_by_hand() -> None:
    # a: 1 of 2 found, 1 of 1 right; b: 1 of 1 found, 1 of 2 right.
    scores = scored(["a", "b", "b"], ["a", "a", "b"])
    assert scores == pytest.approx(
        {
            "accuracy": 2 / 3,
            "f1_macro": 2 / 3,
            "class/a/precision": 1.0,
            "class/a/recall": 0.5,
            "class/a/f1": 2 / 3,
            "class/b/precision": 0.5,
            "class/b/recall": 1.0,
            "class/b/f1": 2 / 3,
        }
    )


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_scikit_learn(seed: int) -> None:
    rng = random.Random(seed)
    labels = ["one", "two", "three", "4"][: 2 + seed % 3]
    references, predictions = (rng.choices(labels, k=60) for _ in range(2))
    scores = scored(predictions, references)
    assert scores["accuracy"] == pytest.approx(accuracy_score(references, predictions))
    assert scores["f1_macro"] == pytest.approx(f1_score(references, predictions, average="macro"))
    report = classification_report(references, predictions, output_dict=True, zero_division=0)
    for label in labels:
        for short, long in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")):
            assert scores[f"class/{label}/{short}"] == pytest.approx(report[label][long])


def test_a_class_that_is_only_predicted_scores_nought_and_counts() -> None:
    scores = scored(["a", "z"], ["a", "a"])
    assert scores["class/z/f1"] == 0
    assert scores["f1_macro"] == pytest.approx((2 / 3 + 0) / 2)
    assert scores["accuracy"] == 0.5


def test_perfect_predictions_score_one() -> None:
    assert set(scored(["a", "b"], ["a", "b"]).values()) == {1.0}
