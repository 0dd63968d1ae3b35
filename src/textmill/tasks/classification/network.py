"""The network of classification: a linear layer on the mean of the final hidden states.

A text longer than the context is read in windows: the mean is over the tokens of all of them, which
equals the mean of the windows' logits, weighted by their lengths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from textmill.config import UNREDACTED
from textmill.model import GPT
from textmill.training.batches import pad, to_device
from textmill.training.objectives import Batch

if TYPE_CHECKING:
    from tokenizers import Tokenizer
from textmill.tasks.classification.answers import PREDICT_BATCH, Texts, prepare
from textmill.tasks.classification.examples import Example, OfTexts, Spec, model_input
from textmill.tasks.classification.windows import split_texts

CAN_BE_RECURRENT = True
"""Whether an LSTM can take the place of the backbone: only final hidden states are used."""

MAX_TRAINING_WINDOWS = 4
"""Maximum windows of a training example, which bounds the memory of a batch."""

SEEN_EXAMPLES = 60_000
"""Examples, counted as often as they are seen, of a training without a number of epochs."""
EPOCHS_WITHOUT_DROPOUT = 4
"""Maximum passes without dropout, unless it is set."""
likelihood = save_tokenizer = None
"""Its metrics need no likelihoods, and its tokenizer is that of the backbone."""


@dataclass(frozen=True)
class Encoded:
    """A tokenized example."""

    windows: list[list[int]]
    """The tokens of the text in windows, each after END."""
    labels: tuple[int, ...]
    """The number of its label; if the kind of task allows several, those of all."""
    is_cut: bool
    """Whether windows were left out."""

    @property
    def ids(self) -> list[int]:
        """The tokens of all windows."""
        return list(chain.from_iterable(self.windows))


class Classifier(nn.Module):
    """A backbone with a linear layer on the mean of its final hidden states."""

    def __init__(self, backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> None:
        super().__init__()
        self.backbone = backbone
        backbone.lm_head = nn.Identity()  # replaced by the task head
        self.is_causal = is_causal
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.config.n_embd, len(spec.labels))
        weights = torch.tensor(spec.weights) if spec.weights else torch.ones(len(spec.labels))
        self.weights: Tensor
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, input_ids: Tensor, documents: Tensor, texts: Tensor) -> Tensor:
        """Return the logits of every text, (B, labels).

        Args:
            input_ids: (W, T), the windows of the texts.
            documents: (W, T), -1 on padding.
            texts: (W,), the index of each window's text, ascending.
        """
        return self.classify(*self.sum_hidden(input_ids, documents), texts)

    def sum_hidden(self, input_ids: Tensor, documents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of each window's hidden states, (W, C), and its number of tokens, (W, 1).

        The arguments are those of `forward`.
        """
        hidden = self.backbone.hidden(input_ids, documents, is_causal=self.is_causal)
        is_token = (documents >= 0).unsqueeze(-1).to(hidden.dtype)
        return (hidden * is_token).sum(dim=1), is_token.sum(dim=1)

    def classify(self, sums: Tensor, counts: Tensor, texts: Tensor) -> Tensor:
        """Return the logits of every text, (B, labels), from `sum_hidden` of its windows."""
        n_texts = int(texts[-1]) + 1
        sums, counts = (
            values.new_zeros(n_texts, values.shape[1]).index_add(0, texts, values)
            for values in (sums, counts)
        )
        logits: Tensor = self.head(self.drop(sums / counts))
        return logits


