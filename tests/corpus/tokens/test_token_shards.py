"""Specifies token shards: their layout, their counts, and that no document is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.config import TokenizerConfig, TokensConfig
from textmill.corpus.tokens.token_shards import (
    Shard,
    read_ids,
    read_index,
    read_labels,
    read_shards,
    tokenize,
    write_shards,
)
from textmill.corpus.tokens.tokenizer import load_tokenizer, train_tokenizer
from textmill.errors import InputError

TEXTS = {
    "train": ["The cat sat on the mat.\n", "那只猫", "", "a <|endoftext|> b", "🐈" * 30] * 120,
    "validation": ["The mat.", "[EMAIL]"],
}
UINT16 = np.dtype(np.uint16)


def documents_of(shards: list[Shard]) -> list[list[int]]:
    """The documents without their ENDs, from the starts alone."""
    return [
        shard.ids[start : end - 1].tolist()
        for shard in shards
        for start, end in zip(shard.starts, [*shard.starts[1:], len(shard.ids)], strict=True)
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("tokens")
    folders = {name: base / name for name in ("corpus", "tokenizer", "tokens")}
    for split, texts in TEXTS.items():
        (folders["corpus"] / split).mkdir(parents=True)
        for shard, part in enumerate((texts[:1], texts[1:])):
            about = {
                "doc_id": [f"{split} {shard} {number}" for number in range(len(part))],
                "source": ["songs" if number % 2 else "books" for number in range(len(part))],
                "language": ["und"] * len(part),
            }
            file = folders["corpus"] / split / f"{shard:05}.parquet"
            pq.write_table(pa.table({"text": part, **about}), file)
    folders["tokenizer"].mkdir()
    folders["tokens"].mkdir()
    train_tokenizer(TokenizerConfig(vocab_size=300), folders, folders["tokenizer"])
    tokenize(TokensConfig(), folders, folders["tokens"])
    return folders


def test_it_is_kept_which_document_is_which(folders: dict[str, Path]) -> None:
    for split, texts in TEXTS.items():
        rest = [f"{split} 1 {number}" for number in range(len(texts) - 1)]
        ids = read_ids(folders["tokens"] / split, range(len(texts)))
        assert ids == [f"{split} 0 0", *rest]
        assert read_ids(folders["tokens"] / split, [1, 0]) == [ids[1], ids[0]]
        sources = read_labels(folders["tokens"] / split, "source")
        assert [sources.names[number] for number in sources.numbers] == [
            "books",
            *("songs" if number % 2 else "books" for number in range(len(rest))),
        ]


def test_a_shard_is_documents_between_ends(tmp_path: Path) -> None:
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
def test_every_document_comes_back_in_order(
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


def test_shards_are_mapped_and_not_read(tmp_path: Path) -> None:
    write_shards(tmp_path, [[7]], UINT16)
    assert isinstance(read_shards(tmp_path)[0].ids, np.memmap)


@pytest.mark.parametrize("split", TEXTS)
def test_decoding_the_documents_gives_the_corpus(folders: dict[str, Path], split: str) -> None:
    tokenizer = load_tokenizer(folders["tokenizer"])
    documents = documents_of(read_shards(folders["tokens"] / split))
    assert [tokenizer.decode(ids) for ids in documents] == TEXTS[split]


@pytest.mark.parametrize("split", TEXTS)
def test_the_index_counts_documents_tokens_and_bytes(folders: dict[str, Path], split: str) -> None:
    tokenizer = load_tokenizer(folders["tokenizer"])
    index = read_index(folders["tokens"])
    assert (index["vocab_size"], index["dtype"]) == (300, "uint16")
    assert index[split] == {
        "documents": len(TEXTS[split]),
        "tokens": sum(len(tokenizer.encode(text).ids) for text in TEXTS[split]),
        "bytes": len("".join(TEXTS[split]).encode()),
    }
    shards = read_shards(folders["tokens"] / split)
    n_ends = index[split]["documents"] + len(shards)
    assert sum(len(shard.ids) for shard in shards) == index[split]["tokens"] + n_ends


def test_two_runs_write_the_same_bytes(folders: dict[str, Path], tmp_path: Path) -> None:
    tokenize(TokensConfig(), folders, tmp_path)
    files = [f.relative_to(tmp_path) for f in sorted(tmp_path.rglob("*")) if f.is_file()]
    assert len(files) == 2 * 3 + 3
    for file in files:
        assert (tmp_path / file).read_bytes() == (folders["tokens"] / file).read_bytes()


def test_a_folder_without_shards_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no token shards"):
        read_shards(tmp_path)
