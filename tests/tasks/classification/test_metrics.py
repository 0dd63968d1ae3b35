"""Specifies the metrics of a classification, against scikit-learn and by hand."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    f1_score,
    matthews_corrcoef,
    roc_auc_score,
)

from textmill.evaluation.significance import intervals
from textmill.tasks.classification.metrics import METRICS, score, signatures
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.statistics import tabulate

CONFIG = ClassificationConfig(kind="classification", name="mood", train="a", test="b")


def scored(predictions: list[str], references: list[str]) -> dict[str, float]:
    pairs = zip(predictions, references, strict=True)
    return score(CONFIG, [{"label": guess, "reference": true} for guess, true in pairs])


def test_every_metric_has_a_signature_with_a_version() -> None:
    signed = signatures(CONFIG)
    assert signed.keys() == {metric.name for metric in METRICS} - {"mean_absolute_error"}
    assert all("version:" in signature for signature in signed.values())


def test_a_small_case_by_hand() -> None:
    # a: 1 of 2 found, 1 of 1 right; b: 1 of 1 found, 1 of 2 right.
    scores = scored(["a", "b", "b"], ["a", "a", "b"])
    assert scores == pytest.approx(
        {
            "accuracy": 2 / 3,
            "f1_macro": 2 / 3,
            "f1_weighted": 2 / 3,
            "matthews_correlation": 0.5,
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
    weighted = f1_score(references, predictions, average="weighted")
    assert scores["f1_weighted"] == pytest.approx(weighted)
    assert scores["matthews_correlation"] == pytest.approx(
        matthews_corrcoef(references, predictions)
    )
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


def with_probabilities(n: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    labels = ["a", "b", "c"]
    rows = []
    for number, p in enumerate(rng.dirichlet([0.7] * 3, n)):
        best = int(p.argmax())
        rows.append(
            {
                "text": f"{number}",
                "label": labels[best],
                "score": float(p[best]),
                "reference": labels[rng.choice(3, p=0.7 * p + 0.1)],
                "probabilities": dict(zip(labels, p.tolist(), strict=True)),
            }
        )
    return rows


def test_probabilities_give_calibration_and_auroc() -> None:
    rows = with_probabilities(80, seed=1)
    scores = score(CONFIG, rows)
    assert {metric.name for metric in METRICS} - {"mean_absolute_error"} <= scores.keys()
    p = [[row["probabilities"][label] for label in "abc"] for row in rows]
    expected = roc_auc_score([row["reference"] for row in rows], p, multi_class="ovr")
    assert scores["auroc"] == pytest.approx(expected)
    assert 0 < scores["calibration_error"] < 0.5
    without = score(CONFIG, [{**row, "score": 1.0, "probabilities": {}} for row in rows])
    assert without["calibration_error"] == pytest.approx(1 - without["accuracy"])
    assert without["auroc"] == 0.5


def test_statistics_give_the_same_scores_but_for_auroc() -> None:
    models = [with_probabilities(80, seed) for seed in (1, 2)]
    for mine, other in zip(*models, strict=True):
        other["reference"] = mine["reference"]
    table = tabulate("classification", models)
    for number, rows in enumerate(models):
        values, logged = table.values(number), score(CONFIG, rows)
        summed = {name: logged[name] for name in values if name in logged}
        assert summed == pytest.approx({name: values[name] for name in summed})
        expected = {metric.name for metric in METRICS} - {"auroc", "mean_absolute_error"}
        assert expected <= summed.keys()
    assert summed.keys() - intervals(table, 0).keys() == {"calibration_error"}
    unsure = [{name: row[name] for name in ("text", "label", "reference")} for row in models[1]]
    assert "calibration_error" not in tabulate("classification", [models[0], unsure]).metrics


@pytest.mark.parametrize("predictions", [["a", "a"], ["a", "b"]])
def test_the_correlation_is_0_where_it_is_not_defined(predictions: list[str]) -> None:
    rows = [{"text": "t", "label": guess, "reference": "a"} for guess in predictions]
    assert score(CONFIG, rows)["matthews_correlation"] == 0
    assert tabulate("classification", [rows]).values(0)["matthews_correlation"] == 0
