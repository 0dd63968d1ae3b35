"""Specifies the encoding of a corpus: its documents, their counts and their metadata."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.tokens.conftest import documents_of
from textmill.config import TokenizerConfig, TokensConfig
from textmill.corpus.tokens.corpus_tokens import tokenize
from textmill.corpus.tokens.token_shards import read_ids, read_index, read_labels, read_shards
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer

TEXTS = {
    "train": ["The cat sat on the mat.\n", "那只猫", "", "a <|endoftext|> b", "🐈" * 30] * 120,
    "validation": ["The mat.", "[EMAIL]"],
}


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


def test_the_metadata_of_documents_is_kept(folders: dict[str, Path]) -> None:
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
    assert len(files) == 2 * 3 + 2
    for file in files:
        assert (tmp_path / file).read_bytes() == (folders["tokens"] / file).read_bytes()
