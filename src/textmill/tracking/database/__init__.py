"""The connection to a tracking store: opened, patient, found again where it was moved to."""

__all__ = ["client", "connection", "interruption", "mlflow_app", "opening", "relocation", "skinny"]
