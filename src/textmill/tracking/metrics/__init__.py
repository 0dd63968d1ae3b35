"""Metrics on their way to MLflow while a step computes."""

__all__ = ["follow", "plots", "system"]
