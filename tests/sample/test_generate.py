from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from textmill.config import SampleConfig
from textmill.sample.generate import generate
from textmill.sample.language.news import TOPICS
from textmill.sample.opinions import SENTIMENTS

COLUMNS = {
    "topic": ("text", "label"),
    "sentiment": ("text", "label"),
    "ner": ("tokens", "ner_tags"),
    "qa": ("context", "question", "answers"),
    "entailment": ("premise", "hypothesis", "label"),
    "chat": ("messages",),
    "subjects": ("text", "labels"),
    "translation-de": ("source", "target"),
    "translation-zh": ("source", "target"),
}

SMALL = {"n_documents": 100, "n_train": 20, "n_test": 20}


def without_blanks(text: str) -> str:
    return "".join(text.split())


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
        "text/german.txt",
        "text/chinese.txt",
        *(f"{task}/{split}.jsonl" for task in COLUMNS for split in ("train", "test")),
    }
    assert len(list((sample.folder / "text/notes").glob("*.txt"))) == 36
    assert pq.read_schema(sample.folder / "text/letters.parquet").names == ["body"]
    assert (sample.folder / "text/reviews.csv").read_bytes().startswith(b"review,id\n")
    assert sample.article_lines[0].startswith('{"text": "')


def test_there_are_as_many_documents_as_configured(sample):
    counts = {source: len(texts) for source, texts in sample.raw.items()}
    assert counts == sample.planted["documents"]
    assert counts == {
        "articles": 331,  # 33 of 100, rounded down
        "reviews": 251,  # up to 58 of 100 with those before, and so on
        "notes": 161,
        "letters": 81,
        "german": 120,
        "chinese": 61,
    }
    assert sum(counts.values()) == 1005


@pytest.mark.parametrize("task", COLUMNS)
def test_there_are_as_many_rows_as_configured_and_no_two_are_the_same(sample, task):
    first = {"entailment": 2}.get(task, 1)  # a premise may have several hypotheses
    train, test = (
        [str([row[name] for name in COLUMNS[task][:first]]) for row in sample.rows(task, split)]
        for split in ("train", "test")
    )
    n_train = 600 if task in ("topic", "sentiment", "ner", "subjects") else 1200
    assert (len(train), len(test)) == (n_train, 300)
    assert len(set(train + test)) == n_train + 300


@pytest.mark.parametrize("task", COLUMNS)
def test_rows_have_the_columns_of_the_task(sample, task):
    for split in ("train", "test"):
        assert all(tuple(row) == COLUMNS[task] for row in sample.rows(task, split))


@pytest.mark.parametrize(("task", "labels"), [("topic", TOPICS), ("sentiment", SENTIMENTS)])
@pytest.mark.parametrize("split", ["train", "test"])
def test_labels_are_nearly_balanced(sample, task, labels, split):
    counts = Counter(row["label"] for row in sample.rows(task, split))
    assert set(counts) == set(labels)
    fair = counts.total() / len(labels)
    assert all(0.8 * fair < count < 1.2 * fair for count in counts.values())


def joined(value):
    if isinstance(value, list) and isinstance(value[0], dict):
        return " ".join(message["content"] for message in value)
    return "".join(value)


@pytest.mark.parametrize("task", COLUMNS)
def test_no_test_text_is_in_the_raw_text(sample, task):
    raw = "\n".join(without_blanks(text) for texts in sample.raw.values() for text in texts)
    columns = ("text", "tokens", "target", "context", "premise", "messages")
    *_, column = [name for name in COLUMNS[task] if name in columns]
    texts = [joined(row[column]) for row in sample.rows(task, "test")]
    assert not [text for text in texts if without_blanks(text) in raw]
