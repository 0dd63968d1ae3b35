"""Training with Lightning: objectives, batches, optimizers, checkpoints, and the loop."""
