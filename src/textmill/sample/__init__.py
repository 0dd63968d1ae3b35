"""Embedded sample data: a small made-up world, and raw text and labelled examples about it."""

__all__ = ["generate"]
