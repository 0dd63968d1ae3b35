"""The output of evaluations: predictions, scores, and signatures of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.config import TaskConfig
from textmill.corpus.reading.line_ends import json_line
from textmill.evaluation.metrics import Row, means
from textmill.files import write_atomic
from textmill.tasks.kinds import definitions, metrics_of

PREDICTIONS = "predictions.jsonl"
SIGNATURE_TAG = "signature."
"""Prefix of the tags with the signatures of metrics."""


def write_predictions(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write predictions.jsonl, one object per test example."""
    lines = "".join(map(json_line, rows))
    write_atomic(folder / PREDICTIONS, lines.encode())


def score(config: TaskConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the metrics of predictions, by name."""
    scores = metrics_of(config.kind).score(config, rows)
    return scores | means(definitions(config.kind, config.metrics), rows)


def signature_tags(signatures: Mapping[str, str]) -> dict[str, str]:
    """Return the tags with the signatures of metrics."""
    return {f"{SIGNATURE_TAG}{metric}": signature for metric, signature in signatures.items()}
