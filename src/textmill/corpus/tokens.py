"""Token shards: flat files of token ids with the places where documents begin.

A shard is `END doc END doc END …`, so that the token before every document is an END: the first
token of a document is predicted from it. Shards are memory-mapped when they are read. Beside them,
documents.parquet says which document is which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.config import TokensConfig
from textmill.corpus.encoding import Encoder, fast_encoder
from textmill.corpus.tokenizer import END_ID, corpus_shards, load_tokenizer, read_texts
from textmill.errors import InputError
from textmill.files import read_json, write_json

SPLITS = ("train", "validation")
SHARD_TOKENS = 2**26
ENCODE_BATCH = 512
DOCUMENTS = "documents.parquet"
ABOUT = ["doc_id", "source", "language"]


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
    """What documents are sorted by, such as their sources."""

    names: list[str]
    """Those that occur, sorted."""
    numbers: NDArray[np.int64]
    """(n_documents,): which of the names each document has."""


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
            _plot_lengths(totals.lengths, out / "token_lengths.png")
    write_json(out / "index.json", index)
    write_json(out / "metrics.json", metrics)


def write_shards(
    folder: Path,
    documents: Iterable[list[int]],
    dtype: np.dtype[np.unsignedinteger],
    shard_tokens: int = SHARD_TOKENS,
) -> None:
    """Write documents of token ids as shards of about that many tokens; none is split."""
    parts: list[list[int]] = []
    size = number = 0
    for document in documents:
        parts.append(document)
        size += len(document) + 1
        if size >= shard_tokens:
            _write_shard(folder / f"{number:05}", parts, dtype)
            parts, size, number = [], 0, number + 1
    if parts:
        _write_shard(folder / f"{number:05}", parts, dtype)


def read_shards(folder: Path) -> list[Shard]:
    """Return the shards of one split, memory-mapped.

    Raises:
        InputError: the folder holds none.
    """
    files = sorted(folder.glob("*.ids.npy"))
    if not files:
        raise InputError(f"{folder} holds no token shards.")
    return [
        Shard(
            np.load(file, mmap_mode="r"),
            np.load(file.with_name(file.name.replace(".ids.", ".starts."))),
        )
        for file in files
    ]


def read_ids(folder: Path, documents: Sequence[int]) -> list[str]:
    """Return the ids of some documents of one split, given by their numbers."""
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
    """Return what a tokens folder holds: vocab_size, and the counts of each split."""
    index: dict[str, Any] = read_json(tokens / "index.json")
    return index


@dataclass
class _Totals:
    """What an encoding has seen."""

    n_bytes: int = 0
    lengths: list[int] = field(default_factory=list)
    """Tokens of every document."""


def _encode(encoder: Encoder, texts: Iterator[str], totals: _Totals) -> Iterator[list[int]]:
    """Yield the token ids of every text, counting along."""
    while batch := list(islice(texts, ENCODE_BATCH)):
        totals.n_bytes += sum(len(text.encode()) for text in batch)
        for ids in encoder(batch):
            totals.lengths.append(len(ids))
            yield ids


def _write_documents(corpus: Path, file: Path) -> None:
    """Copy what is said of the documents, without their texts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in ABOUT])
    with pq.ParquetWriter(file, schema) as writer:
        for shard in corpus_shards(corpus):
            writer.write_table(pq.read_table(shard, columns=ABOUT).cast(schema))


def _write_shard(
    stem: Path, documents: list[list[int]], dtype: np.dtype[np.unsignedinteger]
) -> None:
    lengths = np.fromiter((len(document) + 1 for document in documents), np.int64, len(documents))
    starts = np.concatenate(([1], 1 + np.cumsum(lengths)[:-1]))
    ids = np.full(1 + lengths.sum(), END_ID, dtype)
    for start, document in zip(starts, documents, strict=True):
        ids[start : start + len(document)] = document
    np.save(stem.with_name(f"{stem.name}.ids.npy"), ids)
    np.save(stem.with_name(f"{stem.name}.starts.npy"), starts.astype(np.int64))


def _plot_lengths(lengths: list[int], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    longest = max(lengths, default=1)
    axes.hist(lengths, bins=np.geomspace(1, longest + 1, 40).tolist())
    axes.set(xscale="log", xlabel="tokens in a document", ylabel="documents")
    figure.savefig(file, metadata={"Software": None})
