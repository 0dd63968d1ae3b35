"""Metrics and plots that are logged to MLflow while or after a step runs."""

__all__ = ["curve_plot", "follow", "loss_curve", "system", "token_lengths"]
