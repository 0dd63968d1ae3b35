"""Specifies token shards: their layout, and that no document is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.tokens.conftest import documents_of
from textmill.corpus.tokens.token_shards import read_shards, write_shards
from textmill.errors import InputError

UINT16 = np.dtype(np.uint16)


def test_documents_in_a_shard_are_separated_by_end_tokens(tmp_path: Path) -> None:
    write_shards(tmp_path, [[7, 8], [], [9]], UINT16)
    [shard] = read_shards(tmp_path)
    assert shard.ids.tolist() == [0, 7, 8, 0, 0, 9, 0]
    assert shard.starts.tolist() == [1, 4, 5]


def test_a_shard_is_closed_by_the_document_that_fills_it(tmp_path: Path) -> None:
    write_shards(tmp_path, [[5, 6, 7], [8] * 9, [9]], UINT16, shard_tokens=4)
    shards = read_shards(tmp_path)
    assert [shard.ids.tolist() for shard in shards] == [
        [0, 5, 6, 7, 0],
        [0, *[8] * 9, 0],
        [0, 9, 0],
    ]


@given(
    documents=st.lists(st.lists(st.integers(5, 300), max_size=12), min_size=1, max_size=20),
    shard_tokens=st.integers(1, 40),
)
def test_documents_are_read_in_order(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[int]], shard_tokens: int
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder, documents, UINT16, shard_tokens)
    shards = read_shards(folder)
    assert documents_of(shards) == documents
    for shard in shards:
        assert shard.ids[shard.starts - 1].tolist() == [0] * len(shard.starts)
        assert shard.ids[-1] == 0


@pytest.mark.parametrize(("dtype", "token"), [(np.uint16, 2**16 - 1), (np.uint32, 2**16)])
def test_the_largest_token_id_fits(
    tmp_path: Path, dtype: type[np.unsignedinteger], token: int
) -> None:
    write_shards(tmp_path, [[token]], np.dtype(dtype))
    [shard] = read_shards(tmp_path)
    assert shard.ids.dtype == dtype
    assert shard.ids.tolist() == [0, token, 0]


def test_shards_are_memory_mapped(tmp_path: Path) -> None:
    write_shards(tmp_path, [[7]], UINT16)
    assert isinstance(read_shards(tmp_path)[0].ids, np.memmap)


def test_a_folder_without_shards_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no token shards"):
        read_shards(tmp_path)
