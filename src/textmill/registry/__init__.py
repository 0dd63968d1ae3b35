"""Registered models: the gate, promotion, lineage, reproduction, pruning."""

__all__ = [
    "challenger",
    "drawing",
    "lineage",
    "promotion",
    "prune",
    "recorded",
    "reproduction",
    "versions",
]
