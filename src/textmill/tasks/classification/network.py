"""The network of classification: a linear layer on the mean of the final hidden states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textmill.config import UNREDACTED, RedactionConfig
from textmill.corpus.tokens.tokenizer import END_ID
from textmill.model import GPT
from textmill.safety.redaction import redact
from textmill.training.batches import pad
from textmill.training.objectives import Batch, mean_cross_entropy

if TYPE_CHECKING:
    from tokenizers import Tokenizer
from textmill.tasks.classification.examples import Example, Spec

PREDICT_BATCH = 32
"""Batch size of prediction."""


@dataclass(frozen=True)
class Encoded:
    """A tokenized example."""

    ids: list[int]
    """END and the tokens of the text."""
    label: int
    is_cut: bool
    """Whether the text was truncated to the context."""


class Classifier(nn.Module):
    """A backbone with a linear layer on the mean of its final hidden states."""

    def __init__(self, backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> None:
        super().__init__()
        self.backbone = backbone
        backbone.lm_head = nn.Identity()  # replaced by the task head
        self.is_causal = is_causal
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.config.n_embd, len(spec.labels))

    def forward(self, input_ids: Tensor, documents: Tensor) -> Tensor:
        """Return the logits, (B, labels), of texts (B, T); documents is -1 on padding."""
        hidden = self.backbone.hidden(input_ids, documents, is_causal=self.is_causal)
        is_token = (documents >= 0).unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * is_token).sum(dim=1) / is_token.sum(dim=1)
        logits: Tensor = self.head(self.drop(mean))
        return logits


def build(backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> Classifier:
    """Return the task's network on top of a backbone."""
    return Classifier(backbone, spec, dropout, is_causal)


def encode(
    tokenizer: Tokenizer, spec: Spec, examples: Sequence[Example], block_size: int
) -> list[Encoded]:
    """Return the tokenized examples; texts longer than the context are truncated."""
    texts = _encode_texts(tokenizer, [example.text for example in examples], block_size)
    return [
        Encoded(ids, spec.labels.index(example.label), is_cut)
        for example, (ids, is_cut) in zip(examples, texts, strict=True)
    ]


def collate(examples: Sequence[Encoded]) -> Batch:
    """Return a batch: input_ids and documents (B, T), padded to its longest text; labels (B,).

    n_targets, (), counts the labels.
    """
    return pad([example.ids for example in examples]) | {
        "labels": torch.tensor([example.label for example in examples]),
        "n_targets": torch.tensor(len(examples)),
    }


def loss(network: Classifier, batch: Batch, label_smoothing: float) -> Tensor:
    """Return the contribution of a batch to its step's mean cross-entropy, in nats per label."""
    logits = network(batch["input_ids"], batch["documents"]).float()
    return mean_cross_entropy(logits, batch["labels"], batch["n_targets"], label_smoothing)


def validate(network: Classifier, batches: Iterable[Batch]) -> dict[str, float]:
    """Return accuracy and loss over the batches."""
    n_right = n = 0
    nll = 0.0
    for batch in batches:
        logits = network(batch["input_ids"], batch["documents"]).float()
        n_right += int((logits.argmax(dim=-1) == batch["labels"]).sum())
        nll += float(F.cross_entropy(logits, batch["labels"], reduction="sum"))
        n += len(logits)
    return {"accuracy": n_right / n, "loss": nll / n}


def predict(
    network: Classifier,
    tokenizer: Tokenizer,
    spec: Spec,
    inputs: Sequence[str],
    redaction: RedactionConfig = UNREDACTED,
) -> Iterator[dict[str, Any]]:
    """Yield a prediction for each text: label, its probability, and whether it was truncated."""
    block_size = network.backbone.config.block_size
    texts = [redact(text, redaction)[0] for text in inputs]
    encoded = _encode_texts(tokenizer, texts, block_size)
    batch = pad([ids for ids, _ in encoded])
    probabilities = network(batch["input_ids"], batch["documents"]).float().softmax(dim=-1)
    scores, labels = probabilities.max(dim=-1)
    for label, score, (_, is_cut) in zip(labels.tolist(), scores.tolist(), encoded, strict=True):
        yield {"label": spec.labels[label], "score": score, "is_cut": is_cut}


def _encode_texts(
    tokenizer: Tokenizer, texts: Sequence[str], block_size: int
) -> list[tuple[list[int], bool]]:
    """Return END and the token ids of each text, and whether it was truncated."""
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [([END_ID, *e.ids][:block_size], len(e.ids) >= block_size) for e in encodings]
