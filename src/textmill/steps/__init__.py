"""The engine, independent of MLflow: steps, their graph, keys, processes, locks and cache."""

__all__ = [
    "access",
    "chosen",
    "document_cache",
    "graph",
    "key",
    "manifest",
    "parts",
    "process",
    "raw_sources",
    "slots",
    "step",
    "stopwatch",
]
