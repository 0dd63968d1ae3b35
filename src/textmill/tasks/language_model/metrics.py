"""The metrics of a language model, on the validation split of the corpus."""

from __future__ import annotations

from textmill.evaluation.metrics import Metric

METRICS = (
    Metric("val_loss", lower_is_better=True),
    Metric("perplexity", lower_is_better=True),
    Metric("bits_per_byte", lower_is_better=True, leads=True),  # whatever the tokenizer
)
"""What the parent run carries."""
DOCUMENTS = "documents.jsonl"
"""What every validation document costs, by which two models can be compared document by document,
whatever their tokenizers."""
