"""Specifies the reading of a corpus: the order of its texts, and samples of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.tokens.conftest import write_corpus
from textmill.corpus.tokens.corpus_texts import read_sample, read_texts


def test_texts_are_read_in_the_order_of_the_shards(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, ["b", "a"], ["d", "c"])
    assert list(read_texts(corpus, "train")) == ["b", "a", "d", "c"]
    assert list(read_texts(corpus, "validation")) == []


def test_the_sample_of_a_large_corpus_does_not_depend_on_its_shards(
    tmp_path: Path,
) -> None:
    ids = [hashlib.blake2b(str(n).encode(), digest_size=16).hexdigest() for n in range(2000)]
    texts = [f"文 {n:04}." for n in range(2000)]  # of 9 bytes
    taken = []
    for name, cuts in (("one", [2000]), ("many", [1, 700, 2000])):
        (tmp_path / name / "train").mkdir(parents=True)
        for start, end in zip([0, *cuts], cuts, strict=False):
            table = pa.table({"text": texts[start:end], "doc_id": ids[start:end]})
            file = tmp_path / name / "train" / f"{end:05}.parquet"
            pq.write_table(table, file, row_group_size=300)
        taken.append(list(read_sample(tmp_path / name, "train", 6000)))
        assert list(read_sample(tmp_path / name, "train", 9 * 2000)) == texts
    assert taken[0] == taken[1]
    assert sum(len(text.encode()) for text in taken[0]) == pytest.approx(6000, rel=0.1)
    assert {int(text[2:6]) // 500 for text in taken[0]} == {0, 1, 2, 3}
