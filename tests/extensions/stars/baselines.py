"""A simple model: the median of the training examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median_low
from typing import Any

from textmill.tasks.classification.examples import Example

CLASSICAL_BASELINE = TRIVIAL_BASELINE = "median"


def baselines(
    train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield the median for every text."""
    label = str(median_low([int(example.label) for example in train]))
    yield "median", [{"label": label}] * len(test), ""
