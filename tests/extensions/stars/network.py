"""The network of a classification."""

from textmill.tasks.classification.network import (
    CAN_BE_RECURRENT,
    MAX_TRAINING_WINDOWS,
    build,
    collate,
    encode,
    loss,
    score,
    validate,
)

__all__ = [
    "CAN_BE_RECURRENT",
    "MAX_TRAINING_WINDOWS",
    "build",
    "collate",
    "encode",
    "loss",
    "score",
    "validate",
]
