"""What the sample texts are put together from: names, words, and sentence patterns."""

__all__ = ["grammar", "judgements", "names", "news", "parallel", "patterns", "translated", "world"]
