"""How a classifier and its answers are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from textmill.evaluation.metrics import Row
from textmill.evaluation.plots import extra_inches, open_figure, shown_label
from textmill.tasks.shown import Column, Segment, Shown, cut_fact

DOES = "gives a text one label"
LONG_TEXTS = "a longer text loses its end, and `is_cut` says so"
ANSWER: Mapping[str, Column] = {"label": "string", "score": "double", "is_cut": "boolean"}
MAX_CLASSES = 30
"""Of more classes a confusion matrix shows those with the most mistakes."""


def show(row: Row) -> Shown:
    """Return a text with its label and the predicted one."""
    predicted = row["label"] + (f" ({row['score']:.0%} sure)" if "score" in row else "")
    return Shown(
        segments=(Segment(row["text"]),),
        facts=(("reference", row["reference"]), ("prediction", predicted), *cut_fact(row)),
        is_right=row["label"] == row["reference"],
        certainty=row.get("score", 0.0),
        mistakes=frozenset({f"{row['reference']} → {row['label']}"}),
    )


def plot(rows: Sequence[Row], folder: Path) -> None:
    """Draw the confusion matrix."""
    predictions, references = [r["label"] for r in rows], [r["reference"] for r in rows]
    plot_confusion(predictions, references, folder / "confusion_matrix.png")


def plot_confusion(predictions: list[str], references: list[str], file: Path) -> None:
    """Write the confusion matrix, each row normalised by the number of its references, as PNG.

    Of many classes, those that most mistakes have to do with are shown, with answers among them.
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
