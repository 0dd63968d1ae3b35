"""Models logged to and served by MLflow."""

__all__ = ["logged"]
