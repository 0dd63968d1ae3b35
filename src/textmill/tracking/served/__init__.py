"""Models as MLflow keeps and serves them."""

__all__ = ["logged"]
