"""Steps recorded in MLflow and reused from it: the store, runs, results, served models."""
