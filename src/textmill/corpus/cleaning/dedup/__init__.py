"""Duplicates: exact, near, and of lines that many documents share."""

__all__ = [
    "exact_duplicates",
    "fingerprints",
    "in_sequence",
    "near_duplicates",
    "repeated_lines",
    "seen",
]
