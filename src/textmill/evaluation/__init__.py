"""Evaluation: metrics, significance tests, baselines' regression, drift measures, plots."""

__all__ = [
    "learning_curve",
    "metrics",
    "notes",
    "plots",
    "probabilities",
    "regression",
    "seed_scores",
    "shift",
    "significance",
]
