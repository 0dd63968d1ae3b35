"""Training with Lightning: objectives, batches, optimizers, checkpoints, the training loop."""

__all__ = [
    "batches",
    "evaluate_lm",
    "fit",
    "metrics_file",
    "module",
    "objectives",
    "planning",
    "pretrain",
    "writing",
]
