"""The number of epochs of a fine-tuning that has none configured."""

from __future__ import annotations

MIN_EPOCHS, MAX_EPOCHS = 3, 40
"""Limits of the number of epochs that follows from it."""


def default_epochs(n_examples: int, n_seen: int) -> int:
    """Return the number of epochs of a training that has none configured.

    Small data need more: three epochs of 4,000 examples are fewer than 400 steps.

    Args:
        n_examples: training examples.
        n_seen: examples that a training sees, counted as often as it sees them.
    """
    return min(MAX_EPOCHS, max(MIN_EPOCHS, round(n_seen / n_examples)))
