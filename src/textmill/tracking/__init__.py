"""Steps recorded in MLflow and reused from it: the store, runs, results, served models."""

__all__ = [
    "answers",
    "artifacts",
    "database",
    "environment",
    "events",
    "experiment",
    "liveness",
    "lookup",
    "metrics",
    "models",
    "pipeline",
    "raw_data",
    "results",
    "status",
    "store",
    "tags",
    "user_code",
]
