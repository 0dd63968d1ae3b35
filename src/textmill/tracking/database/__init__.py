"""The connection to a tracking store: opening, retries, and relocation of moved stores."""

__all__ = ["client", "connection", "interruption", "mlflow_app", "opening", "relocation", "skinny"]
