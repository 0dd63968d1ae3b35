"""The hidden states of words, for kinds of task that predict something about each word of a text.

A text longer than the context is read in windows that overlap, so that every word has context on
both sides; each word has the states of one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from textmill.corpus.tokens.tokenizer import END_ID
from textmill.errors import InputError
from textmill.model import GPT
from textmill.training.batches import pad
from textmill.training.objectives import Batch

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_TOKENS = 2**13
"""Maximum tokens of the windows read at once, unless there is a window for each text: bounds the
memory of batches of long texts."""
OVERLAP = 0.25
"""Maximum share of a window that repeats the end of the window before it."""

Window = tuple[list[int], list[int]]
"""The tokens of a window, and the index of the word that each belongs to; -1 for those that belong
to no word, and for words that belong to another window."""
START: Window = ([END_ID], [-1])
"""The beginning of each window, unless it has another."""


def encode_words(tokenizer: Tokenizer, forms: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Return the tokens of each word, truncated.

    Args:
        tokenizer: that of the backbone.
        forms: the words, each with the space before it, if any.
        max_tokens: maximum tokens of a word.
    """
    # Published datasets contain empty words, which need a token to be classified by.
    encodings = tokenizer.encode_batch_fast(
        [form or " " for form in forms], add_special_tokens=False
    )
    return [encoding.ids[:max_tokens] for encoding in encodings]


def split_windows(
    words: Sequence[list[int]], block_size: int, start: Window = START
) -> list[Window]:
    """Return the words in overlapping windows of at most block_size tokens.

    Of the words in two windows, the first half belongs to the first window, and the second half to
    the second: each word is classified where it has more context.

    Args:
        words: the tokens of each word, which fit into a window after its beginning.
        block_size: the context.
        start: the beginning of each window.

    Raises:
        InputError: the context is too short for it.
    """
    if block_size <= len(start[0]):
        raise InputError(
            f"A context of {block_size} tokens is too short for this kind of task: set "
            "model.block_size to 16 or more."
        )
    parts = _overlapping([len(word) for word in words], block_size, len(start[0]))
    seams = [(start + end) // 2 for (_, end), (start, _) in pairwise(parts)]
    windows = []
    for (begin, end), first, after in zip(parts, [0, *seams], [*seams, len(words)], strict=True):
        owners = [
            word if first <= word < after else -1 for word in range(begin, end) for _ in words[word]
        ]
        ids = chain.from_iterable(words[begin:end])
        windows.append(([*start[0], *ids], [*start[1], *owners]))
    return windows


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


def _overlapping(lengths: Sequence[int], block_size: int, n_start: int) -> list[tuple[int, int]]:
    """Return the first word of each window, and the word after its last.

    Each window but the first begins with the last words of the one before it.
    """
    parts: list[tuple[int, int]] = []
    start = end = 0
    space = block_size - n_start
    while not parts or end < len(lengths):
        n_tokens = sum(lengths[start:end])
        while end < len(lengths) and n_tokens + lengths[end] <= space:
            n_tokens += lengths[end]
            end += 1
        parts.append((start, end))
        if end < len(lengths):
            free = min(int(OVERLAP * block_size), space - lengths[end])
            start = end
            while start > parts[-1][0] and lengths[start - 1] <= free:
                start -= 1
                free -= lengths[start]
    return parts
