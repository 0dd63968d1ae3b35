"""The language model: scored and presented like a kind of task, but not configurable as one."""

__all__ = [
    "continuations",
    "evaluate",
    "harness",
    "memorization",
    "metrics",
    "page",
]
