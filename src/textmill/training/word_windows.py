"""Windows of words, for kinds of task that predict something about each word of a text.

A text longer than the context is read in windows that overlap, so that every word has context on
both sides; each word has the states of one of them. Does not import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from textmill.corpus.tokens.tokenizer import END_ID
from textmill.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

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
