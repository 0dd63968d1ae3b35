"""Metrics on their way to MLflow while a step computes."""
