"""Evaluation: metrics, significance tests, baselines' regression, drift measures, plots."""

__all__ = ["metrics", "notes", "plots", "regression", "shift", "significance"]
