"""The answers of a classification."""

from textmill.tasks.classification.answers import PREDICT_BATCH, answer, prepare, targets

__all__ = ["PREDICT_BATCH", "answer", "prepare", "targets"]
