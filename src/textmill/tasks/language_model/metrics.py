"""The metrics of a language model, on the validation split of the corpus."""

from __future__ import annotations

from textmill.evaluation.metrics import Metric

BITS_PER_BYTE = "bits_per_byte"
"""The metric that is also given for the documents in each language, as in `bits_per_byte/de`."""
METRICS = (
    Metric("val_loss", lower_is_better=True),
    Metric("perplexity", lower_is_better=True),
    Metric(BITS_PER_BYTE, lower_is_better=True, leads=True),  # independent of the tokenizer
)
"""Metrics on the parent run."""
DOCUMENTS = "documents.jsonl"
"""The loss of every validation document, to compare models with different tokenizers."""
