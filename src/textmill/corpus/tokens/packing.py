"""Packing of documents, and pieces of long ones, into blocks of a fixed number of tokens.

Every token of the corpus is a target exactly once. A document longer than a block is split into
pieces, consecutive or with some tokens of context before each. Pieces share blocks, without
attention between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textmill.config import Packing
from textmill.corpus.tokens.best_fit import best_fit
from textmill.corpus.tokens.filling import fill
from textmill.corpus.tokens.pieces import Integers, Pieces, cut
from textmill.corpus.tokens.token_shards import read_shards
from textmill.corpus.tokens.tokenizer import PAD_ID


class PackedBlocks:
    """The packed blocks of one split, assembled on access.

    Args:
        folder: one split of a tokens folder.
        block_size: tokens per block.
        packing: whether pieces may also be split to fill blocks.
        overlap: tokens of context before every piece but a document's first; below block_size.
        groups: (n_documents,), group of each document, from 0; documents of different groups share
            no block, and the blocks of group 0 come first. None: one group.
    """

    def __init__(
        self,
        folder: Path,
        block_size: int,
        packing: Packing = "whole",
        overlap: int = 0,
        groups: Integers | None = None,
    ) -> None:
        self.block_size = block_size
        self.shards = read_shards(folder)
        self._first_documents = np.cumsum([0, *(len(shard.starts) for shard in self.shards)])
        pieces = cut(self.shards, block_size, overlap)
        parts: list[Pieces] = []
        n_pieces: list[NDArray[np.int64]] = []  # of every block
        for part in [pieces] if groups is None else _by_group(pieces, groups):
            bins = best_fit(part.size, block_size)
            if packing == "fill":
                part, bins = fill(part, bins, block_size, overlap)
            parts.append(part.take(bins.items))
            n_pieces.append(bins.ends - bins.starts)
        self.pieces = Pieces.join(parts)
        """Pieces in the order of their blocks."""
        self.group_ends = np.cumsum([len(of_blocks) for of_blocks in n_pieces]).tolist()
        """Number of blocks up to the end of each group."""
        self._ends = np.cumsum(np.concatenate(n_pieces))  # of the blocks, among the pieces

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def n_documents(self) -> int:
        """Number of documents in the split."""
        return int(self._first_documents[-1])

    @property
    def padding_share(self) -> float:
        """Share of padding positions."""
        return 1 - int(self.pieces.size.sum()) / (len(self) * self.block_size)

    @property
    def n_cuts(self) -> int:
        """Number of splits within documents."""
        return len(self.pieces) - self.n_documents

    def targets(self, times: Integers, groups: Integers) -> NDArray[np.int64]:
        """Return the number of targets in blocks, by group of their documents.

        Args:
            times: (n_blocks,), weight of each block.
            groups: (n_documents,), group of each document, from 0.
        """
        counts = self.pieces.length * np.repeat(times, np.diff(self._ends, prepend=0))
        # Floats represent the sums exactly up to 2^53.
        return np.bincount(groups[self.pieces.document], counts).astype(np.int64)

    def rows(self, indices: Sequence[int]) -> dict[str, NDArray[np.generic]]:
        """Return blocks as arrays of shape (B, T).

        Returns:
            `input_ids` and `targets` (int64; targets are the inputs' successors), `loss_mask`
            (bool, False on padding and context) and `documents` (int32, the number of the document
            in the split, -1 on padding).
        """
        shape = (len(indices), self.block_size)
        input_ids = np.full(shape, PAD_ID, np.int64)
        targets = np.full(shape, PAD_ID, np.int64)
        documents = np.full(shape, -1, np.int32)
        loss_mask = np.zeros(shape, bool)
        for row, index in enumerate(indices):
            block = slice(self._ends[index - 1] if index else 0, self._ends[index])
            at = 0
            for document, start, length, context in self.pieces.take(block).rows():
                shard = int(np.searchsorted(self._first_documents, document, side="right")) - 1
                ids = self.shards[shard].ids[start - context - 1 : start + length]
                end = at + context + length
                input_ids[row, at:end] = ids[:-1]
                targets[row, at:end] = ids[1:]
                documents[row, at:end] = document
                loss_mask[row, at + context : end] = True
                at = end
        return {
            "input_ids": input_ids,
            "targets": targets,
            "loss_mask": loss_mask,
            "documents": documents,
        }


def _by_group(pieces: Pieces, groups: Integers) -> Iterator[Pieces]:
    """Yield the pieces of the documents of each group."""
    group_of = groups[pieces.document]
    for group in range(int(groups.max()) + 1):
        yield pieces.take(group_of == group)
