"""The picture of a translator's answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def plot(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Draw how good single translations are, and how that hangs on the length."""
    from textmill.evaluation.plots import plot_sentence_scores

    sources, predictions = [r["text"] for r in rows], [r["translation"] for r in rows]
    references = [r["reference"] for r in rows]
    plot_sentence_scores(sources, predictions, references, out / "sentence_scores.png")
