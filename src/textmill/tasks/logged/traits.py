"""What can be known of an answer without its texts: lengths, labels and confidence.

Labels and confidence are recognised by the form of a prediction, whatever its kind of task.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeGuard

from textmill.tasks.inputs import Input, text_of

ANSWER, NO_ANSWER = "answer", "no answer"
"""The labels of answers that are quotations."""


@dataclass(frozen=True)
class Traits:
    """Traits of an answer; None: it has no such trait, or it was not logged."""

    input_length: int | None = None
    """Characters of the input, without white space."""
    output_length: int | None = None
    """Characters of the text that the model wrote, without white space."""
    label: str | None = None
    """The label, if there is exactly one."""
    labels: frozenset[str] | None = None
    """The labels, or types of entities, if there may be any number of them."""
    confidence: float | None = None
    """The probability of the answer, or the mean of those of its parts."""


def length_of(given: Input) -> int:
    """Return the number of characters of a model's input or output, without white space.

    So words that are given as a list are as long as their text.
    """
    return sum(map(len, text_of(given).split()))


def traits_of(
    prediction: Mapping[str, Any], input_length: int | None, output_length: int | None
) -> Traits:
    """Return the traits of a prediction, which may lack its texts, and whose form may be any."""
    label, scores = prediction.get("label"), [prediction.get("score")]
    labels: frozenset[str] | None = None
    parts = prediction.get("labels", prediction.get("entities"))
    if isinstance(parts, list) and all(isinstance(part, Mapping) for part in parts):
        labels = frozenset(str(part.get("label", part.get("type"))) for part in parts)
        scores = [part.get("score") for part in parts]
    elif isinstance(tags := prediction.get("tags"), list):  # IOB2
        labels = frozenset(str(tag).partition("-")[2] for tag in tags) - {""}
    elif label is None:
        start, end = prediction.get("start"), prediction.get("end")
        if _is_number(start) and _is_number(end):
            label = ANSWER if end > start else NO_ANSWER
    numbers = [score for score in scores if _is_number(score)]
    return Traits(
        input_length,
        output_length,
        label if isinstance(label, str) else None,
        labels,
        fmean(numbers) if numbers else None,
    )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
