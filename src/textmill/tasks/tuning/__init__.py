"""The training of a task's network: its best epoch, and what a method of fine-tuning trains."""

__all__ = ["best_epoch"]
