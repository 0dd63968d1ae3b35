"""Filters of prompts and outputs: what they find, and what is done about it."""

__all__ = ["content_filter", "decisions", "detectors", "word_lists"]
