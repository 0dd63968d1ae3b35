"""Execution of the graph on Prefect: tasks, parallel branches, console, notifications."""

__all__ = ["console", "context", "notice", "recording", "start", "prefect_tasks", "scores"]
