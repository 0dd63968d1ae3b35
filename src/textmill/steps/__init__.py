"""The engine: what a step is, its key, the process that computes it. Knows no MLflow."""
