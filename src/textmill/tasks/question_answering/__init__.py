"""Question answering: the words of a passage that answer a question, if any do."""

__all__ = ["baselines", "examples", "network", "page"]
