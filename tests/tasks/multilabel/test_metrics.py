"""Specifies the metrics of multi-label classification, against scikit-learn and by hand."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from tests.tasks.multilabel.conftest import make_config
from textmill.evaluation.significance import intervals
from textmill.tasks.multilabel.metrics import METRICS, score, signatures
from textmill.tasks.statistics import tabulate

LABELS = ["one", "two", "three", "4"]


def as_rows(predictions: list[list[str]], references: list[list[str]]) -> list[dict[str, Any]]:
    return [
        {"text": f"{i}", "labels": [{"label": label} for label in found], "reference": expected}
        for i, (found, expected) in enumerate(zip(predictions, references, strict=True))
    ]


def scored(predictions: list[list[str]], references: list[list[str]], tmp_path: Any) -> Any:
    return score(make_config(tmp_path), as_rows(predictions, references))


def drawn(n: int, seed: int) -> list[list[str]]:
    rng = random.Random(seed)
    return [[label for label in LABELS if rng.random() < 0.4] for _ in range(n)]


def as_matrix(rows: list[list[str]]) -> np.ndarray:
    return np.array([[label in row for label in LABELS] for row in rows])


def test_every_metric_has_a_signature_with_a_version(tmp_path: Any) -> None:
    signed = signatures(make_config(tmp_path))
    assert signed.keys() == {metric.name for metric in METRICS}
    assert all("version:" in signature for signature in signed.values())


def test_a_small_case_by_hand(tmp_path: Any) -> None:
    # a: 1 right of 1 predicted, 2 expected; b: 1 right of 2 predicted, 1 expected.
    scores = scored([["a", "b"], ["b"], []], [["a", "b"], ["a"], []], tmp_path)
    assert scores == pytest.approx(
        {
            "f1_micro": 2 / 3,
            "f1_macro": 2 / 3,
            "subset_accuracy": 2 / 3,
            "class/a/precision": 1.0,
            "class/a/recall": 0.5,
            "class/a/f1": 2 / 3,
            "class/b/precision": 0.5,
            "class/b/recall": 1.0,
            "class/b/f1": 2 / 3,
        }
    )


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_scikit_learn(seed: int, tmp_path: Any) -> None:
    found, expected = drawn(60, seed), drawn(60, seed + 10)
    guessed, true = as_matrix(found), as_matrix(expected)
    scores = scored(found, expected, tmp_path)
    assert scores["f1_micro"] == pytest.approx(f1_score(true, guessed, average="micro"))
    assert scores["f1_macro"] == pytest.approx(f1_score(true, guessed, average="macro"))
    assert scores["subset_accuracy"] == pytest.approx(accuracy_score(true, guessed))
    for name, of in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        for label, value in zip(LABELS, of(true, guessed, average=None), strict=True):
            assert scores[f"class/{label}/{name}"] == pytest.approx(value)


def test_statistics_give_the_same_scores(tmp_path: Any) -> None:
    models = [as_rows(drawn(50, seed), drawn(50, 9)) for seed in (1, 2)]
    models[1][0]["labels"].append({"label": "odd"})  # must not enter the other's macro average
    table = tabulate("multilabel", models)
    for model, rows in enumerate(models):
        logged, values = score(make_config(tmp_path), rows), table.values(model)
        assert {metric.name for metric in METRICS} - {"auroc"} <= values.keys()
        known = {name: value for name, value in values.items() if name in logged}
        assert known == pytest.approx({name: logged[name] for name in known})
    interval = intervals(table, 0)["f1_micro"]
    assert interval.low < interval.value < interval.high


def test_auroc_is_that_of_each_label_against_its_absence(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    expected, p = drawn(50, 3), rng.random((50, len(LABELS)))
    rows = as_rows(drawn(50, 4), expected)
    for row, own in zip(rows, p.tolist(), strict=True):
        row["probabilities"] = dict(zip(LABELS, own, strict=True))
    area = roc_auc_score(as_matrix(expected), p, average="macro")
    assert score(make_config(tmp_path), rows)["auroc"] == pytest.approx(area)


def test_no_label_anywhere_scores_nought(tmp_path: Any) -> None:
    expected = {"f1_micro": 0.0, "f1_macro": 0.0, "subset_accuracy": 1.0}
    assert scored([[]], [[]], tmp_path) == expected
    assert tabulate("multilabel", [as_rows([[]], [[]])]).values(0) == expected


def test_a_single_label_is_scored_like_any_other(tmp_path: Any) -> None:
    scores = scored([["a"], ["a"], []], [["a"], [], []], tmp_path)
    assert scores == pytest.approx(
        {
            "f1_micro": 2 / 3,
            "f1_macro": 2 / 3,
            "subset_accuracy": 2 / 3,
            "class/a/precision": 0.5,
            "class/a/recall": 1.0,
            "class/a/f1": 2 / 3,
        }
    )
