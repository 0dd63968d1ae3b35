"""Plots of scores."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay


def plot_confusion(predictions: list[str], references: list[str], file: Path) -> None:
    """Write the confusion matrix, each row normalised by the number of its references, as PNG."""
    labels = sorted({*predictions, *references})
    side = 2.5 + 0.7 * len(labels)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        references,
        predictions,
        labels=labels,
        normalize="true",
        values_format=".2f",
        cmap="Blues",
        xticks_rotation=45,
        ax=figure.subplots(),
    )
    figure.savefig(file, metadata={"Software": None})  # the same bytes whatever the version
