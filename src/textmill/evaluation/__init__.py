"""Scores and what they are compared with: metrics, baselines, plots."""

__all__ = ["drift", "metrics", "notes", "plots", "regression", "significance"]
