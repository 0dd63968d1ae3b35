"""Experiment tracking in MLflow: the store, runs, reuse of results, served models."""

__all__ = [
    "artifacts",
    "computing",
    "database",
    "environment",
    "events",
    "experiment",
    "intervals",
    "liveness",
    "lookup",
    "metrics",
    "pipeline",
    "raw_data",
    "results",
    "served",
    "status",
    "store",
    "tags",
    "user_code",
]
