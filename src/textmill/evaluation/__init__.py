"""Evaluation: metrics, significance tests, baselines' regression, drift measures, plots."""

__all__ = [
    "exposure",
    "jackknife",
    "learning_curve",
    "metrics",
    "notes",
    "paired_means",
    "plots",
    "probabilities",
    "proportions",
    "regression",
    "shift",
    "significance",
    "similarity",
    "spreads",
]
