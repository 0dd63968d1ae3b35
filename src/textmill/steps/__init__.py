"""The engine: what a step is, its key, the process that computes it. Knows no MLflow."""

__all__ = [
    "access",
    "graph",
    "key",
    "manifest",
    "parts",
    "places",
    "prepared",
    "sources",
    "step",
    "stopwatch",
    "worker",
]
