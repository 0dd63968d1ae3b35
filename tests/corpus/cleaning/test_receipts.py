"""Specifies the statistics of lengths and duplicates of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.corpus.cleaning import receipts as module
from textmill.corpus.cleaning.receipts import read_receipts, write_receipts

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


def near(doc_id: str, text: str, similarity: float) -> dict[str, Any]:
    return dropped("near_duplicate", text, doc_id, similarity)


def exact(doc_id: str, text: str) -> dict[str, Any]:
    return dropped("exact_duplicate", text, doc_id, 1.0)


def dropped(
    reason: str, text: str, doc_id: str | None = None, similarity: float | None = None
) -> dict[str, Any]:
    details = {"duplicate_of": doc_id, "similarity": similarity}
    return {"reason": reason, "text": text, "source": "web", **details}


def kept(doc_id: str, text: str) -> dict[str, Any]:
    return {"doc_id": doc_id, "text": text, "source": "books"}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folders = {
        "train": [kept(A, "first text"), kept("d" * 32, "那" * 9)],
        "validation": [kept(B, "x" * 1000)],
        "rejected": [
            dropped("too_short", "no"),
            near(A, "first texts", 0.9),
            near(A, "first next", 0.65),
            exact(A, "first text"),
            exact(B, "x" * 1000),
            near(A, "first text!", 0.95),
            exact(C, "of one that was not kept"),
        ],
    }
    for name, rows in folders.items():
        (tmp_path / name).mkdir()
        for number in range(2):  # in two shards
            file = tmp_path / name / f"{number:05}.parquet"
            half = rows[number * len(rows) // 2 : (number + 1) * len(rows) // 2]
            pq.write_table(pa.Table.from_pylist(half, pa.Table.from_pylist(rows).schema), file)
    return tmp_path


def test_documents_kept_are_counted_by_their_length_in_characters(corpus: Path) -> None:
    write_receipts(corpus, ("train", "validation"))
    receipts = read_receipts(corpus)
    edges, counts = receipts["length_edges"], receipts["lengths"]
    filled = {edge: count for edge, count in zip(edges, counts, strict=True) if count}
    assert filled == {7: 1, 10: 1, 1000: 1}  # bins from 7 to 9, from 10, from 1,000
    assert edges == sorted(set(edges))
    assert edges[0] == 1


def test_duplicates_are_counted_by_the_document_that_was_kept(corpus: Path) -> None:
    metrics = write_receipts(corpus, ("train", "validation"))
    receipts = read_receipts(corpus)
    assert metrics == {"duplicates/clusters": 3, "duplicates/largest": 4}
    assert receipts["cluster_sizes"] == [[1, 2], [4, 1]]
    first, second, third = receipts["largest_clusters"]
    assert (first["doc_id"], first["exact_duplicate"], first["near_duplicate"]) == (A, 1, 3)
    assert first["kept"] == {"text": "first text", "source": "books"}
    assert first["copy"] == {"text": "first next", "source": "web", "similarity": 0.65}
    assert (second["doc_id"], second["copy"]["similarity"]) == (B, 1.0)
    assert len(second["kept"]["text"]) < 1000
    assert (third["doc_id"], third["kept"]) == (C, None)


def test_only_the_largest_are_shown(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_N_LARGEST", 1)
    write_receipts(corpus, ("train", "validation"))
    assert [item["doc_id"] for item in read_receipts(corpus)["largest_clusters"]] == [A]
