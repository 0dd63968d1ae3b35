"""The memorization audit: canaries in the training text, and what a backbone knows of them."""

__all__ = ["audit", "canaries", "memorized"]
