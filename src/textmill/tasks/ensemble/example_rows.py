"""Predictions of a task's models for labelled examples, as rows of a predictions file.

Apart from the step `evaluate`, so that a change of its slices repeats no training that is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.kinds import Examples


def predict_examples(
    kind: Examples, predictor: Predictor, examples: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return the examples' rows of a predictions file."""
    (rows,) = predict_weighted(kind, predictor, examples, [predictor.weights])
    return rows


def predict_weighted(
    kind: Examples,
    predictor: Predictor,
    examples: Sequence[Any],
    weightings: Sequence[Sequence[float]],
) -> list[list[dict[str, Any]]]:
    """Return the examples' rows of a predictions file by each weighting of a predictor's models."""
    inputs = [kind.model_input(example) for example in examples]
    rows: list[list[dict[str, Any]]] = [[] for _ in weightings]
    streamed = predictor.stream_weighted(inputs, weightings, with_details=True)
    for example, predictions in zip(examples, streamed, strict=True):
        for own, prediction in zip(rows, predictions, strict=True):
            own.append(kind.reference(example) | prediction)
    return rows
