"""The texts of a corpus folder, in the order of its shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_texts(corpus: Path, split: str) -> Iterator[str]:
    """Yield the texts of one split of a corpus folder, in the order of its shards."""
    for (texts,) in _read_columns(corpus / split, "text"):
        yield from texts.to_pylist()


def read_sample(corpus: Path, split: str, max_bytes: int) -> Iterator[str]:
    """Yield all texts of one split, or a sample of about `max_bytes` bytes chosen by hash."""
    import pyarrow.compute as pc

    sizes = (pc.sum(pc.binary_length(texts)) for (texts,) in _read_columns(corpus / split, "text"))
    total = sum(size.as_py() or 0 for size in sizes)
    if total <= max_bytes:
        yield from read_texts(corpus, split)
        return
    for texts, ids in _read_columns(corpus / split, "text", "doc_id"):
        for text, doc_id in zip(texts.to_pylist(), ids.to_pylist(), strict=True):
            # Use the end of the id: its beginning determines the split.
            if int(doc_id[-16:], 16) * total < max_bytes << 64:
                yield text


def _read_columns(folder: Path, *names: str) -> Iterator[list[Any]]:
    """Yield columns of a folder's shards by row group, a few megabytes each."""
    import pyarrow.parquet as pq

    for shard in corpus_shards(folder):
        with pq.ParquetFile(shard) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number, columns=list(names)).select(names).columns


def corpus_shards(folder: Path) -> list[Path]:
    """Return the files of one split of a corpus folder, in order."""
    return sorted(folder.glob("*.parquet"))
