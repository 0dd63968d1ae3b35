"""The number of epochs of a fine-tuning that has none configured."""

from __future__ import annotations

TRAINING_EXAMPLES = 60_000
"""Examples, counted as often as they are seen, of a training without a number of epochs."""
MIN_EPOCHS, MAX_EPOCHS = 3, 20
"""Limits of the number of epochs that follows from it."""


def default_epochs(n_examples: int) -> int:
    """Return the number of epochs of a training that has none configured.

    Small data need more: three epochs of 4,000 examples are fewer than 400 steps.
    """
    return min(MAX_EPOCHS, max(MIN_EPOCHS, round(TRAINING_EXAMPLES / n_examples)))
