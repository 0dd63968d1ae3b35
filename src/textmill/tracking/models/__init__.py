"""Models as MLflow keeps and serves them."""
