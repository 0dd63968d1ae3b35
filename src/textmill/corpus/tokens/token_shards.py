"""Token shards: flat files of token ids with document offsets.

A shard is `END doc END doc END …`: the first token of every document is predicted from an END.
Shards are memory-mapped when read. documents.parquet has the ids and metadata of the documents.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.tokens.tokenizer import END_ID
from textmill.errors import InputError
from textmill.files import read_json

SHARD_TOKENS = 2**26
DOCUMENTS = "documents.parquet"


@dataclass(frozen=True)
class Shard:
    """One shard of token ids."""

    ids: NDArray[np.unsignedinteger]
    """All token ids, including the leading END; memory-mapped."""
    starts: NDArray[np.int64]
    """Index of each document's first token; its END is the token before the next start."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of targets of each document: its tokens and its END."""
        return np.diff(self.starts, append=len(self.ids))


@dataclass(frozen=True)
class Labels:
    """A categorical label of documents, such as their source."""

    names: list[str]
    """The categories that occur, sorted."""
    numbers: NDArray[np.int64]
    """(n_documents,): index of each document's category."""

    @property
    def of_documents(self) -> list[str]:
        """The category of each document."""
        return [self.names[number] for number in self.numbers.tolist()]


def write_shards(
    folder: Path,
    documents: Iterable[list[int]],
    dtype: np.dtype[np.unsignedinteger],
    shard_tokens: int = SHARD_TOKENS,
) -> None:
    """Write documents of token ids as shards of about `shard_tokens` tokens, splitting none."""
    shard = _ShardWriter(dtype, shard_tokens)
    number = 0
    for document in documents:
        shard.add(document)
        if shard.n_tokens >= shard_tokens:
            shard.write(folder / f"{number:05}")
            number += 1
    if shard.n_tokens:
        shard.write(folder / f"{number:05}")


def read_shards(folder: Path) -> list[Shard]:
    """Return the shards of one split, memory-mapped.

    Raises:
        InputError: the folder has no shards.
    """
    files = sorted(folder.glob("*.ids.npy"))
    if not files:
        raise InputError(f"{folder} has no token shards: run the tokens step again.")
    return [
        Shard(
            np.load(file, mmap_mode="r"),
            np.load(file.with_name(file.name.replace(".ids.", ".starts."))),
        )
        for file in files
    ]


def read_ids(folder: Path, documents: Sequence[int]) -> list[str]:
    """Return the ids of documents of one split, by their indices."""
    import pyarrow.parquet as pq

    column = pq.read_table(folder / DOCUMENTS, columns=["doc_id"])["doc_id"]
    ids: list[str] = column.take(list(documents)).to_pylist()
    return ids


def read_labels(folder: Path, column: str) -> Labels:
    """Return the source or language of every document of one split, in order."""
    import pyarrow.parquet as pq

    table = pq.read_table(folder / DOCUMENTS, columns=[column], read_dictionary=[column])
    coded = table[column].unify_dictionaries().combine_chunks()
    names = coded.dictionary.to_pylist()
    ranks = np.argsort(np.argsort(names))
    return Labels(sorted(names), ranks[coded.indices.to_numpy()])


def read_index(tokens: Path) -> dict[str, Any]:
    """Return the index of a tokens folder: vocab_size, and the counts of each split."""
    index: dict[str, Any] = read_json(tokens / "index.json")
    return index


class _ShardWriter:
    """Accumulates one shard in arrays of the size of its files."""

    def __init__(self, dtype: np.dtype[np.unsignedinteger], shard_tokens: int) -> None:
        self._ids = np.empty(shard_tokens + 1, dtype)  # memory is only allocated on writing
        self._ids[0] = END_ID
        self._starts = array("q")
        self.n_tokens = 0
        """Including the END token of each document."""

    def add(self, document: list[int]) -> None:
        start = 1 + self.n_tokens
        self.n_tokens += len(document) + 1
        if self.n_tokens >= len(self._ids):
            more = np.empty(len(document) + 1, self._ids.dtype)
            self._ids = np.concatenate((self._ids[:start], more))
        self._starts.append(start)
        self._ids[start : self.n_tokens] = document
        self._ids[self.n_tokens] = END_ID

    def write(self, stem: Path) -> None:
        """Write the files of the shard, and start a new one."""
        np.save(stem.with_name(f"{stem.name}.ids.npy"), self._ids[: self.n_tokens + 1])
        np.save(stem.with_name(f"{stem.name}.starts.npy"), np.array(self._starts, np.int64))
        self._starts = array("q")
        self.n_tokens = 0
