"""Parallel preparation of documents, on this machine or a Ray cluster, with a cache."""

__all__ = ["cache", "pool"]
