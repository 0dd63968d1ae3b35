"""Pages about runs: report, data page, model cards, comparison of runs."""

__all__ = [
    "cards",
    "comparison",
    "data_page",
    "report",
    "side_by_side",
    "tables",
    "trained_runs",
]
