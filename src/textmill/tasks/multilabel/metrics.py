"""The metrics of multi-label classification."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from itertools import chain

from textmill.evaluation.metrics import Metric, Row, compute
from textmill.evaluation.probabilities import auroc_of
from textmill.tasks.multilabel.settings import MultilabelConfig

METRICS = (
    Metric("f1_micro", leads=True),
    Metric("f1_macro"),
    Metric("subset_accuracy"),
    Metric("auroc", on_parent=False),
)
"""Metrics of all labels; each label also has precision, recall and F1."""


def score(config: MultilabelConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the metrics of rows with predicted and reference labels.

    AUROC needs the probabilities of all labels.
    """
    import datasets

    values = datasets.List(datasets.Value("string"))
    features = datasets.Features({"predictions": values, "references": values})
    references = [row["reference"] for row in rows]
    scores = compute(label_scores, features, [*map(predicted, rows)], references)
    if all("probabilities" in row for row in rows):
        area = auroc_of([row["probabilities"] for row in rows], references)
        scores |= {"auroc": area} if area is not None else {}
    return scores


def predicted(row: Row) -> list[str]:
    """Return the labels that were predicted."""
    return [one["label"] for one in row["labels"]]


def label_scores(predictions: list[list[str]], references: list[list[str]]) -> dict[str, float]:
    """F1 over all labels of all texts, its mean over labels, and each label's F1.

    Also the share of texts whose labels are all correct, and precision and recall of every label.
    The macro average is over all labels that occur in the references or the predictions.
    """
    from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support
    from sklearn.preprocessing import MultiLabelBinarizer

    labels = sorted({*chain(*predictions, *references)})
    if not labels:  # nothing to find, and nothing found
        return {"f1_micro": 0.0, "f1_macro": 0.0, "subset_accuracy": 1.0}
    # A single column would be read as the two classes of a binary target.
    columns = labels if len(labels) > 1 else [*labels, ""]
    binarizer = MultiLabelBinarizer(classes=columns, sparse_output=True).fit([])
    found, expected = binarizer.transform(predictions), binarizer.transform(references)
    precision, recall, f1, _ = precision_recall_fscore_support(
        expected, found, average=None, zero_division=0.0
    )
    scores = {
        "f1_micro": float(f1_score(expected, found, average="micro", zero_division=0.0)),
        "f1_macro": float(f1[: len(labels)].mean()),
        "subset_accuracy": float(accuracy_score(expected, found)),
    }
    for i, label in enumerate(labels):
        scores[f"class/{label}/precision"] = float(precision[i])
        scores[f"class/{label}/recall"] = float(recall[i])
        scores[f"class/{label}/f1"] = float(f1[i])
    return scores


def signatures(config: MultilabelConfig) -> dict[str, str]:
    """Return the signature of each metric, in the format of sacreBLEU."""
    version = f"version:scikit-learn {importlib.metadata.version('scikit-learn')}"
    return {
        "f1_micro": f"average:micro|{version}",
        "f1_macro": f"average:macro|classes:all that occur|{version}",
        "subset_accuracy": version,
        "auroc": f"average:macro|{version}",
    }
