"""The picture of a classifier's answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def plot(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Draw the confusion matrix."""
    from textmill.evaluation.plots import plot_confusion

    predictions, references = [r["label"] for r in rows], [r["reference"] for r in rows]
    plot_confusion(predictions, references, out / "confusion_matrix.png")
