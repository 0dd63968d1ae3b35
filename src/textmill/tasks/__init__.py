"""Tasks: one file for each kind, and the steps that work with any of them."""

__all__ = [
    "baseline",
    "drift",
    "evaluate",
    "finetune",
    "kinds",
    "language_model",
    "predictions",
    "predictor",
    "rows",
    "shown",
    "statistics",
]
