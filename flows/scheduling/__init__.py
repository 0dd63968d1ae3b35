"""Automatic retraining: triggers, settings of deployments, and serving the schedule."""

__all__ = ["fixed", "retrain", "schedule"]
