"""The network of a classification."""

from textmill.tasks.classification.network import build, collate, encode, loss, score, validate

__all__ = ["build", "collate", "encode", "loss", "score", "validate"]
