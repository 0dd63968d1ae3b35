"""The inputs of classifiers, and the labels that follow from their probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.config import RedactionConfig
from textmill.safety.redaction import redact
from textmill.tasks.classification.examples import Example, Spec

Texts = tuple[str, ...]
"""A text, or both texts of a pair."""

PREDICT_BATCH = 32
"""Batch size of prediction."""
WRITES: str | None = None
"""Labels are those of the training data."""
MAX_DETAILED_LABELS = 100
"""Maximum number of labels whose probabilities are all in the predictions of test examples."""
fit_decision = None
"""The likeliest label is the decision."""


def columns(spec: Spec) -> tuple[str, ...]:
    """Return the columns of a model's input; a single one is the text itself."""
    return ("text", "text_pair") if spec.has_pairs else ("text",)


def prepare(spec: Spec, inputs: Sequence[Any], redaction: RedactionConfig) -> list[Texts]:
    """Return the texts, or pairs of texts, without personal data.

    Args:
        spec: whether inputs are pairs.
        inputs: texts; or mappings with `text` and `text_pair`.
        redaction: of the texts.
    """
    rows = [[item[name] for name in columns(spec)] if spec.has_pairs else [item] for item in inputs]
    return [tuple(redact(text, redaction)[0] for text in row) for row in rows]


def targets(spec: Spec, example: Example) -> list[int]:
    """Return the numbers of the correct labels, one for each row of the scores."""
    return [spec.labels.index(example.label)]


def details(spec: Spec, score: NDArray[np.floating]) -> dict[str, Any]:
    """Return the probabilities of all labels, unless these are more than MAX_DETAILED_LABELS."""
    if len(spec.labels) > MAX_DETAILED_LABELS:
        return {}
    digits = (float(f"{p:.8g}") for p in score)  # as exact as the scores of a network
    return {"probabilities": dict(zip(spec.labels, digits, strict=True))}


def answer(
    spec: Spec, prepared: Sequence[Texts], scores: Sequence[NDArray[np.floating]]
) -> Iterator[dict[str, Any]]:
    """Yield the most probable label of each text, and its probability; no text is truncated.

    Args:
        spec: the labels.
        prepared: the texts.
        scores: the probabilities of each text, (labels,).
    """
    for probabilities in scores:
        best = int(probabilities.argmax())
        yield {"label": spec.labels[best], "score": float(probabilities[best]), "is_cut": False}
