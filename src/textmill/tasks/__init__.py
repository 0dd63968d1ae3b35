"""Tasks: one folder for each kind, and the steps that all kinds share."""

__all__ = [
    "baseline",
    "curve",
    "drift",
    "ensemble",
    "evaluate",
    "finetune",
    "inputs",
    "kinds",
    "language_model",
    "predictions",
    "rows",
    "shown",
    "slices",
    "statistics",
]
