"""The number of passes over the data, and the dropout, of a training that has none configured."""

from __future__ import annotations

DROPOUT = 0.1
MIN_EPOCHS, MAX_EPOCHS = 3, 40
"""Limits of the number of epochs that follows from it."""


def default_dropout(epochs: float, max_without: float) -> float:
    """Return the dropout of a training: none if its passes over the data are few.

    Dropout slows learning down, and a model does not overfit to what it has hardly learned.

    Args:
        epochs: passes over the data.
        max_without: maximum passes without dropout.
    """
    return DROPOUT if epochs > max_without else 0.0


def default_epochs(n_examples: int, n_seen: int) -> int:
    """Return the number of epochs of a training that has none configured.

    Small data need more: three epochs of 4,000 examples are fewer than 400 steps.

    Args:
        n_examples: training examples.
        n_seen: examples that a training sees, counted as often as it sees them.
    """
    return min(MAX_EPOCHS, max(MIN_EPOCHS, round(n_seen / n_examples)))
