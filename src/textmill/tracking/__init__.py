"""Steps recorded in MLflow and reused from it: the store, runs, results, served models."""

__all__ = [
    "artifacts",
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
