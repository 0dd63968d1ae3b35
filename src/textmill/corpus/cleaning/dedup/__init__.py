"""Duplicates: exact, near, and of lines that many documents share."""
