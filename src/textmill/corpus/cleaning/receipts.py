"""Statistics of a corpus for the data page: lengths of documents, clusters of duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from textmill.files import read_json, write_json

NAME = "receipts.json"
DUPLICATES = ("exact_duplicate", "near_duplicate")
"""Reasons that refer to an earlier document."""

LENGTH_EDGES = sorted({round(10 ** (eighth / 8)) for eighth in range(73)})
"""Lower edges of the length bins in characters: eight per decade, up to a billion."""

_N_LARGEST = 5
_TEXT_CHARS = 600
_BATCH_ROWS = 1000


def write_receipts(corpus: Path, splits: Sequence[str]) -> dict[str, int]:
    """Write receipts.json to the folder of a corpus; return the counts that are metrics.

    Args:
        corpus: folder with the shards of `rejected` and of the splits.
        splits: names of the folders of kept documents.
    """
    copies = _count_copies(corpus / "rejected")
    sizes = Counter(counts.total() for counts in copies.values())
    by_size = sorted(copies, key=lambda doc_id: (-copies[doc_id].total(), doc_id))
    largest = {doc_id: copies[doc_id] for doc_id in by_size[:_N_LARGEST]}
    lengths = np.zeros(len(LENGTH_EDGES), np.int64)
    kept: dict[str, dict[str, Any]] = {}
    for split in splits:
        for batch in _batches(corpus / split, ["text", "source", "doc_id"]):
            lengths += _count_lengths(batch.column("text"))
            wanted = pc.is_in(batch.column("doc_id"), value_set=pa.array(largest, pa.string()))
            for row in batch.filter(wanted).to_pylist():
                kept[row["doc_id"]] = _shown(row)
    examples = _least_similar(corpus / "rejected", set(largest))
    clusters = [
        {
            "doc_id": doc_id,
            **{reason: counts[reason] for reason in DUPLICATES},
            "kept": kept.get(doc_id),
            "copy": examples[doc_id],
        }
        for doc_id, counts in largest.items()
    ]
    receipts = {
        "length_edges": LENGTH_EDGES,
        "lengths": lengths.tolist(),
        "cluster_sizes": sorted(sizes.items()),
        "largest_clusters": clusters,
    }
    write_json(corpus / NAME, receipts)
    return {"duplicates/clusters": len(copies), "duplicates/largest": max(sizes, default=0)}


def read_receipts(corpus: Path) -> dict[str, Any]:
    """Return the statistics written by `write_receipts`.

    Returns:
        `length_edges`, the lower edges of length bins in characters, and `lengths`, the number of
        kept documents in each; `cluster_sizes`, pairs of a number of copies and the number of
        documents with so many; `largest_clusters`: the id of the kept document, its numbers of
        `exact_duplicate` and `near_duplicate` copies, its text (`kept`; None if it was itself
        rejected as a near duplicate, before exact copies of it) and the least similar copy
        (`copy`).
    """
    receipts: dict[str, Any] = read_json(corpus / NAME)
    return receipts


def _batches(folder: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for shard in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(shard) as file:
            yield from file.iter_batches(_BATCH_ROWS, columns=columns)


def _count_copies(rejected: Path) -> dict[str, Counter[str]]:
    """Return the number of duplicates of each document, by reason."""
    copies: dict[str, Counter[str]] = {}
    for batch in _batches(rejected, ["reason", "duplicate_of"]):
        for row in _duplicates(batch).to_pylist():
            counts = copies.setdefault(row["duplicate_of"], Counter())
            counts[row["reason"]] += 1
    return copies


def _duplicates(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.filter(pc.is_in(batch.column("reason"), value_set=pa.array(DUPLICATES)))


def _least_similar(rejected: Path, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """Return the least similar copy of each document, which shows the filter's precision best."""
    found: dict[str, dict[str, Any]] = {}
    columns = ["reason", "duplicate_of", "similarity", "text", "source"]
    for batch in _batches(rejected, columns):
        for row in _duplicates(batch).to_pylist():
            doc_id, similarity = row["duplicate_of"], row["similarity"]
            if doc_id in wanted and (
                doc_id not in found or similarity < found[doc_id]["similarity"]
            ):
                found[doc_id] = _shown(row) | {"similarity": similarity}
    return found


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {"text": row["text"][:_TEXT_CHARS], "source": row["source"]}


def _count_lengths(texts: pa.Array) -> NDArray[np.int64]:
    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    bins = np.searchsorted(LENGTH_EDGES, lengths, side="right") - 1
    return np.bincount(bins, minlength=len(LENGTH_EDGES)).astype(np.int64)
