"""Duplicates: exact, near, and of lines that many documents share."""

__all__ = ["near_duplicates", "repeated_lines", "seen"]
