"""The model of a task: a network, a classical baseline, or the average of both."""

__all__ = [
    "adapters",
    "averaging",
    "baseline_files",
    "candidates",
    "example_rows",
    "held_out",
    "model_folder",
    "predictor",
    "seeds",
]
