"""Optimizers, learning rates and the moving average of weights."""

__all__ = ["moving_average", "optimizers"]
