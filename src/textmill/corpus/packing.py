"""Blocks of a fixed number of tokens, filled with whole documents or pieces of long ones.

Every token of the corpus is a target exactly once. A document longer than a block is cut into
consecutive pieces; pieces share a block where they fit (best fit decreasing), and nothing is
attended across them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.tokenizer import PAD_ID
from textmill.corpus.tokens import Shard, read_shards


@dataclass(frozen=True)
class Piece:
    """Consecutive target tokens of one document."""

    shard: int
    start: int
    """Index of the first target in its shard; the input begins one token before."""
    length: int
    document: int
    """Number of its document in the split."""


class PackedBlocks:
    """The blocks of one split, made when they are asked for.

    Args:
        folder: one split of a tokens folder.
        block_size: tokens in a block.
    """

    def __init__(self, folder: Path, block_size: int) -> None:
        self.block_size = block_size
        self.shards = read_shards(folder)
        self.blocks = pack(cut(self.shards, block_size), block_size)

    def __len__(self) -> int:
        return len(self.blocks)

    @property
    def n_documents(self) -> int:
        """Number of documents in the split."""
        return sum(len(shard.starts) for shard in self.shards)

    @property
    def padding_share(self) -> float:
        """Share of positions that hold no token."""
        used = sum(piece.length for block in self.blocks for piece in block)
        return 1 - used / (len(self.blocks) * self.block_size)

    def rows(self, indices: Sequence[int]) -> dict[str, NDArray[np.generic]]:
        """Return blocks as arrays of shape (B, T).

        Returns:
            `input_ids` and `targets` (int64; targets are the inputs' successors), `loss_mask`
            (bool, False on padding) and `documents` (int32, the number of the document in the
            split, -1 on padding).
        """
        shape = (len(indices), self.block_size)
        input_ids = np.full(shape, PAD_ID, np.int64)
        targets = np.full(shape, PAD_ID, np.int64)
        documents = np.full(shape, -1, np.int32)
        for row, index in enumerate(indices):
            at = 0
            for piece in self.blocks[index]:
                ids = self.shards[piece.shard].ids[piece.start - 1 : piece.start + piece.length]
                input_ids[row, at : at + piece.length] = ids[:-1]
                targets[row, at : at + piece.length] = ids[1:]
                documents[row, at : at + piece.length] = piece.document
                at += piece.length
        return {
            "input_ids": input_ids,
            "targets": targets,
            "loss_mask": documents >= 0,
            "documents": documents,
        }


def cut(shards: Sequence[Shard], block_size: int) -> list[Piece]:
    """Return the documents as pieces of at most block_size targets, in order."""
    pieces = []
    documents = itertools.count()
    for number, shard in enumerate(shards):
        ends = np.append(shard.starts[1:], len(shard.ids))
        for start, end in zip(shard.starts.tolist(), ends.tolist(), strict=True):
            document = next(documents)
            for at in range(start, end, block_size):
                pieces.append(Piece(number, at, min(block_size, end - at), document))
    return pieces


def pack(pieces: Sequence[Piece], block_size: int) -> list[list[Piece]]:
    """Return the pieces packed into blocks: the longest first, each where the least room stays.

    Best fit decreasing uses at most 11/9 of the fewest possible blocks (Johnson et al. 1974).
    """
    blocks: list[list[Piece]] = []
    with_room: list[list[int]] = [[] for _ in range(block_size + 1)]  # blocks by free tokens
    roomiest = 0
    for piece in sorted(pieces, key=lambda piece: -piece.length):
        room = next((r for r in range(piece.length, roomiest + 1) if with_room[r]), None)
        if room is None:
            block, room = len(blocks), block_size
            blocks.append([])
        else:
            block = with_room[room].pop()
        blocks[block].append(piece)
        left = room - piece.length
        with_room[left].append(block)
        roomiest = max(roomiest, left)
    return blocks
