"""Metrics as `evaluate.Metric` classes over scikit-learn and seqeval; they need no download.

`evaluate.load("accuracy")` fetches a script from the hub; classes that are built directly do not.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
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


class Entities(evaluate.Metric):  # type: ignore[misc]
    """Entity-level precision, recall and F1, overall and by type, as seqeval counts in strict mode.

    An entity is right when its type, its first and its last word are (Tjong Kim Sang & De Meulder
    2003, section 2.3); an I- tag that continues nothing begins none.
    """

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.List(datasets.Value("string"))
        return evaluate.MetricInfo(
            description="Scores of entity tagging.",
            citation="",
            inputs_description="predictions and references: lists of IOB2 tags of each text.",
            features=datasets.Features({"predictions": tags, "references": tags}),
        )

    def _compute(
        self, predictions: list[list[str]], references: list[list[str]]
    ) -> dict[str, float]:
        report = classification_report(
            references, predictions, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
        )
        names = {"precision": "precision", "recall": "recall", "f1": "f1-score"}
        scores = {name: float(report["micro avg"][key]) for name, key in names.items()}
        for entity_type in sorted(report.keys() - {"micro avg", "macro avg", "weighted avg"}):
            for name, key in names.items():
                scores[f"type/{entity_type}/{name}"] = float(report[entity_type][key])
        return scores


def score_tagging(predictions: list[list[str]], references: list[list[str]]) -> dict[str, float]:
    """Return the scores of `Entities` by name."""
    metric = Entities(keep_in_memory=True)
    scores: dict[str, Any] = metric.compute(predictions=predictions, references=references)
    return {name: float(value) for name, value in scores.items()}
