"""The step `tokens`: encodes the corpus into token shards."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from textmill.config import TokensConfig
from textmill.corpus.batching import batches
from textmill.corpus.tokens.corpus_texts import corpus_shards, read_texts
from textmill.corpus.tokens.encoding import Encoder, fast_encoder
from textmill.corpus.tokens.fertility import fertility
from textmill.corpus.tokens.token_shards import DOCUMENTS, read_labels, write_shards
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.files import write_json

SPLITS = ("train", "validation")
ENCODE_BATCH = 512
ENCODE_CHARS = 1 << 20  # lists of token ids take 10 times the memory of their text
METADATA = ["doc_id", "source", "language"]


def tokenize(config: TokensConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Encode both splits of the corpus into shards.

    Args:
        config: empty.
        inputs: `corpus` and `tokenizer`, output folders of the steps `clean` and `tokenizer`; if
            the backbone is audited, `canaries`, documents that follow those of the training split.
        out: an empty folder, for a folder per split and index.json.
    """
    tokenizer = load_tokenizer(inputs["tokenizer"])
    encoder = fast_encoder(tokenizer)
    vocab_size = tokenizer.get_vocab_size()
    dtype: np.dtype[np.unsignedinteger] = np.dtype(np.uint16 if vocab_size <= 2**16 else np.uint32)
    index: dict[str, object] = {"vocab_size": vocab_size, "dtype": dtype.name}
    metrics: dict[str, float] = {}
    corpora = [inputs[name] for name in ("corpus", "canaries") if name in inputs]
    for split in SPLITS:
        folder = out / split
        folder.mkdir()
        totals = _Totals()
        texts = itertools.chain.from_iterable(read_texts(corpus, split) for corpus in corpora)
        write_shards(folder, _encode(encoder, texts, totals), dtype)
        _write_documents([corpus / split for corpus in corpora], folder / DOCUMENTS)
        counts = {
            "documents": len(totals.lengths),
            "tokens": sum(totals.lengths),
            "bytes": totals.n_bytes,
        }
        index[split] = counts
        metrics |= {f"{split}_{name}": count for name, count in counts.items()}
        metrics[f"{split}_bytes_per_token"] = totals.n_bytes / max(1, counts["tokens"])
        if split == "validation":  # a random sample that the tokenizer was not trained on
            languages = read_labels(folder, "language").of_documents
            rows = zip(read_texts(inputs["corpus"], split), languages, totals.lengths, strict=True)
            metrics |= {f"{split}_{name}": value for name, value in fertility(rows).items()}
    write_json(out / "index.json", index)
    write_json(out / "metrics.json", metrics)


@dataclass
class _Totals:
    """Totals of an encoded split."""

    n_bytes: int = 0
    lengths: array[int] = field(default_factory=lambda: array("q"))
    """Number of tokens of each document."""


def _encode(encoder: Encoder, texts: Iterator[str], totals: _Totals) -> Iterator[list[int]]:
    """Yield the token ids of each text, and update the totals."""
    for batch in batches(texts, len, ENCODE_CHARS, ENCODE_BATCH):
        totals.n_bytes += sum(len(text.encode()) for text in batch)
        for ids in encoder(batch):
            totals.lengths.append(len(ids))
            yield ids


def _write_documents(folders: Sequence[Path], file: Path) -> None:
    """Copy the metadata of the documents in some folders, without their texts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in METADATA])
    with pq.ParquetWriter(file, schema) as writer:
        for shard in itertools.chain.from_iterable(map(corpus_shards, folders)):
            writer.write_table(pq.read_table(shard, columns=METADATA).cast(schema))
