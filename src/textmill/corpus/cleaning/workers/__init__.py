"""Documents prepared side by side, on this machine or a Ray cluster, and kept for a later run."""

__all__ = ["cache", "pool"]
