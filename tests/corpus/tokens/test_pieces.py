"""Specifies how documents are cut to the size of a block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from textmill.corpus.tokens.pieces import Pieces, cut
from textmill.corpus.tokens.token_shards import read_shards, write_shards

UINT16 = np.dtype(np.uint16)


def pieces_of(folder: Path, lengths: list[int], block_size: int, overlap: int = 0) -> Pieces:
    """Documents of these many tokens, and an END each, cut."""
    write_shards(folder, [[9] * length for length in lengths], UINT16, shard_tokens=8)
    return cut(read_shards(folder), block_size, overlap)


def test_a_long_document_is_cut_into_consecutive_pieces(tmp_path: Path) -> None:
    pieces = pieces_of(tmp_path, [2, 9], 4)
    # Two tokens and an END, then nine and an END, in one shard. document, start, length, context:
    assert list(pieces.rows()) == [(0, 1, 3, 0), (1, 4, 4, 0), (1, 8, 4, 0), (1, 12, 2, 0)]


def test_with_an_overlap_pieces_begin_with_context(tmp_path: Path) -> None:
    pieces = pieces_of(tmp_path, [2, 9], 4, overlap=1)
    assert list(pieces.rows()) == [(0, 1, 3, 0), (1, 4, 4, 0), (1, 8, 3, 1), (1, 11, 3, 1)]


def test_starts_count_anew_in_every_shard_and_documents_go_on(tmp_path: Path) -> None:
    pieces = pieces_of(tmp_path, [7, 2], 4)
    assert list(pieces.rows()) == [(0, 1, 4, 0), (0, 5, 4, 0), (1, 1, 3, 0)]


@pytest.mark.parametrize(("length", "pieces"), [(0, [1]), (3, [4]), (4, [4, 1]), (7, [4, 4])])
def test_pieces_cover_a_document_and_its_end(
    tmp_path: Path, length: int, pieces: list[int]
) -> None:
    assert pieces_of(tmp_path, [length], 4).length.tolist() == pieces


@pytest.mark.parametrize("overlap", [0, 1, 5, 11])
def test_no_piece_is_longer_than_a_block_and_together_they_are_the_documents(
    tmp_path: Path, overlap: int
) -> None:
    lengths = list(range(60))
    pieces = pieces_of(tmp_path, lengths, 12, overlap)
    assert pieces.size.max() == 12
    assert np.bincount(pieces.document, pieces.length).tolist() == [n + 1 for n in lengths]
    is_first = np.diff(pieces.document, prepend=-1) > 0
    assert (pieces.context == np.where(is_first, 0, overlap)).all()
