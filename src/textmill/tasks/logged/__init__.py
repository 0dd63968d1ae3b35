"""What the log of predictions says without texts, and how it differs from the test examples."""

__all__ = ["served_shift", "traits"]
