"""The graph run on Prefect: a task a step, branches side by side, and what people see of it."""

__all__ = ["console", "context", "notice", "recording", "start", "steps"]
