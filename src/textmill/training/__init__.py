"""Training with Lightning: objectives, batches, optimizers, checkpoints, the training loop."""

__all__ = [
    "batches",
    "fit",
    "initial",
    "likelihood",
    "metrics_file",
    "module",
    "objectives",
    "optimization",
    "passes",
    "planning",
    "pretrain",
    "word_states",
    "word_windows",
    "writing",
]
