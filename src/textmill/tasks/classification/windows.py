"""The tokens of texts, and of pairs of texts, in windows of the context; does not import torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from textmill.corpus.tokens.tokenizer import END_ID, SOURCE_ID, TARGET_ID
from textmill.tasks.classification.answers import Texts

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def split_texts(
    tokenizer: Tokenizer, prepared: Sequence[Texts], block_size: int
) -> list[list[list[int]]]:
    """Return the tokens of each text, or pair, in windows of nearly equal length.

    A text begins with END. Each window of a pair has both texts, the first after SOURCE and the
    second after TARGET: the shorter one as a whole if it fits into half of the context, or else a
    part of it.
    """
    texts = [text for row in prepared for text in row]
    encodings = iter(tokenizer.encode_batch_fast(texts, add_special_tokens=False))
    windows = []
    for row in prepared:
        ids = [next(encodings).ids for _ in row]
        starts = [END_ID] if len(row) == 1 else [SOURCE_ID, TARGET_ID]
        space = block_size - len(starts)
        shortest = min(map(len, ids)) if len(row) > 1 else 0
        if 2 * shortest <= space:
            n = _n_parts(max(map(len, ids)), space - shortest)
            parts = [_split(p, n) if len(p) > shortest else [p] * n for p in ids]
        else:  # parts are rounded up to whole tokens
            n = _n_parts(sum(map(len, ids)), space - 1)
            parts = [_split(p, n) for p in ids]
        windows.append([_joined(starts, window) for window in zip(*parts, strict=True)])
    return windows


def _n_parts(length: int, max_length: int) -> int:
    return max(1, -(-length // max(1, max_length)))


def _joined(starts: Sequence[int], parts: Sequence[list[int]]) -> list[int]:
    return [id for start, part in zip(starts, parts, strict=True) for id in (start, *part)]


def _split(ids: list[int], n: int) -> list[list[int]]:
    """Return that many parts, whose lengths differ by at most one."""
    ends = [len(ids) * part // n for part in range(n + 1)]
    return [ids[start:end] for start, end in pairwise(ends)]
