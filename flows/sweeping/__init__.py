"""The search for the best fine-tuning of a task: `textmill sweep`."""

__all__ = ["leaderboard", "study", "sweep"]
