"""Documents split into pieces that fit into a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.tokens.token_shards import Shard

Integers = NDArray[np.signedinteger]


@dataclass(frozen=True)
class Pieces:
    """Runs of target tokens, each of one document; all arrays are (n_pieces,)."""

    document: Integers
    """Number of the piece's document in the split."""
    start: Integers
    """Index of the first target in its shard; its input is the token before."""
    length: Integers
    """Number of targets."""
    context: Integers
    """Preceding tokens of the document in the input that are not targets."""

    @property
    def size(self) -> Integers:
        """Positions of each piece in a block."""
        return self.length + self.context

    def __len__(self) -> int:
        return len(self.length)

    def take(self, chosen: NDArray[np.integer] | slice) -> Pieces:
        """Return some of the pieces."""
        return Pieces(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def rows(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield document, start, length and context of every piece."""
        columns = (self.document, self.start, self.length, self.context)
        return zip(*(column.tolist() for column in columns), strict=True)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Pieces:
        """Return the pieces of all parts, in order."""
        names = [field.name for field in fields(cls)]
        return Pieces(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def cut(shards: Sequence[Shard], block_size: int, overlap: int = 0) -> Pieces:
    """Return the documents as pieces of at most block_size positions, in order.

    Args:
        shards: of one split.
        block_size: tokens in a block.
        overlap: tokens of context before every piece but a document's first; below block_size.
    """
    first = 0
    parts = []
    for shard in shards:
        lengths = shard.lengths
        stride = block_size - overlap
        n_pieces = 1 + -(-np.maximum(lengths - block_size, 0) // stride)
        of = np.repeat(np.arange(len(lengths)), n_pieces)
        number = np.arange(len(of)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
        offset = np.where(number > 0, overlap + number * stride, 0)
        room = np.where(number > 0, stride, block_size)
        parts.append(
            Pieces(
                (first + of).astype(np.int32),
                shard.starts[of] + offset,
                np.minimum(room, lengths[of] - offset).astype(np.int32),
                np.where(number > 0, overlap, 0).astype(np.int32),
            )
        )
        first += len(lengths)
    return Pieces.join(parts)
