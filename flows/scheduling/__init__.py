"""Retraining by itself: when, whose settings count, and serving the schedule."""

__all__ = ["fixed", "retrain", "schedule"]
