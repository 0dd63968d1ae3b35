"""Rows of tokens as padded arrays, in batches; does not import torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.tokens.tokenizer import PAD_ID
from textmill.tasks.portable.protocols import Run

BATCH_ROWS = 32
"""Rows of a batch."""


def pad_rows(rows: Sequence[Sequence[int]]) -> dict[str, NDArray[np.int64]]:
    """Return `input_ids` and `attention_mask`, (rows, tokens), padded at the end."""
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(mask.shape, PAD_ID, np.int64)
    ids[mask] = np.concatenate([np.asarray(row, np.int64) for row in rows])
    return {"input_ids": ids, "attention_mask": mask.astype(np.int64)}


def run_in_batches(run: Run, rows: Sequence[Sequence[int]]) -> Iterator[NDArray[Any]]:
    """Yield the output of a graph for each row of tokens, in their order."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))  # little padding
    found: dict[int, NDArray[Any]] = {}
    for at in range(0, len(order), BATCH_ROWS):
        batch = order[at : at + BATCH_ROWS]
        found.update(zip(batch, run(pad_rows([rows[index] for index in batch])), strict=True))
    yield from (found[index] for index in range(len(rows)))


def softmax(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Return the probabilities, over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)
