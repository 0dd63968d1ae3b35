"""Steps recorded in MLflow and reused from it: the store, runs, results, served models."""

__all__ = [
    "answers",
    "database",
    "environment",
    "events",
    "experiment",
    "metrics",
    "models",
    "pipeline",
    "raw_data",
    "results",
    "runs",
    "status",
    "store",
    "tags",
    "verified",
]
