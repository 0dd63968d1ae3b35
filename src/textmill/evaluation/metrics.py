"""Metrics as `evaluate.Metric` classes over scikit-learn; they need no download.

`evaluate.load("accuracy")` fetches a script from the hub; classes that are built directly do not.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
from sklearn.metrics import accuracy_score, precision_recall_fscore_support


class Classification(evaluate.Metric):  # type: ignore[misc]
    """Accuracy, macro-averaged F1, and precision, recall and F1 of every class.

    Classes are told apart by name; the macro average runs over all classes that occur among the
    references or the predictions.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Scores of single-label classification.",
            citation="",
            inputs_description="predictions and references: lists of label names.",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        labels = sorted({*predictions, *references})
        precision, recall, f1, _ = precision_recall_fscore_support(
            references, predictions, labels=labels, zero_division=0.0
        )
        scores = {
            "accuracy": float(accuracy_score(references, predictions)),
            "f1_macro": float(f1.mean()),
        }
        for i, label in enumerate(labels):
            scores[f"class/{label}/precision"] = float(precision[i])
            scores[f"class/{label}/recall"] = float(recall[i])
            scores[f"class/{label}/f1"] = float(f1[i])
        return scores


def score_classification(predictions: list[str], references: list[str]) -> dict[str, float]:
    """Return the scores of `Classification` by name."""
    # In memory: the default writes to a cache that processes running side by side would share.
    metric = Classification(keep_in_memory=True)
    scores: dict[str, Any] = metric.compute(predictions=predictions, references=references)
    return {name: float(value) for name, value in scores.items()}
