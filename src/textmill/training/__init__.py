"""Training with Lightning: objectives, batches, optimizers, checkpoints, the training loop."""

__all__ = [
    "batches",
    "fit",
    "frozen",
    "likelihood",
    "metrics_file",
    "module",
    "objectives",
    "passes",
    "planning",
    "pretrain",
    "word_states",
    "writing",
]
