from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from textmill.config import SampleConfig
from textmill.sample.generate import generate
from textmill.sample.opinions import SENTIMENTS
from textmill.sample.topic_patterns import TOPICS

SMALL = {"n_documents": 100, "n_train": 20, "n_test": 20}


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def generated(folder: Path, seed: int) -> dict[str, bytes]:
    folder.mkdir()
    generate(SampleConfig(seed=seed, **SMALL), {}, folder)
    return files(folder)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    assert generated(tmp_path / "one", 5) == generated(tmp_path / "two", 5)


def test_another_seed_gives_other_text_in_every_file(tmp_path):
    one, two = generated(tmp_path / "one", 5), generated(tmp_path / "two", 6)
    assert one.keys() == two.keys()
    assert not [name for name in one if one[name] == two[name]]


def test_the_layout_is_as_documented(sample):
    names = {name for name in files(sample.folder) if not name.startswith("text/notes/")}
    assert names == {
        "planted.json",
        "text/articles.jsonl.gz",
        "text/reviews.csv",
        "text/letters.parquet",
        "topic/train.jsonl",
        "topic/test.jsonl",
        "sentiment/train.jsonl",
        "sentiment/test.jsonl",
    }
    assert len(list((sample.folder / "text/notes").glob("*.txt"))) == 36
    assert pq.read_schema(sample.folder / "text/letters.parquet").names == ["body"]
    assert (sample.folder / "text/reviews.csv").read_bytes().startswith(b"review,id\n")
    assert sample.article_lines[0].startswith('{"text": "')


def test_there_are_as_many_documents_as_configured(sample):
    counts = {source: len(texts) for source, texts in sample.raw.items()}
    assert counts == sample.planted["documents"]
    assert sum(counts.values()) == 1005


@pytest.mark.parametrize("task", ["topic", "sentiment"])
def test_there_are_as_many_rows_as_configured_and_no_two_are_the_same(sample, task):
    train = [row["text"] for row in sample.rows(task, "train")]
    test = [row["text"] for row in sample.rows(task, "test")]
    assert (len(train), len(test)) == (600, 300)
    assert len(set(train + test)) == 900


@pytest.mark.parametrize(("task", "labels"), [("topic", TOPICS), ("sentiment", SENTIMENTS)])
@pytest.mark.parametrize("split", ["train", "test"])
def test_labels_are_nearly_balanced(sample, task, labels, split):
    counts = Counter(row["label"] for row in sample.rows(task, split))
    assert set(counts) == set(labels)
    fair = counts.total() / len(labels)
    assert all(0.8 * fair < count < 1.2 * fair for count in counts.values())


@pytest.mark.parametrize("task", ["topic", "sentiment"])
def test_no_test_text_is_in_the_raw_text(sample, task):
    raw = "\n".join(text for texts in sample.raw.values() for text in texts)
    assert not [row for row in sample.rows(task, "test") if row["text"] in raw]
