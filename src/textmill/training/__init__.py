"""Training with Lightning: objectives, batches, optimizers, checkpoints, the training loop."""
