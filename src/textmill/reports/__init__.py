"""Pages about runs: the report, the data, model cards, runs side by side."""
