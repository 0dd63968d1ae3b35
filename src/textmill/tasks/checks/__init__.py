"""Checks of a task's examples before training."""

__all__ = ["data_checks", "leaks", "multilingual"]