def build(backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> Classifier:
    """Return the task's network on top of a backbone."""
    return Classifier(backbone, spec, dropout, is_causal)


def encode(
    tokenizer: Tokenizer, spec: Spec, examples: Sequence[Example], block_size: int
) -> list[Encoded]:
    """Return the tokenized examples; of long texts, up to MAX_TRAINING_WINDOWS evenly spaced."""
    labels = [(spec.labels.index(example.label),) for example in examples]
    return encode_texts(tokenizer, spec, examples, labels, block_size)


def encode_texts(
    tokenizer: Tokenizer,
    spec: Spec,
    examples: Sequence[OfTexts],
    labels: Sequence[tuple[int, ...]],
    block_size: int,
) -> list[Encoded]:
    """Return the tokenized examples with the numbers of their labels, as `encode`."""
    prepared = prepare(spec, [model_input(example) for example in examples], UNREDACTED)
    texts = split_texts(tokenizer, prepared, block_size)
    return [
        Encoded(
            _evenly_spaced(windows, MAX_TRAINING_WINDOWS), own, len(windows) > MAX_TRAINING_WINDOWS
        )
        for own, windows in zip(labels, texts, strict=True)
    ]


def collate(examples: Sequence[Encoded]) -> Batch:
    """Return a batch: input_ids and documents (W, T), padded; texts (W,); labels (B,).

    texts is the index of each window's text; n_targets, (), counts the texts.
    """
    labels = [label for example in examples for label in example.labels]
    return _pad_windows([example.windows for example in examples]) | {
        "labels": torch.tensor(labels, dtype=torch.int64),
        "n_targets": torch.tensor(len(examples)),
    }


def loss(network: Classifier, batch: Batch, label_smoothing: float) -> Tensor:
    """Return the contribution of a batch to its step's mean cross-entropy, in nats per label.

    Texts count by the weights of their labels, whose mean over the training examples is 1.
    """
    logits, labels = _forward(network, batch)
    nll = F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)
    return (nll * network.weights[labels]).sum() / batch["n_targets"].clamp(min=1)


def validate(network: Classifier, batches: Iterable[Batch]) -> dict[str, float]:
    """Return accuracy and loss over the batches, in which texts count by their weights."""
    n_right = n = nll = 0.0
    for batch in batches:
        logits, labels = _forward(network, batch)
        weights = network.weights[labels]
        n_right += float(((logits.argmax(dim=-1) == labels) * weights).sum())
        nll += float((F.cross_entropy(logits, labels, reduction="none") * weights).sum())
        n += float(weights.sum())
    return {"accuracy": n_right / n, "loss": nll / n}


def _forward(network: Classifier, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the logits of every text, (B, labels), and its label, (B,)."""
    logits = network(batch["input_ids"], batch["documents"], batch["texts"]).float()
    return logits, batch["labels"]


def score(
    network: Classifier, tokenizer: Tokenizer, spec: Spec, prepared: Sequence[Texts]
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of each text's labels, (labels,); no text is truncated."""
    logits = logits_of(network, tokenizer, prepared)
    yield from logits.softmax(dim=-1).cpu().numpy()


def logits_of(network: Classifier, tokenizer: Tokenizer, prepared: Sequence[Texts]) -> Tensor:
    """Return the logits of every text, (texts, labels), read whole in batches of windows."""
    block_size = network.backbone.config.block_size
    batch = _pad_windows(split_texts(tokenizer, prepared, block_size))
    batch = to_device(batch, network.backbone.device)
    rows = [slice(at, at + PREDICT_BATCH) for at in range(0, len(batch["texts"]), PREDICT_BATCH)]
    parts = [network.sum_hidden(batch["input_ids"][row], batch["documents"][row]) for row in rows]
    sums, counts = zip(*parts, strict=True)
    return network.classify(torch.cat(sums), torch.cat(counts), batch["texts"]).float()


def _evenly_spaced(windows: list[list[int]], n: int) -> list[list[int]]:
    """Return at most n windows, evenly spaced, with the first and the last."""
    if len(windows) <= n:
        return windows
    return [windows[i] for i in np.linspace(0, len(windows) - 1, n, dtype=int)]


def _pad_windows(texts: Sequence[list[list[int]]]) -> Batch:
    """Return the windows of the texts: input_ids and documents (W, T), texts (W,)."""
    owners = [text for text, windows in enumerate(texts) for _ in windows]
    return pad([*chain.from_iterable(texts)]) | {"texts": torch.tensor(owners)}
