"""Prefect and MLflow servers started by commands, and their web UIs."""

__all__ = ["prefect_app", "server", "ui"]
