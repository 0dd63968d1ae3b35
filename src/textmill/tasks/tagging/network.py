"""The network of tagging: a linear layer on the mean of each word's final hidden states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from textmill.corpus.tokens.tokenizer import END_ID
from textmill.model import GPT
from textmill.tasks.tagging.answers import Prepared, log_of
from textmill.tasks.tagging.iob2 import best_tags, entity_f1
from textmill.training.batches import pad
from textmill.training.objectives import Batch, mean_cross_entropy

if TYPE_CHECKING:
    from tokenizers import Tokenizer
from textmill.tasks.tagging.examples import Example, Spec, Words

IGNORE_INDEX = -100
"""Label of padding, which F.cross_entropy ignores."""

WINDOW_BATCH_SIZE = 32
"""Batch size of the windows of long texts."""


@dataclass(frozen=True)
class Encoded:
    """A tokenized example."""

    ids: list[int]
    """END and the tokens of the words."""
    words: list[int]
    """The index of the word that each token belongs to; -1 for END."""
    labels: list[int]
    """The tag of each word."""
    is_cut: bool
    """Whether the words were truncated to the context."""


class Tagger(nn.Module):
    """A backbone with a linear layer on the mean of each word's final hidden states."""

    def __init__(self, backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> None:
        super().__init__()
        self.backbone = backbone
        backbone.lm_head = nn.Identity()  # replaced by the task head
        self.is_causal = is_causal
        self.labels = spec.labels
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.config.n_embd, len(spec.labels))

    def forward(self, input_ids: Tensor, documents: Tensor, words: Tensor) -> Tensor:
        """Return the logits of every word, (B, W, labels).

        Args:
            input_ids: (B, T).
            documents: (B, T), -1 on padding.
            words: (B, T), the word index of each token, below W; -1 for END and padding.
        """
        hidden = self.backbone.hidden(input_ids, documents, is_causal=self.is_causal)
        n_words = int(words.max()) + 1
        is_in_word = words[:, None, :] == torch.arange(n_words, device=words.device)[:, None]
        weights = is_in_word / is_in_word.sum(dim=2, keepdim=True).clamp(min=1)  # (B, W, T)
        logits: Tensor = self.head(self.drop(weights.to(hidden.dtype) @ hidden))
        return logits


def build(backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> Tagger:
    """Return the task's network on top of a backbone."""
    return Tagger(backbone, spec, dropout, is_causal)


def encode(
    tokenizer: Tokenizer, spec: Spec, examples: Sequence[Example], block_size: int
) -> list[Encoded]:
    """Return the tokenized examples; words beyond the context are dropped."""
    encoded = []
    for example in examples:
        words = _encode_words(tokenizer, spec, example.words, block_size)
        ids, owners, n_words = next(_windows(words, block_size))
        labels = [spec.labels.index(tag) for tag in example.tags[:n_words]]
        encoded.append(Encoded(ids, owners, labels, n_words < len(example.words)))
    return encoded


def collate(examples: Sequence[Encoded]) -> Batch:
    """Return a batch: input_ids, documents and words (B, T), padded; labels (B, W).

    n_targets, (), counts the labels without padding.
    """
    n_words = max(len(example.labels) for example in examples)
    labels = torch.full((len(examples), n_words), IGNORE_INDEX)
    for row, example in enumerate(examples):
        labels[row, : len(example.labels)] = torch.tensor(example.labels)
    n_targets = torch.tensor(sum(len(example.labels) for example in examples))
    windows = _pad_windows([(e.ids, e.words) for e in examples])
    return windows | {"labels": labels, "n_targets": n_targets}


def loss(network: Tagger, batch: Batch, label_smoothing: float) -> Tensor:
    """Return the contribution of a batch to its step's mean cross-entropy, in nats per tag."""
    logits = network(batch["input_ids"], batch["documents"], batch["words"])
    scores, labels = logits.flatten(0, 1).float(), batch["labels"].flatten()
    return mean_cross_entropy(scores, labels, batch["n_targets"], label_smoothing)


def validate(network: Tagger, batches: Iterable[Batch]) -> dict[str, float]:
    """Return entity-level F1 and loss over the batches."""
    predictions: list[list[str]] = []
    references: list[list[str]] = []
    nll = 0.0
    for batch in batches:
        logits = network(batch["input_ids"], batch["documents"], batch["words"]).float()
        labels = batch["labels"]
        nll += float(
            F.cross_entropy(
                logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE_INDEX, reduction="sum"
            )
        )
        for scores, row in zip(_probabilities(logits), labels.tolist(), strict=True):
            references.append([network.labels[label] for label in row if label != IGNORE_INDEX])
            logs = log_of(scores[: len(references[-1])])
            predictions.append(best_tags(logs, network.labels))
    n_words = sum(map(len, references))
    return {"f1": entity_f1(predictions, references), "loss": nll / n_words}


def score(
    network: Tagger, tokenizer: Tokenizer, spec: Spec, prepared: Sequence[Prepared]
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of the tags of each text's words, (words, tags).

    Texts longer than the context are split into windows, so none is truncated.
    """
    block_size = network.backbone.config.block_size
    windows = [
        list(_windows(_encode_words(tokenizer, spec, item.words, block_size), block_size))
        for item in prepared
    ]
    scores = _score_windows(network, [window for row in windows for window in row])
    for row in windows:
        parts = [next(scores) for _ in row]
        yield np.concatenate(parts) if parts else np.empty((0, len(spec.labels)), np.float32)


def _encode_words(
    tokenizer: Tokenizer, spec: Spec, words: Words, block_size: int
) -> list[list[int]]:
    """Return the tokens of each word as in running text, truncated to the context."""
    space = "" if spec.is_by_character else " "
    # Published datasets contain empty words, which need a token to be classified by.
    forms = [(f"{space}{word}" if index else word) or " " for index, word in enumerate(words)]
    encodings = tokenizer.encode_batch_fast(forms, add_special_tokens=False)
    return [encoding.ids[: block_size - 1] for encoding in encodings]


def _windows(
    words: Sequence[list[int]], block_size: int
) -> Iterator[tuple[list[int], list[int], int]]:
    """Yield the tokens of each window, their word indices, and the number of words."""
    at = 0
    while at < len(words):
        ids, owners, n_words = [END_ID], [-1], 0
        while at < len(words) and len(ids) + len(words[at]) <= block_size:
            ids += words[at]
            owners += [n_words] * len(words[at])
            n_words += 1
            at += 1
        yield ids, owners, n_words


def _pad_windows(windows: Sequence[tuple[list[int], list[int]]]) -> Batch:
    batch = pad([ids for ids, _ in windows])
    words = torch.full_like(batch["input_ids"], -1)
    for row, (_, owners) in enumerate(windows):
        words[row, : len(owners)] = torch.tensor(owners)
    return batch | {"words": words}


def _score_windows(
    network: Tagger, windows: Sequence[tuple[list[int], list[int], int]]
) -> Iterator[NDArray[np.float32]]:
    """Yield the probabilities of each window's words, (words, labels)."""
    for at in range(0, len(windows), WINDOW_BATCH_SIZE):
        chunk = windows[at : at + WINDOW_BATCH_SIZE]
        batch = _pad_windows([(ids, owners) for ids, owners, _ in chunk])
        logits = network(batch["input_ids"], batch["documents"], batch["words"])
        for scores, (_, _, n_words) in zip(_probabilities(logits), chunk, strict=True):
            yield scores[:n_words]


def _probabilities(logits: Tensor) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = logits.float().softmax(dim=-1).detach().cpu().numpy()
    return scores
