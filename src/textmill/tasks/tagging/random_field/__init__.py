"""Conditional random fields: over the scores of a network, and over features as a baseline."""

__all__ = ["crf", "lattice", "linear_chain"]
