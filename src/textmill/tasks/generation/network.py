"""The network of generation: that of translation, which writes a response instead.

The prompt is a prefix that is read in both directions, the loss is on the response alone, and words
of the prompt can be copied.
"""

from __future__ import annotations

from textmill.tasks.translation.network import (
    CAN_BE_RECURRENT,
    EPOCHS_WITHOUT_DROPOUT,
    MAX_TRAINING_WINDOWS,
    SEEN_EXAMPLES,
    build,
    collate,
    encode,
    loss,
    score,
    validate,
)

__all__ = [
    "CAN_BE_RECURRENT",
    "EPOCHS_WITHOUT_DROPOUT",
    "MAX_TRAINING_WINDOWS",
    "SEEN_EXAMPLES",
    "build",
    "collate",
    "encode",
    "loss",
    "score",
    "validate",
]
