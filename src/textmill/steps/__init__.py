"""The engine, independent of MLflow: steps, their graph, keys, processes, locks and cache."""

__all__ = [
    "access",
    "graph",
    "key",
    "manifest",
    "parts",
    "prepared",
    "slots",
    "sources",
    "step",
    "stopwatch",
    "worker",
]
