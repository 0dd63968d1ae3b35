"""The mean error in stars leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textmill.evaluation.metrics import Metric, Row


def error(row: Row) -> float:
    """Return the absolute error in stars."""
    return abs(int(row["label"]) - int(row["reference"]))


METRICS = (
    Metric("mean_error", lower_is_better=True, leads=True, of_example=error),
    Metric("accuracy", of_example=lambda row: float(error(row) == 0)),
)


def score(config: Any, rows: Sequence[Row]) -> dict[str, float]:
    """Return nothing: both metrics are means over the examples."""
    return {}


def signatures(config: Any) -> dict[str, str]:
    """Return the signatures of the metrics."""
    return {"mean_error": "version:1", "accuracy": "version:1"}
