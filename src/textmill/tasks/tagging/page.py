"""The picture of a tagger's answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def plot(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Draw precision, recall and F1 by entity type."""
    from textmill.evaluation.metrics import score_tagging
    from textmill.evaluation.plots import plot_entity_scores

    scores = score_tagging([r["tags"] for r in rows], [r["reference"] for r in rows])
    plot_entity_scores(scores, out / "entity_scores.png")
