"""Packing that splits pieces to fill blocks, if whole pieces leave too much padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textmill.corpus.tokens.best_fit import Bins, best_fit
from textmill.corpus.tokens.pieces import Integers, Pieces

MAX_PADDING = 0.02
"""Maximum share of padding positions."""


def fill(pieces: Pieces, bins: Bins, block_size: int, overlap: int = 0) -> tuple[Pieces, Bins]:
    """Return the pieces packed with little padding, at the cost of a few more splits.

    The emptiest blocks beyond the target number are dissolved, and their pieces placed in the free
    space of the others: a piece that fits nowhere is split, so that its beginning fills the largest
    space, and the rest goes to the smallest space that fits. Without an overlap, padding is at most
    `MAX_PADDING`, or less than a block; with one, pieces that do not fit get blocks of their own.

    Splitting has a price: Ding et al. 2024 ("Fewer Truncations Improve Language Modeling") measured
    better models from best fit without it.

    Args:
        pieces: the pieces to pack.
        bins: the pieces packed into blocks without splitting.
        block_size: tokens per block.
        overlap: tokens of context before every piece but a document's first.
    """
    used = np.add.reduceat(pieces.size[bins.items], bins.starts)
    total = int(used.sum())
    n_blocks = max(-(-total // block_size), int(total / (block_size * (1 - MAX_PADDING))))
    if len(used) <= n_blocks:
        return pieces, bins
    is_kept = np.ones(len(used), bool)
    is_kept[np.argsort(used, kind="stable")[: len(used) - n_blocks]] = False
    stays = is_kept[bins.numbers]
    kept, moved = pieces.take(bins.items[stays]), pieces.take(bins.items[~stays])
    moved = moved.take(np.argsort(-moved.size, kind="stable"))
    gaps = _FreeSpace((block_size - used[is_kept]).tolist(), block_size)
    placed, blocks = _place(moved, gaps, overlap)
    left = np.flatnonzero(blocks < 0)
    more = best_fit(placed.size[left], block_size)
    blocks[left[more.items]] = n_blocks + more.numbers
    numbers = (np.cumsum(is_kept) - 1)[bins.numbers[stays]]
    return Pieces.join([kept, placed]), Bins.of(np.concatenate([numbers, blocks]))


class _FreeSpace:
    """Blocks by their free space, last in first out among equals."""

    def __init__(self, rooms: Sequence[int], block_size: int) -> None:
        self._blocks: list[list[int]] = [[] for _ in range(block_size + 1)]
        self._sizes = 0  # bit n is set if there is a block with n free positions
        for block, room in enumerate(rooms):
            self.add(block, room)

    def add(self, block: int, room: int) -> None:
        """Add a block with its free space."""
        if room:
            self._blocks[room].append(block)
            self._sizes |= 1 << room

    @property
    def largest(self) -> int:
        """The largest free space; 0: all blocks are full."""
        return max(0, self._sizes.bit_length() - 1)

    def smallest(self, room: int) -> int:
        """Return the smallest free space of at least this size; 0: there is none."""
        fitting = self._sizes >> room
        return room + (fitting & -fitting).bit_length() - 1 if fitting else 0

    def take(self, room: int) -> int:
        """Remove and return a block with this free space."""
        block = self._blocks[room].pop()
        if not self._blocks[room]:
            self._sizes ^= 1 << room
        return block


def _place(moved: Pieces, gaps: _FreeSpace, overlap: int) -> tuple[Pieces, Integers]:
    """Return the pieces, split where necessary, and the block of each; -1: no space."""
    rows = []
    for document, start, length, context in moved.rows():
        while length:
            room, taken = gaps.smallest(context + length), length
            if not room:
                room = gaps.largest
                taken = room - context
            if taken > 0:
                block = gaps.take(room)
                gaps.add(block, room - context - taken)
            else:
                block, taken = -1, length
            rows.append((document, start, taken, context, block))
            start, length, context = start + taken, length - taken, min(overlap, context + taken)
    *columns, blocks = np.array(rows, np.int64).T
    return Pieces(*columns), blocks
