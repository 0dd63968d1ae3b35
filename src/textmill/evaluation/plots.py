"""Plots of scores."""

from __future__ import annotations

from collections.abc import Mapping
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


def plot_entity_scores(scores: Mapping[str, float], file: Path) -> None:
    """Write precision, recall and F1 of every entity type as bars, as PNG."""
    types = sorted({name.split("/")[1] for name in scores if name.startswith("type/")})
    figure = Figure(figsize=(7, 1.5 + 0.6 * len(types)), layout="constrained")
    axes = figure.subplots()
    for index, metric in enumerate(("precision", "recall", "f1")):
        places = [row + 0.27 * (index - 1) for row in range(len(types))]
        axes.barh(places, [scores[f"type/{t}/{metric}"] for t in types], 0.25, label=metric)
    axes.set(xlim=(0, 1), yticks=range(len(types)), yticklabels=types)
    axes.invert_yaxis()
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    figure.savefig(file, metadata={"Software": None})  # the same bytes whatever the version
