"""The metrics of classification."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

from textmill.evaluation.metrics import Metric, Row, compute
from textmill.tasks.classification.settings import ClassificationConfig

METRICS = (Metric("accuracy", leads=True), Metric("f1_macro"))
"""Metrics on the parent run; each class also has precision, recall and F1."""


def score(config: ClassificationConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the metrics of rows with predicted and reference labels."""
    import datasets

    values = datasets.Value("string")
    features = datasets.Features({"predictions": values, "references": values})
    labels, references = [row["label"] for row in rows], [row["reference"] for row in rows]
    return compute(class_scores, features, labels, references)


def class_scores(predictions: list[str], references: list[str]) -> dict[str, float]:
    """Accuracy, macro-averaged F1, and precision, recall and F1 of every class.

    The macro average is over all classes that occur in the references or the predictions.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

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


def signatures(config: ClassificationConfig) -> dict[str, str]:
    """Return the signature of each metric, in the format of sacreBLEU."""
    version = importlib.metadata.version("scikit-learn")
    return {
        "accuracy": f"version:scikit-learn {version}",
        "f1_macro": f"average:macro|classes:all that occur|version:scikit-learn {version}",
    }
