"""The dropout of a training that has none configured."""

from __future__ import annotations

DROPOUT = 0.1


def default_dropout(epochs: float, max_without: float) -> float:
    """Return the dropout of a training: none if its passes over the data are few.

    Dropout slows learning down, and a model does not overfit to what it has hardly learned.

    Args:
        epochs: passes over the data.
        max_without: maximum passes without dropout.
    """
    return DROPOUT if epochs > max_without else 0.0
