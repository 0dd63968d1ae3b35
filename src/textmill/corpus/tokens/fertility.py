"""Tokenizer fertility: tokens per word, by language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from textmill.corpus.batching import batches
from textmill.corpus.shingles import CHARACTER, read_characters, slices

_PIECE_CHARS = 1 << 20  # longer texts are split, to bound the memory
_BATCH_CHARS = 1 << 17
_BATCH_TEXTS = 512

Row = tuple[str, str, int]
"""A text, its language, and the number of its tokens."""


def fertility(rows: Iterator[Row]) -> dict[str, float]:
    """Return the documents, bytes per token, and tokens per word, by language.

    A word is a run of letters and digits. For a language whose words are mostly characters of a
    script without spaces, such as Chinese, tokens per character are returned instead.

    Args:
        rows: texts that the tokenizer was not trained on.

    Returns:
        `documents/LANGUAGE`, `bytes_per_token/LANGUAGE` and `tokens_per_word/LANGUAGE` or
        `tokens_per_character/LANGUAGE`; the last is omitted if there are no words.

    Source: the fertility of Rust et al. 2021 ("How Good is Your Tokenizer?").
    """
    found: dict[str, Counter[str]] = {}
    for batch in batches(rows, lambda row: len(row[0]), _PIECE_CHARS, _BATCH_TEXTS):
        words = _count_words([text for text, _, _ in batch])
        for (text, language, n_tokens), (n_words, n_alone) in zip(batch, words, strict=True):
            found.setdefault(language, Counter()).update(
                documents=1,
                bytes=len(text.encode()),
                tokens=n_tokens,
                words=n_words,
                alone=n_alone,
            )
    metrics: dict[str, float] = {}
    for language, counts in sorted(found.items()):
        metrics |= {f"{name}/{language}": value for name, value in _measures(counts).items()}
    return metrics


def _measures(counts: Mapping[str, int]) -> dict[str, float]:
    measures = {
        "documents": float(counts["documents"]),
        "bytes_per_token": counts["bytes"] / max(1, counts["tokens"]),
    }
    if counts["words"]:
        unit = "character" if 2 * counts["alone"] > counts["words"] else "word"
        measures[f"tokens_per_{unit}"] = counts["tokens"] / counts["words"]
    return measures


def _count_words(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the number of words of each text, and of those that are single characters."""
    pieces = [
        (number, text[start : start + _PIECE_CHARS])
        for number, text in enumerate(texts)
        for start in range(0, len(text), _PIECE_CHARS)
    ]
    total = np.zeros((len(texts), 2), np.int64)
    for batch in slices([len(piece) for _, piece in pieces], _BATCH_CHARS):
        numbers = np.array([number for number, _ in pieces[batch]])
        characters = read_characters([piece for _, piece in pieces[batch]])
        owner = numbers[np.searchsorted(characters.begins, characters.starts, side="right") - 1]
        is_alone = characters.kinds[characters.starts] == CHARACTER
        total[:, 0] += np.bincount(owner, minlength=len(texts))
        total[:, 1] += np.bincount(owner[is_alone], minlength=len(texts))
    return [(int(n_words), int(n_alone)) for n_words, n_alone in total]
