"""The metrics of a language model, on the validation split of the corpus."""

from __future__ import annotations

from textmill.evaluation.metrics import Metric

METRICS = (
    Metric("val_loss", lower_is_better=True),
    Metric("perplexity", lower_is_better=True),
    Metric("bits_per_byte", lower_is_better=True, leads=True),  # independent of the tokenizer
)
"""Metrics on the parent run."""
DOCUMENTS = "documents.jsonl"
"""The loss of every validation document, to compare models with different tokenizers."""
