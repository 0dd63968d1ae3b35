"""Presentation of multi-label classifiers and their predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.evaluation.metrics import Row
from textmill.evaluation.plots import plot_label_scores
from textmill.tasks.classification.page import EXAMPLE, LONG_TEXTS
from textmill.tasks.multilabel.metrics import label_scores, predicted
from textmill.tasks.shown import Column, Segment, Shown, truncation_fact

__all__ = ["ANSWER", "DOES", "EXAMPLE", "LONG_TEXTS", "plot", "show"]

DOES = "gives a text any number of labels"
ANSWER: Mapping[str, Column] = {
    "labels": [{"label": "string", "score": "double"}],
    "is_cut": "boolean",
}
NONE = "no label"
MAX_LABELS = 30
"""Maximum number of labels in the plot; those with the most mistakes are shown."""


def show(row: Row) -> Shown:
    """Return a text with its reference and predicted labels."""
    pair = [("second text", row["text_pair"])] if "text_pair" in row else []
    expected, found = {*row["reference"]}, {*predicted(row)}
    missed, spurious = expected - found, found - expected
    sure = [one["score"] for one in row["labels"] if one["label"] in spurious and "score" in one]
    return Shown(
        segments=(Segment(row["text"]),),
        facts=(
            *pair,
            ("reference", ", ".join(row["reference"]) or NONE),
            ("prediction", ", ".join(map(_described, row["labels"])) or NONE),
            *truncation_fact(row),
        ),
        is_right=found == expected,
        certainty=max(sure, default=0.0),
        mistakes=frozenset(
            {*(f"missed {label}" for label in missed), *(f"spurious {label}" for label in spurious)}
        ),
    )


def _described(one: Mapping[str, Any]) -> str:
    return f"{one['label']} ({one['score']:.0%} sure)" if "score" in one else str(one["label"])


def plot(rows: Sequence[Row], folder: Path) -> None:
    """Write a plot of precision, recall and F1 by label.

    If there are too many labels, it is restricted to those with the most mistakes.
    """
    pairs = [({*predicted(row)}, {*row["reference"]}) for row in rows]
    mistakes = Counter(label for found, expected in pairs for label in found ^ expected)
    labels = sorted({label for found, expected in pairs for label in found | expected})
    shown = {*sorted(labels, key=lambda label: -mistakes[label])[:MAX_LABELS]}
    found, expected = ([[*(part & shown)] for part in parts] for parts in zip(*pairs, strict=True))
    plot_label_scores(label_scores(found, expected), "class/", folder / "label_scores.png")
