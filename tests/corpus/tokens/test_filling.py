"""Specifies filling: little padding for few cuts."""

from __future__ import annotations

import numpy as np
import pytest

from textmill.corpus.tokens.best_fit import Bins, best_fit
from textmill.corpus.tokens.filling import MAX_PADDING, fill
from textmill.corpus.tokens.pieces import Pieces


def packed(lengths: list[int], block_size: int, overlap: int = 0) -> tuple[Pieces, Bins]:
    """Documents of these many targets, each whole, filled into blocks."""
    n = len(lengths)
    pieces = Pieces(np.arange(n), np.arange(n) * 1000, np.array(lengths), np.zeros(n, int))
    return fill(pieces, best_fit(pieces.size, block_size), block_size, overlap)


def blocks_of(pieces: Pieces, bins: Bins) -> list[list[tuple[int, ...]]]:
    rows = list(pieces.rows())
    return [
        [rows[item] for item in bins.items[start:end]]
        for start, end in zip(bins.starts, bins.ends, strict=True)
    ]


def test_a_document_is_cut_to_fill_the_room_that_others_leave() -> None:
    # The emptiest block is taken apart: 2 of its tokens fill one block, 4 the other.
    blocks = blocks_of(*packed([8, 6, 6], 10))
    assert blocks == [[(0, 0, 8, 0), (1, 1004, 2, 0)], [(2, 2000, 6, 0), (1, 1000, 4, 0)]]


def test_what_is_left_of_a_document_goes_where_it_fits_exactly() -> None:
    blocks = blocks_of(*packed([9, 8, 7, 6], 10))
    # Without cuts there are four blocks; 6 tokens find room for 3 + 2 + 1.
    assert len(blocks) == 3
    assert sorted(piece[2] for block in blocks for piece in block) == [1, 2, 3, 7, 8, 9]


def test_nothing_is_cut_where_whole_documents_leave_little_room() -> None:
    lengths = [99, 98, 100, 60, 40, 97]
    pieces, bins = packed(lengths, 100)
    assert len(pieces) == len(lengths)
    assert len(bins.ends) == 5


def test_half_full_blocks_are_filled_with_far_fewer_cuts_than_there_are_blocks() -> None:
    lengths = np.random.default_rng(0).integers(55, 128, 5000)
    pieces, bins = packed(lengths.tolist(), 128)
    assert 1 - lengths.sum() / (128 * len(bins.ends)) <= MAX_PADDING
    # One stream of all tokens would be cut between any two blocks.
    assert len(pieces) - len(lengths) < 0.6 * len(bins.ends)


@pytest.mark.parametrize("overlap", [0, 3, 20, 63])
def test_blocks_are_not_too_full_and_hold_every_target_once(overlap: int) -> None:
    lengths = np.random.default_rng(1).integers(33, 64, 400)
    pieces, bins = packed(lengths.tolist(), 64, overlap)
    assert sorted(bins.items.tolist()) == list(range(len(pieces)))
    assert np.add.reduceat(pieces.size[bins.items], bins.starts).max() <= 64
    assert np.bincount(pieces.document, pieces.length).tolist() == lengths.tolist()
    offset = pieces.start - 1000 * pieces.document
    assert (pieces.context == np.minimum(overlap, offset)).all()
    whole = [set() for _ in lengths]
    for document, start, length, _ in pieces.rows():
        whole[document] |= set(range(start, start + length))
    assert [len(tokens) for tokens in whole] == lengths.tolist()


def test_a_piece_that_only_its_context_would_fit_with_gets_a_block_of_its_own() -> None:
    blocks = blocks_of(*packed([60, 60, 60, 60], 64, overlap=40))
    assert sorted(len(block) for block in blocks)[0] == 1
    assert sum(piece[2] for block in blocks for piece in block) == 240
