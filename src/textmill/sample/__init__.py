"""Sample data generator: a small fictional world, with raw text and labelled examples about it."""

__all__ = ["generate"]
