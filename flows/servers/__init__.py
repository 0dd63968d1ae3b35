"""The servers of Prefect and MLflow that a command starts, and their pages."""

__all__ = ["prefect_app", "server", "ui"]
