"""Corpus preparation, without torch: reading, cleaning and tokenization."""

__all__ = ["cleaning", "reading", "task_texts", "tokens", "words"]
