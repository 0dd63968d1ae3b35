"""Execution of one tracked step: request, attempt, MLflow run, published result."""

__all__ = ["attempt", "parent", "request", "step_run", "trial_runs"]
