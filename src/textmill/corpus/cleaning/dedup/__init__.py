"""Deduplication: exact and near duplicates, and lines shared by many documents."""

__all__ = [
    "exact_duplicates",
    "fingerprints",
    "in_sequence",
    "near_duplicates",
    "repeated_lines",
    "seen",
]
