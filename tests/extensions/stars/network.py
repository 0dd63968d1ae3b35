"""The network of a classification."""

from textmill.tasks.classification.network import (
    CAN_BE_RECURRENT,
    EPOCHS_WITHOUT_DROPOUT,
    MAX_TRAINING_WINDOWS,
    SEEN_EXAMPLES,
    build,
    collate,
    encode,
    likelihood,
    loss,
    save_tokenizer,
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
    "likelihood",
    "loss",
    "save_tokenizer",
    "score",
    "validate",
]
