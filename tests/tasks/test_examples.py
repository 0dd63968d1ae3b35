"""Specifies reading labelled examples: every error says where and what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.config import ClassificationConfig
from textmill.errors import InputError
from textmill.files import digest_file
from textmill.tasks.classification import read_examples
from textmill.tasks.examples import digest_split, location

GOOD: list[Any] = [{"text": "fine", "label": "good"}, {"text": "poor", "label": "bad"}]


def task(folder: Path, rows: list[Any], **further: Any) -> ClassificationConfig:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "train.jsonl").write_text("".join(f"{line}\n" for line in lines))
    values = {
        "kind": "classification",
        "name": "mood",
        "train": str(folder / "train.jsonl"),
        "test": str(folder / "missing.jsonl"),
    }
    return ClassificationConfig.model_validate(values | further)


def test_examples_come_in_order_with_their_place(tmp_path: Path) -> None:
    examples = read_examples(task(tmp_path, GOOD), "train")
    file = tmp_path / "train.jsonl"
    assert [(e.text, e.label, e.place) for e in examples] == [
        ("fine", "good", f"{file}:1"),
        ("poor", "bad", f"{file}:2"),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"text": "x", "label', ""),
        ("[1, 2]", ""),
        ({"text": " ", "label": "good"}, "column 'text' holds no text"),
        ({"text": 7, "label": "good"}, "column 'text' holds no text"),
        ({"text": None, "label": "good"}, "column 'text' holds no text"),
        ({"text": "x", "label": ""}, "column 'label' holds no label"),
        ({"text": "x", "label": None}, "column 'label' holds no label"),
        ({"text": "x", "label": 0.5}, "column 'label' holds no label"),
        ({"text": "x", "label": ["good"]}, "column 'label' holds no label"),
    ],
)
def test_a_bad_record_is_named_by_file_and_line(tmp_path: Path, row: Any, reason: str) -> None:
    config = task(tmp_path, [*GOOD, row])
    message = rf"train.jsonl:3: .*{reason}.*1 of 3 records.*tasks.mood.max_bad_share"
    with pytest.raises(InputError, match=message):
        read_examples(config, "train")


def test_a_share_of_bad_records_is_let_through(tmp_path: Path) -> None:
    rows = [*GOOD, {"text": "", "label": "bad"}, *GOOD]
    examples = read_examples(task(tmp_path, rows, max_bad_share=0.2), "train")
    assert (len(examples), examples.n_bad) == (4, 1)
    with pytest.raises(InputError, match="1 of 5"):
        read_examples(task(tmp_path, rows, max_bad_share=0.19), "train")


@pytest.mark.parametrize("column", ["text", "label"])
def test_a_missing_column_is_named_with_its_setting(tmp_path: Path, column: str) -> None:
    config = task(tmp_path, GOOD, **{column: "body"})
    with pytest.raises(
        InputError, match=rf"(?s)body.*tasks.mood.{column}|tasks.mood.{column}.*body"
    ):
        read_examples(config, "train")


def test_a_file_without_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train.jsonl holds no examples for task 'mood'"):
        read_examples(task(tmp_path, []), "train")


@pytest.mark.parametrize(("label", "name"), [(3, "3"), (True, "True"), ("a b", "a b")])
def test_labels_become_strings(tmp_path: Path, label: Any, name: str) -> None:
    (example,) = read_examples(task(tmp_path, [{"text": "x", "label": label}]), "train")
    assert example.label == name


def test_csv_and_parquet_hold_the_same_examples(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nfine,good\npoor,bad\n")
    pq.write_table(pa.Table.from_pylist(GOOD), tmp_path / "a.parquet")
    seen = [
        [
            (e.text, e.label)
            for e in read_examples(task(tmp_path, GOOD, train=str(tmp_path / name)), "train")
        ]
        for name in ("a.csv", "a.parquet", "train.jsonl")
    ]
    assert seen == [[("fine", "good"), ("poor", "bad")]] * 3


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_local_data_set_folder_loads_like_one_of_the_hub(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(GOOD), folder / "train-00000.parquet")
    config = task(tmp_path, [], hub=str(folder), train="train", test="train")
    assert [(e.text, e.label) for e in read_examples(config, "train")] == [
        ("fine", "good"),
        ("poor", "bad"),
    ]


def test_the_digest_of_a_split_is_that_of_its_file(tmp_path: Path) -> None:
    config = task(tmp_path, GOOD)
    assert digest_split(config, "train") == digest_file(Path(location(config, "train")))


def test_a_split_without_file_is_named_by_its_setting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tasks.mood.test: the file .*missing.jsonl does not"):
        digest_split(task(tmp_path, GOOD), "test")


@pytest.mark.parametrize("read", [read_examples, digest_split])
def test_a_labelled_file_that_is_a_link_elsewhere_is_refused_unless_it_may_be_followed(
    tmp_path: Path, read: Callable[[ClassificationConfig, str], object]
) -> None:
    (tmp_path / "in").mkdir()
    config = task(tmp_path, GOOD, train=str(tmp_path / "in" / "link.jsonl"))
    (tmp_path / "in" / "link.jsonl").symlink_to(tmp_path / "train.jsonl")
    with pytest.raises(InputError, match=r"link\.jsonl leads out .* tasks\.mood\.follow_links"):
        read(config, "train")
    read(config.model_copy(update={"follow_links": True}), "train")


@pytest.mark.parametrize("read", [read_examples, digest_split])
def test_a_labelled_file_is_no_pipe(
    tmp_path: Path, read: Callable[[ClassificationConfig, str], object]
) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(InputError, match="is a named pipe"):
        read(task(tmp_path, GOOD, train=str(tmp_path / "pipe.jsonl")), "train")
