"""Vocabulary of the sample texts: names, words, and sentence patterns."""

__all__ = ["grammar", "judgements", "names", "news", "parallel", "patterns", "translated", "world"]
