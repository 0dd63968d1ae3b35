"""The answers of a classification."""

from textmill.tasks.classification.answers import (
    PREDICT_BATCH,
    WRITES,
    answer,
    columns,
    details,
    fit_decision,
    prepare,
    targets,
)

__all__ = [
    "PREDICT_BATCH",
    "WRITES",
    "answer",
    "columns",
    "details",
    "fit_decision",
    "prepare",
    "targets",
]
