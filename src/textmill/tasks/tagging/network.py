"""The network of tagging: a linear layer on each word's hidden states, and a random field.

The tags of a text longer than the context are scored as those of one text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from textmill.model import GPT
from textmill.tasks.tagging.answers import Prepared
from textmill.tasks.tagging.iob2 import best_tags, entity_f1
from textmill.tasks.tagging.random_field.crf import ConditionalRandomField
from textmill.tasks.tagging.windows import read_words
from textmill.training.batches import to_device
from textmill.training.objectives import Batch, mean_cross_entropy
from textmill.training.word_states import by_row, mean_states, pad_windows
from textmill.training.word_windows import Window

if TYPE_CHECKING:
    from tokenizers import Tokenizer
from textmill.tasks.tagging.examples import Example, Spec, label_number

CAN_BE_RECURRENT = True
"""Whether an LSTM can take the place of the backbone: only final hidden states are used."""

MAX_TRAINING_WINDOWS = math.inf
"""Maximum windows of a training example: all."""

SEEN_EXAMPLES = 60_000
"""Examples, counted as often as they are seen, of a training without a number of epochs."""
EPOCHS_WITHOUT_DROPOUT = 4
"""Maximum passes without dropout, unless it is set."""
likelihood = save_tokenizer = None
"""Its metrics need no likelihoods, and its tokenizer is that of the backbone."""

SPELLING_WIDTH = 64
"""Width of the embedding of a word's spelling."""
SPELLING_SCALE = 4.0
"""Factor of that embedding, which starts at 0 and is learned from fewer words than the rest."""


@dataclass(frozen=True)
class Encoded:
    """A tokenized example."""

    windows: list[Window]
    """All words in windows; one if they fit into the context."""
    spelling: NDArray[np.int32]
    """The rows of each word's spelling features, (words, features)."""
    labels: list[int]
    """The tag of each word."""
    is_cut: bool = False
    """Whether words were left out: none are."""

    @property
    def ids(self) -> list[int]:
        """The tokens of all windows."""
        return list(chain.from_iterable(ids for ids, _ in self.windows))


