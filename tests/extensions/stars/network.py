"""The network of a classification."""

from textmill.tasks.classification.network import (
    PREDICT_BATCH,
    build,
    collate,
    encode,
    loss,
    predict,
    validate,
)

__all__ = ["PREDICT_BATCH", "build", "collate", "encode", "loss", "predict", "validate"]
