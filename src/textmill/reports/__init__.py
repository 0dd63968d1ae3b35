"""Pages about runs: the report, the data, model cards, runs side by side."""

__all__ = ["cards", "comparison", "data_page", "report", "side_by_side", "trained_runs"]
