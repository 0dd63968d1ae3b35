"""Tables of terminal, report and model card, and those that MLflow compares between runs."""

__all__ = ["audit_table", "bias_tables", "mistakes"]
