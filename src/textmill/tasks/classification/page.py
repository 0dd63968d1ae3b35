"""Presentation of classifiers and their predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from textmill.evaluation.metrics import Row
from textmill.evaluation.plots import extra_inches, open_figure, shown_label
from textmill.tasks.shown import Column, Segment, Shown, truncation_fact

DOES = "gives a text one label"
LONG_TEXTS = "longer texts are split into windows, of which training uses up to four"
EXAMPLE: Mapping[str, str] = {
    "text": "The waiter was friendly, and the soup was warm.",
    "text_pair": "The waiter was kind.",
}
ANSWER: Mapping[str, Column] = {"label": "string", "score": "double", "is_cut": "boolean"}
MAX_CLASSES = 30
"""Maximum number of classes in a confusion matrix; those with the most mistakes are shown."""


def show(row: Row) -> Shown:
    """Return a text with its reference and predicted labels."""
    pair = [("second text", row["text_pair"])] if "text_pair" in row else []
    predicted = row["label"] + (f" ({row['score']:.0%} sure)" if "score" in row else "")
    return Shown(
        segments=(Segment(row["text"]),),
        facts=(
            *pair,
            ("reference", row["reference"]),
            ("prediction", predicted),
            *truncation_fact(row),
        ),
        is_right=row["label"] == row["reference"],
        certainty=row.get("score", 0.0),
        mistakes=frozenset({f"{row['reference']} → {row['label']}"}),
    )


def plot(rows: Sequence[Row], folder: Path) -> None:
    """Draw the confusion matrix."""
    predictions, references = [r["label"] for r in rows], [r["reference"] for r in rows]
    plot_confusion(predictions, references, folder / "confusion_matrix.png")


def plot_confusion(predictions: list[str], references: list[str], file: Path) -> None:
    """Write the confusion matrix, normalized by row (reference), as PNG.

    If there are too many classes, it is restricted to those with the most mistakes.
    """
    from sklearn.metrics import ConfusionMatrixDisplay

    labels = sorted({*predictions, *references})
    if len(labels) > MAX_CLASSES:
        pairs = zip(predictions, references, strict=True)
        mistakes = Counter(
            label for guess, true in pairs if guess != true for label in (guess, true)
        )
        labels = sorted(sorted(labels, key=lambda label: -mistakes[label])[:MAX_CLASSES])
    shown = [pair for pair in zip(predictions, references, strict=True) if {*pair} <= {*labels}]
    names = [shown_label(label) for label in labels]
    side = 2.5 + 0.7 * len(labels) + extra_inches(names)
    with open_figure(file, (side + 1, side), names) as figure:
        ConfusionMatrixDisplay.from_predictions(
            [true for _, true in shown],
            [guess for guess, _ in shown],
            labels=labels,
            display_labels=names,
            normalize="true",
            values_format=".2f",
            cmap="Blues",
            xticks_rotation=45,
            ax=figure.subplots(),
        )
