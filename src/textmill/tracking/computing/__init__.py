"""One step of a pipeline, from what is asked of it to its published result."""

__all__ = ["attempt", "parent", "request", "step_run"]
