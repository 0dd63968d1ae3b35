"""Scores and what they are compared with: metrics, baselines, plots."""

__all__ = ["metrics", "notes", "plots", "regression", "shift", "significance"]
