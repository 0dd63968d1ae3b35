"""Registered models and what made them: the gate, promotion, lineage, reproduction, prune."""
