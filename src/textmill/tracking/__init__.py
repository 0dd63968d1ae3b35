"""Tracked steps on MLflow: keys, reuse, lineage and models. The only code that imports mlflow."""
