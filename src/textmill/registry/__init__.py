"""Registered models and what made them: the gate, promotion, lineage, reproduction, prune."""

__all__ = ["drawing", "lineage", "promotion", "prune", "recorded", "reproduction", "versions"]
