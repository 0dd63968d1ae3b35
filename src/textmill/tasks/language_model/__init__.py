"""The language model: scored and shown as the kinds of task are, and no task that can be set."""

__all__ = ["evaluate", "metrics"]
