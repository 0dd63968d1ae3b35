"""Evaluation: metrics, significance tests, baselines' regression, drift measures, plots."""

__all__ = [
    "learning_curve",
    "metrics",
    "notes",
    "plots",
    "regression",
    "seed_scores",
    "shift",
    "significance",
]
