"""The hidden states of words, for kinds of task that predict something about each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from textmill.model import GPT
from textmill.training.batches import pad
from textmill.training.objectives import Batch
from textmill.training.word_windows import Window

MAX_TOKENS = 2**13
"""Maximum tokens of the windows read at once, unless there is a window for each text: bounds the
memory of batches of long texts."""


def pad_windows(texts: Sequence[tuple[list[Window], int]]) -> Batch:
    """Return the windows of texts, each with its number of words.

    input_ids, documents and words, (W, T), are padded; words numbers the words of the batch, -1 for
    tokens that belong to none. lengths, (B,), counts the words of each text.
    """
    windows = [window for text, _ in texts for window in text]
    lengths = [n_words for _, n_words in texts]
    starts = np.repeat(np.cumsum([0, *lengths[:-1]]), [len(text) for text, _ in texts])
    batch = pad([ids for ids, _ in windows])
    words = torch.full_like(batch["input_ids"], -1)
    for row, (start, (_, owners)) in enumerate(zip(starts.tolist(), windows, strict=True)):
        numbers = torch.tensor(owners)
        words[row, : len(owners)] = torch.where(numbers >= 0, numbers + start, -1)
    return batch | {"words": words, "lengths": torch.tensor(lengths)}


def mean_states(backbone: GPT, batch: Batch, n_words: int, is_causal: bool) -> Tensor:
    """Return the mean final hidden state of each word's tokens, (N, C).

    Args:
        backbone: the model.
        batch: from `pad_windows`.
        n_words: N, the words of all texts.
        is_causal: whether a token attends only to itself and the tokens before it.
    """
    tokens = torch.cat([*_read_windows(backbone, batch, is_causal)])
    owners = batch["words"][batch["words"] >= 0]
    sums = tokens.new_zeros(n_words, tokens.size(1)).index_add(0, owners, tokens)
    return sums / torch.bincount(owners, minlength=n_words).clamp(min=1).unsqueeze(1)


def by_row(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the values of all words, (N, ...), in a row for each text, (B, W, ...).

    Rows are padded by the values of other texts' words.
    """
    starts = lengths.cumsum(dim=0) - lengths
    index = starts.unsqueeze(1) + torch.arange(int(lengths.max()), device=values.device)
    return values[index.clamp(max=len(values) - 1)]


def _read_windows(backbone: GPT, batch: Batch, is_causal: bool) -> Iterator[Tensor]:
    """Yield the hidden states of the tokens of words in consecutive windows, (tokens, C)."""

    def read(input_ids: Tensor, documents: Tensor, words: Tensor) -> Tensor:
        hidden = backbone.hidden(input_ids, documents, is_causal=is_causal)
        return hidden[words >= 0].float()

    names = ("input_ids", "documents", "words")
    n_windows, length = batch["input_ids"].shape
    size = max(len(batch["lengths"]), MAX_TOKENS // length)
    for rows in (slice(at, at + size) for at in range(0, n_windows, size)):
        windows = [batch[name][rows] for name in names]
        if size < n_windows and torch.is_grad_enabled():
            yield checkpoint(read, *windows, use_reentrant=False)
        else:
            yield read(*windows)
