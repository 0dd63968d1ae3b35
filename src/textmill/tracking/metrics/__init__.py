"""Metrics on their way to MLflow while a step computes."""

__all__ = ["follow", "loss_curve", "system", "token_lengths"]
