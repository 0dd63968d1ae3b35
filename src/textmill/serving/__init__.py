"""The server of models: HTTP API and playground."""

__all__ = ["listening", "playground", "prediction_log"]
