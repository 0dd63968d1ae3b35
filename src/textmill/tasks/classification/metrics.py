"""The metrics of classification."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.metrics import Metric, Row, compute
from textmill.evaluation.probabilities import (
    N_BINS,
    auroc_of,
    calibration_error,
    calibration_gaps,
)
from textmill.tasks.classification.settings import ClassificationConfig

METRICS = (
    Metric("accuracy", leads=True),
    Metric("f1_macro"),
    Metric("mean_absolute_error", lower_is_better=True),
    Metric("f1_weighted", on_parent=False),
    Metric("matthews_correlation", on_parent=False),
    Metric("auroc", on_parent=False),
    # Of 25 calibrated models on 500 examples, no percentile interval of the error contained 0.
    Metric("calibration_error", lower_is_better=True, on_parent=False, has_interval=False),
)
"""Metrics of all classes; each class also has precision, recall and F1."""
ORDINAL = "mean_absolute_error"
ORDER = "order:"
NUMBERS = f"{ORDER}numbers"
"""In the signature of the mean absolute error, if labels are numbers."""


def score(config: ClassificationConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the metrics of rows with predicted and reference labels.

    The calibration error needs their probabilities, AUROC those of all labels, and the mean
    absolute error an order of the labels.
    """
    import datasets

    values = datasets.Value("string")
    features = datasets.Features({"predictions": values, "references": values})
    labels, references = [row["label"] for row in rows], [row["reference"] for row in rows]
    scores = compute(class_scores, features, labels, references)
    if ORDINAL in (signed := signatures(config)):
        scores[ORDINAL] = float(ordinal_errors(rows, signed[ORDINAL]).mean())
    if all("score" in row for row in rows):
        error = calibration_error(gaps_of(rows).sum(axis=0), np.array(len(rows), np.float64))
        scores["calibration_error"] = float(error)
    if all("probabilities" in row for row in rows):
        area = auroc_of([row["probabilities"] for row in rows], [{one} for one in references])
        scores |= {"auroc": area} if area is not None else {}
    return scores


def gaps_of(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Return the calibration gaps of rows with probabilities, see `calibration_gaps`."""
    confidences = np.array([row["score"] for row in rows], np.float64)
    is_right = np.array([row["label"] == row["reference"] for row in rows], bool)
    return calibration_gaps(confidences, is_right)


def ordinal_errors(rows: Sequence[Row], signature: str) -> NDArray[np.float64]:
    """Return how far predicted labels are from the references, (rows,).

    Args:
        rows: with predicted and reference labels.
        signature: of the mean absolute error, with the order of the labels.
    """
    position: Callable[[str], float] = float
    if not signature.startswith(NUMBERS):
        names, _ = json.JSONDecoder().raw_decode(signature.removeprefix(ORDER))
        position = {name: float(place) for place, name in enumerate(names)}.__getitem__
    return np.array([abs(position(row["label"]) - position(row["reference"])) for row in rows])


def class_scores(predictions: list[str], references: list[str]) -> dict[str, float]:
    """Accuracy, F1 and correlation over all classes; precision, recall and F1 of every class.

    F1 is averaged over all classes that occur in the references or the predictions: equally, and
    weighted by their references. The correlation is that of Matthews, for several classes as by
    Gorodkin (2004).
    """
    from sklearn.metrics import (
        accuracy_score,
        matthews_corrcoef,
        precision_recall_fscore_support,
    )

    labels = sorted({*predictions, *references})
    # Of one class, it is not defined, and scikit-learn warns.
    correlation = matthews_corrcoef(references, predictions) if len(labels) > 1 else 0.0
    precision, recall, f1, support = precision_recall_fscore_support(
        references, predictions, labels=labels, zero_division=0.0
    )
    scores = {
        "accuracy": float(accuracy_score(references, predictions)),
        "f1_macro": float(f1.mean()),
        "f1_weighted": float(f1 @ support / max(1, support.sum())),
        "matthews_correlation": float(correlation),
    }
    for i, label in enumerate(labels):
        scores[f"class/{label}/precision"] = float(precision[i])
        scores[f"class/{label}/recall"] = float(recall[i])
        scores[f"class/{label}/f1"] = float(f1[i])
    return scores


def signatures(config: ClassificationConfig) -> dict[str, str]:
    """Return the signature of each metric, in the format of sacreBLEU."""
    names = json.dumps(config.label_names, ensure_ascii=False)
    order = f"{ORDER}{names}" if config.label_names else NUMBERS
    version = f"version:scikit-learn {importlib.metadata.version('scikit-learn')}"
    return {
        "accuracy": version,
        "f1_macro": f"average:macro|classes:all that occur|{version}",
        "f1_weighted": f"average:weighted|{version}",
        "matthews_correlation": version,
        "auroc": f"average:macro|classes:one against the rest|{version}",
        **({ORDINAL: f"{order}|version:1"} if config.ordered else {}),
        "calibration_error": f"bins:{N_BINS} of equal width|norm:L1|version:1",
    }
