"""Names and numbers that a translation copies from its source.

Small data have few of them, and a network learns these by heart. So that it copies others too,
numbers are encoded digit by digit, and training exchanges the tokens of copied words between the
examples of a batch (data augmentation as by Fadaee et al. 2017).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from textmill.safety.placeholders import PLACEHOLDERS
from textmill.training.objectives import Batch

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

EXCHANGED_SHARE = 0.3
"""Probability that the copied words of an example are exchanged."""

Parts = Sequence[tuple[str, list[int]]]
"""The parts of a text with their tokens."""
Word = tuple[str, tuple[int, ...]]
"""A name with the space before it, or a number; with its tokens."""
Copied = tuple[list[int], int]
"""The positions of a token that is copied, in source and target, and its class: only tokens of the
same class are exchanged."""

DIGIT, FIRST, FIRST_AFTER_SPACE, FURTHER = range(4)
"""Classes of copied tokens: digits, and the first and further tokens of a name."""

_WORD = re.compile(r"[^\W\d_]+")
_PLACEHOLDERS = "|".join(map(re.escape, PLACEHOLDERS.values()))  # single tokens
_PART = re.compile(rf"{_PLACEHOLDERS}|\d| ?[^\W\d_]+")
# Python's letters in the syntax of tokenizers (Oniguruma), which has the Unicode classes instead.
_LETTER = r"[\p{L}\p{Nl}\p{No}]"
_SEPARATE_PART = rf"\p{{Nd}}| ?(?<!{_LETTER})(?=\p{{Upper}}){_LETTER}+"


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Parts]:
    """Return the parts of each text with their tokens: digits, capitalised words, and the others.

    The tokens of a capitalised word include the space before it.
    """
    normalizer = tokenizer.normalizer
    if normalizer is not None:  # it may join letters and marks
        texts = [normalizer.normalize_str(text) for text in texts]
    parts = [_split(text) for text in texts]
    encodings: list[Encoding] = tokenizer.encode_batch(
        parts, is_pretokenized=True, add_special_tokens=False
    )
    encoded: list[Parts] = []
    for text, encoding in zip(parts, encodings, strict=True):
        ids: list[list[int]] = [[] for _ in text]
        for part, token in zip(encoding.word_ids, encoding.ids, strict=True):
            assert part is not None
            ids[part].append(token)
        encoded.append(list(zip(text, ids, strict=True)))
    return encoded


def _split(text: str) -> list[str]:
    parts, end = [], 0
    for match in _PART.finditer(text):
        word = match[0].lstrip(" ")
        if word[0].isdecimal() or word[0].isupper():
            parts += [text[end : match.start()], match[0]]
            end = match.end()
    return [part for part in (*parts, text[end:]) if part]


def separate_parts(tokenizer: Tokenizer) -> None:
    """Let a tokenizer by itself encode texts as `encode_texts` does, with which it stays the same.

    Letters of later versions of Unicode than Python's may make a difference.
    """
    from tokenizers import Regex, pre_tokenizers

    parts = pre_tokenizers.Split(Regex(_SEPARATE_PART), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([parts, tokenizer.pre_tokenizer])


def lower_words(texts: Iterable[str]) -> set[str]:
    """Return the words that occur in lower case."""
    return {word for text in texts for word in _WORD.findall(text) if word.islower()}


def find_copied(
    source: Parts, target: Parts, begins: tuple[int, int], lower: Collection[str]
) -> list[Copied]:
    """Return the tokens of the names and numbers that source and target have in common.

    Args:
        source: the parts of the source.
        target: the parts of the target.
        begins: positions of the first token of both.
        lower: words that also occur in lower case, which are no names.
    """
    there = _positions(target, begins[1], lower)
    copied = []
    for word, starts in _positions(source, begins[0], lower).items():
        starts = [*starts, *there[word]] if word in there else []
        for index, kind in enumerate(_classes(word) if starts else ()):
            copied.append(([start + index for start in starts], kind))
    return copied


def _classes(word: Word) -> list[int]:
    text, ids = word
    if text.isdecimal():
        return [DIGIT] * len(ids)
    return [FIRST_AFTER_SPACE if text[0] == " " else FIRST, *[FURTHER] * (len(ids) - 1)]


def _positions(parts: Parts, begin: int, lower: Collection[str]) -> dict[Word, list[int]]:
    """Return the positions of the first token of each name and number."""
    positions: dict[Word, list[int]] = defaultdict(list)
    for is_number, group in groupby(parts, key=lambda part: part[0].isdecimal()):
        words = list(group)
        if is_number:
            words = [("".join(text for text, _ in words), [i for _, ids in words for i in ids])]
        for text, ids in words:
            word = text.strip()
            if is_number or (word[:1].isupper() and word.isalpha() and word.lower() not in lower):
                positions[text, tuple(ids)].append(begin)
            begin += len(ids)
    return positions


def collate(copied: Sequence[Sequence[Copied]], width: int) -> Batch:
    """Return `cells`, (B, width), the number of the copied token at each position, or -1.

    Also `classes`, (n,): the class of each copied token.
    """
    cells = torch.full((len(copied), width), -1)
    classes: list[int] = []
    for row, tokens in enumerate(copied):
        for positions, kind in tokens:
            cells[row, positions] = len(classes)
            classes.append(kind)
    return {"cells": cells, "classes": torch.tensor(classes, dtype=torch.int64)}


def exchange(
    input_ids: Tensor, targets: Tensor, cells: Tensor, classes: Tensor
) -> tuple[Tensor, Tensor]:
    """Return inputs and targets with copied tokens exchanged at random within their class.

    Args:
        input_ids: (B, T).
        targets: (B, T), the next tokens.
        cells: (B, T + 1), of the inputs and the last target.
        classes: (n,), n > 0.
    """
    order = torch.randperm(len(classes), device=cells.device)
    order = order[classes[order].argsort(stable=True)]
    tokens = torch.zeros_like(classes)
    is_input = cells[:, :-1] >= 0
    tokens[cells[:, :-1][is_input]] = input_ids[is_input]
    is_target = cells[:, 1:] >= 0
    tokens[cells[:, 1:][is_target]] = targets[is_target]
    exchanged = torch.empty_like(tokens)
    exchanged[classes.argsort(stable=True)] = tokens[order]
    is_chosen = torch.rand(len(cells), 1, device=cells.device) < EXCHANGED_SHARE
    new = exchanged[cells.clamp(min=0)]
    return (
        torch.where(is_chosen & is_input, new[:, :-1], input_ids),
        torch.where(is_chosen & is_target, new[:, 1:], targets),
    )
