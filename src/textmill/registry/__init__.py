"""Registered models: the gate, promotion, lineage, reproduction, pruning."""

__all__ = [
    "challenger",
    "current",
    "drawing",
    "lineage",
    "promotion",
    "prune",
    "recorded",
    "reproduction",
    "scored_backbones",
    "tested_examples",
    "versions",
]