class Tagger(nn.Module):
    """A backbone with a linear layer on each word's mean hidden state, and its spelling if used."""

    def __init__(self, backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> None:
        super().__init__()
        self.backbone = backbone
        backbone.lm_head = nn.Identity()  # replaced by the task head
        self.is_causal = is_causal
        self.labels = spec.labels
        self.drop = nn.Dropout(dropout)
        width = backbone.config.n_embd
        self.spelling: nn.EmbeddingBag | None = None
        if spec.n_spelling_rows:
            self.spelling = nn.EmbeddingBag(spec.n_spelling_rows, SPELLING_WIDTH, mode="sum")
            nn.init.zeros_(self.spelling.weight)  # features that training lacks have no effect
            self.drop_features = nn.Dropout(dropout)
            width += SPELLING_WIDTH
        self.head = nn.Linear(width, len(spec.labels))
        self.crf = ConditionalRandomField(spec.labels) if spec.has_crf else None

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits of every word of all texts, (N, labels), from a batch of `collate`."""
        n_words = len(batch["spelling"])
        features = self.drop(mean_states(self.backbone, batch, n_words, self.is_causal))
        if self.spelling is not None:
            kept = self.drop_features(features.new_ones(batch["spelling"].shape))
            spelling = self.spelling(batch["spelling"], per_sample_weights=kept)
            features = torch.cat([features, SPELLING_SCALE * spelling], dim=1)
        logits: Tensor = self.head(features)
        return logits

    def log_probabilities(self, batch: Batch, logits: Tensor) -> list[NDArray[np.float32]]:
        """Return the log-probabilities of each text's tags, (words, labels), from `forward`."""
        lengths = batch["lengths"]
        if self.crf is None or not len(logits):
            return _by_text(logits.float().log_softmax(dim=-1), lengths)
        scores = self.crf.log_probabilities(by_row(logits.float(), lengths), lengths)
        rows = scores.detach().cpu().numpy()
        return [row[:n] for row, n in zip(rows, lengths.tolist(), strict=True)]

    def nll(self, batch: Batch, logits: Tensor) -> Tensor:
        """Return the negative log-likelihood of the labels of all words, in nats."""
        labels, lengths = batch["labels"], batch["lengths"]
        if self.crf is None:
            return F.cross_entropy(logits.float(), labels, reduction="sum")
        scores = by_row(logits.float(), lengths)
        return self.crf.loss(scores, by_row(labels, lengths), lengths)


def build(backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> Tagger:
    """Return the task's network on top of a backbone."""
    return Tagger(backbone, spec, dropout, is_causal)


def encode(
    tokenizer: Tokenizer, spec: Spec, examples: Sequence[Example], block_size: int
) -> list[Encoded]:
    """Return the tokenized examples."""
    return [
        Encoded(
            *read_words(tokenizer, spec, example.words, example.predicate, block_size),
            [label_number(spec, tag) for tag in example.tags],
        )
        for example in examples
    ]


def collate(examples: Sequence[Encoded]) -> Batch:
    """Return a batch of the windows of all examples, and of all their words.

    input_ids, documents and words, (W, T), are padded; words numbers the words of the batch, -1 for
    tokens that belong to none. spelling, (N, F), and labels, (N,), are of these words. lengths,
    (B,), counts the words of each example, and n_targets, (), all of them.
    """
    labels = torch.tensor([label for example in examples for label in example.labels])
    batch = _batch([(example.windows, example.spelling) for example in examples])
    return batch | {"labels": labels, "n_targets": torch.tensor(len(labels))}


def loss(network: Tagger, batch: Batch, label_smoothing: float) -> Tensor:
    """Return the contribution of a batch to its step's mean loss, in nats per tag.

    Labels of single words are smoothed; the likelihood of a text's tags as a whole is not.
    """
    logits = network(batch)
    if network.crf is not None:
        return network.nll(batch, logits) / batch["n_targets"]
    return mean_cross_entropy(logits.float(), batch["labels"], batch["n_targets"], label_smoothing)


def validate(network: Tagger, batches: Iterable[Batch]) -> dict[str, float]:
    """Return entity-level F1 and loss over the batches."""
    predictions: list[list[str]] = []
    references: list[list[str]] = []
    nll, n_words = 0.0, 0
    for batch in batches:
        logits = network(batch)
        nll += float(network.nll(batch, logits))
        n_words += len(batch["labels"])
        for rows in network.log_probabilities(batch, logits):
            predictions.append(best_tags(rows, network.labels))
        for row in _by_text(batch["labels"], batch["lengths"]):
            references.append([network.labels[label] for label in row])
    return {"f1": entity_f1(predictions, references), "loss": nll / n_words}


def score(
    network: Tagger, tokenizer: Tokenizer, spec: Spec, prepared: Sequence[Prepared]
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of the tags of each text's words, (words, tags).

    No text is truncated.
    """
    block_size = network.backbone.config.block_size
    batch = _batch(
        [read_words(tokenizer, spec, item.words, item.predicate, block_size) for item in prepared]
    )
    batch = to_device(batch, network.backbone.device)
    for rows in network.log_probabilities(batch, network(batch)):
        yield np.exp(rows)


def _by_text(values: Tensor, lengths: Tensor) -> list[NDArray[Any]]:
    """Return the values of all words, (N, ...), for each text."""
    ends = lengths.cumsum(dim=0)[:-1].tolist()
    return np.split(values.detach().cpu().numpy(), ends)


def _batch(texts: Sequence[tuple[list[Window], NDArray[np.int32]]]) -> Batch:
    """Return the parts of a batch that are made of texts, as described at `collate`."""
    return pad_windows([(windows, len(features)) for windows, features in texts]) | {
        "spelling": torch.from_numpy(np.concatenate([features for _, features in texts]))
    }
