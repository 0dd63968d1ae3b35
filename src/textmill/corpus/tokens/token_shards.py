"""Token shards: flat files of token ids with document offsets.

A shard is `END doc END doc END …`: the first token of every document is predicted from an END.
Shards are memory-mapped when read. documents.parquet has the ids and metadata of the documents.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.config import TokensConfig
from textmill.corpus.batching import batches
from textmill.corpus.tokens.encoding import Encoder, fast_encoder
from textmill.corpus.tokens.fertility import fertility
from textmill.corpus.tokens.tokenizer import END_ID, corpus_shards, load_tokenizer, read_texts
from textmill.errors import InputError, best_effort
from textmill.files import read_json, write_json

SPLITS = ("train", "validation")
SHARD_TOKENS = 2**26
ENCODE_BATCH = 512
ENCODE_CHARS = 1 << 20  # lists of token ids take 10 times the memory of their text
DOCUMENTS = "documents.parquet"
METADATA_COLUMNS = ["doc_id", "source", "language"]


@dataclass(frozen=True)
class Shard:
    """One shard of token ids."""

    ids: NDArray[np.unsignedinteger]
    """All token ids, the leading END included; memory-mapped."""
    starts: NDArray[np.int64]
    """Index of each document's first token; its END is the token before the next start."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Targets of each document: its tokens and its END."""
        return np.diff(self.starts, append=len(self.ids))


@dataclass(frozen=True)
class Labels:
    """A categorical label of documents, such as their source."""

    names: list[str]
    """The categories that occur, sorted."""
    numbers: NDArray[np.int64]
    """(n_documents,): index of each document's category."""


def tokenize(config: TokensConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Encode both splits of the corpus into shards.

    Args:
        config: empty.
        inputs: `corpus` and `tokenizer`, folders of those steps.
        out: an empty folder; gets a folder for each split, index.json and a histogram.
    """
    tokenizer = load_tokenizer(inputs["tokenizer"])
    encoder = fast_encoder(tokenizer)
    vocab_size = tokenizer.get_vocab_size()
    dtype: np.dtype[np.unsignedinteger] = np.dtype(np.uint16 if vocab_size <= 2**16 else np.uint32)
    index: dict[str, object] = {"vocab_size": vocab_size, "dtype": dtype.name}
    metrics: dict[str, float] = {}
    for split in SPLITS:
        folder = out / split
        folder.mkdir()
        totals = _Totals()
        write_shards(folder, _encode(encoder, read_texts(inputs["corpus"], split), totals), dtype)
        _write_documents(inputs["corpus"] / split, folder / DOCUMENTS)
        counts = {
            "documents": len(totals.lengths),
            "tokens": sum(totals.lengths),
            "bytes": totals.n_bytes,
        }
        index[split] = counts
        metrics |= {f"{split}_{name}": count for name, count in counts.items()}
        metrics[f"{split}_bytes_per_token"] = totals.n_bytes / max(1, counts["tokens"])
        if split == "train":
            with best_effort("the plot of token lengths"):
                _plot_lengths(totals.lengths, out / "token_lengths.png")
        else:  # a random sample that the tokenizer was not trained on
            labels = read_labels(folder, "language")
            languages = [labels.names[number] for number in labels.numbers]
            rows = zip(read_texts(inputs["corpus"], split), languages, totals.lengths, strict=True)
            metrics |= {f"{split}_{name}": value for name, value in fertility(rows).items()}
    write_json(out / "index.json", index)
    write_json(out / "metrics.json", metrics)


def write_shards(
    folder: Path,
    documents: Iterable[list[int]],
    dtype: np.dtype[np.unsignedinteger],
    shard_tokens: int = SHARD_TOKENS,
) -> None:
    """Write documents of token ids as shards of about shard_tokens; no document is split."""
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
        InputError: the folder holds none.
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
    """Return the ids of documents of one split, by their numbers."""
    import pyarrow.parquet as pq

    column = pq.read_table(folder / DOCUMENTS, columns=["doc_id"])["doc_id"]
    ids: list[str] = column.take(list(documents)).to_pylist()
    return ids


def read_labels(folder: Path, column: str) -> Labels:
    """Return the source or the language of every document of one split, in its order."""
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


@dataclass
class _Totals:
    """Totals of encoded documents."""

    n_bytes: int = 0
    lengths: array[int] = field(default_factory=lambda: array("q"))
    """Tokens of every document."""


def _encode(encoder: Encoder, texts: Iterator[str], totals: _Totals) -> Iterator[list[int]]:
    """Yield the token ids of every text, updating the totals."""
    for batch in batches(texts, len, ENCODE_CHARS, ENCODE_BATCH):
        totals.n_bytes += sum(len(text.encode()) for text in batch)
        for ids in encoder(batch):
            totals.lengths.append(len(ids))
            yield ids


def _write_documents(corpus: Path, file: Path) -> None:
    """Copy the documents' metadata without their texts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in METADATA_COLUMNS])
    with pq.ParquetWriter(file, schema) as writer:
        for shard in corpus_shards(corpus):
            writer.write_table(pq.read_table(shard, columns=METADATA_COLUMNS).cast(schema))


class _ShardWriter:
    """Accumulates one shard in arrays of the size of its files."""

    def __init__(self, dtype: np.dtype[np.unsignedinteger], shard_tokens: int) -> None:
        self._ids = np.empty(shard_tokens + 1, dtype)  # pages take memory once written
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


def _plot_lengths(lengths: Sequence[int], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    longest = max(lengths, default=1)
    axes.hist(lengths, bins=np.geomspace(1, longest + 1, 40).tolist())
    axes.set(xscale="log", xlabel="tokens in a document", ylabel="documents")
    figure.savefig(file, metadata={"Software": None})
