"""Training with Lightning: objectives, batches, optimizers, checkpoints, the training loop."""

__all__ = [
    "batches",
    "dropout",
    "fit",
    "likelihood",
    "metrics_file",
    "module",
    "objectives",
    "planning",
    "pretrain",
    "word_states",
    "writing",
]
