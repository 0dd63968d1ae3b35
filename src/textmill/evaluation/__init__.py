"""Scores and what they are compared with: metrics, baselines, plots."""
