"""The model of a task: a network, a classical baseline, or the average of both."""

__all__ = [
    "adapters",
    "baseline_files",
    "candidates",
    "held_out",
    "model_folder",
    "predictor",
    "seeds",
]
