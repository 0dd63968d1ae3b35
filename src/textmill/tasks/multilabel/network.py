"""The network of multi-label classification: that of classification, with a decision per label.

Its loss is the binary cross-entropy of every label (Nam et al. 2014, "Large-Scale Multi-label Text
Classification – Revisiting Neural Networks").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from textmill.model import GPT
from textmill.tasks.classification import network as single
from textmill.tasks.classification.answers import Texts
from textmill.tasks.classification.network import (
    CAN_BE_RECURRENT,
    EPOCHS_WITHOUT_DROPOUT,
    MAX_TRAINING_WINDOWS,
    SEEN_EXAMPLES,
    Classifier,
    Encoded,
    encode_texts,
    likelihood,
    logits_of,
    save_tokenizer,
)
from textmill.tasks.multilabel.answers import ThresholdCounts
from textmill.tasks.multilabel.examples import Example, Spec, label_numbers
from textmill.training.objectives import Batch

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = [
    "CAN_BE_RECURRENT",
    "EPOCHS_WITHOUT_DROPOUT",
    "MAX_TRAINING_WINDOWS",
    "SEEN_EXAMPLES",
    "build",
    "collate",
    "encode",
    "likelihood",
    "loss",
    "save_tokenizer",
    "score",
    "validate",
]

MIN_SHARE = 1e-3
"""Bound of the shares that biases begin with, from both sides."""


class MultilabelClassifier(Classifier):
    """A classifier whose labels are independent given the text.

    It begins with the share of each label as its probability: otherwise, the first steps would only
    learn that most labels are rare (Lin et al. 2017, section 3.3).
    """

    def __init__(self, backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> None:
        super().__init__(backbone, spec, dropout, is_causal)
        shares = torch.tensor(spec.shares)
        self.shares: Tensor
        self.register_buffer("shares", shares, persistent=False)
        absences = torch.tensor(spec.absence_weights or [1.0] * len(spec.labels))
        self.absence_weights: Tensor
        self.register_buffer("absence_weights", absences, persistent=False)
        with torch.no_grad():
            self.head.bias.copy_(shares.clamp(MIN_SHARE, 1 - MIN_SHARE).logit())


def build(backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> MultilabelClassifier:
    """Return the task's network on top of a backbone."""
    return MultilabelClassifier(backbone, spec, dropout, is_causal)


def encode(
    tokenizer: Tokenizer, spec: Spec, examples: Sequence[Example], block_size: int
) -> list[Encoded]:
    """Return the tokenized examples; of long texts, up to MAX_TRAINING_WINDOWS evenly spaced."""
    labels = label_numbers(spec, examples)
    return encode_texts(tokenizer, spec, examples, labels, block_size)


def collate(examples: Sequence[Encoded]) -> Batch:
    """Return a batch as that of classification, with labels (N,) and their owners (N,).

    Of the N labels of all B texts, owners is the index of each one's text.
    """
    owners = [text for text, example in enumerate(examples) for _ in example.labels]
    return single.collate(examples) | {"owners": torch.tensor(owners, dtype=torch.int64)}


def loss(network: MultilabelClassifier, batch: Batch, label_smoothing: float) -> Tensor:
    """Return the contribution of a batch to its step's mean binary cross-entropy, in nats.

    The mean is over texts and labels. Labels are smoothed towards their share in the training
    examples (Pereyra et al. 2017, section 3.2): towards 1/2, rare labels would seem likely.
    """
    logits, targets = _forward(network, batch)
    weights = torch.where(targets > 0, network.weights, network.absence_weights)
    smoothed = torch.lerp(targets, network.shares.expand_as(targets), label_smoothing)
    total = F.binary_cross_entropy_with_logits(logits, smoothed, weights, reduction="sum")
    return total / (batch["n_targets"].clamp(min=1) * targets.shape[1])


def validate(network: MultilabelClassifier, batches: Iterable[Batch]) -> dict[str, float]:
    """Return micro-averaged F1, with the best threshold, and loss over the batches."""
    counts = ThresholdCounts()
    nll, n = 0.0, 0
    for batch in batches:
        logits, targets = _forward(network, batch)
        counts.add(logits.sigmoid().cpu().numpy(), targets.cpu().numpy() > 0)
        nll += float(F.binary_cross_entropy_with_logits(logits, targets, reduction="sum"))
        n += targets.numel()
    return {"f1_micro": counts.best()[1], "loss": nll / n}


def score(
    network: MultilabelClassifier, tokenizer: Tokenizer, spec: Spec, prepared: Sequence[Texts]
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of each text to lack and to have the labels, (labels, 2).

    No text is truncated.
    """
    logits = logits_of(network, tokenizer, prepared)
    yield from torch.stack([-logits, logits], dim=-1).sigmoid().cpu().numpy()


def _forward(network: MultilabelClassifier, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the logits of every text, (B, labels), and 1 where it has a label, else 0."""
    logits = network(batch["input_ids"], batch["documents"], batch["texts"]).float()
    targets = torch.zeros_like(logits)
    targets[batch["owners"], batch["labels"]] = 1
    return logits, targets
