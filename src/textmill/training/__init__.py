"""Training with Lightning: objectives, batches, optimizers, checkpoints, the training loop."""

__all__ = [
    "batches",
    "fit",
    "initial",
    "likelihood",
    "metrics_file",
    "module",
    "moving_average",
    "objectives",
    "passes",
    "planning",
    "pretrain",
    "word_states",
    "writing",
]
