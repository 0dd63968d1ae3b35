"""Scores and what they are compared with: metrics, baselines, plots."""

__all__ = ["baselines", "drift", "iob2", "metrics", "notes", "plots", "significance"]
