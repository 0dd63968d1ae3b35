"""Specifies reading labelled examples: every error says where and what to do."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.errors import InputError
from textmill.files import digest_file
from textmill.tasks.classification.examples import read_examples
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.labels import normalization_note
from textmill.tasks.rows import digest_split, location

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
        ({"text": "x", "label": float("nan")}, "holds no label: nan is of type float"),
        ({"text": "x", "label": float("inf")}, "holds no label: inf is of type float"),
        ({"text": float("nan"), "label": "x"}, "holds no text: nan is of type float"),
        ({"text": "x", "label": ["good"]}, r"no label: \['good'\] is of type list"),
        ({"text": "x", "label": {"is": "good"}}, "is of type dict: select a field"),
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
    with pytest.raises(InputError, match="train.jsonl has no examples for task 'mood'"):
        read_examples(task(tmp_path, []), "train")


@pytest.mark.parametrize(
    ("label", "name"), [(3, "3"), (1.0, "1.0"), (True, "True"), ("a b", "a b")]
)
def test_labels_become_strings(tmp_path: Path, label: Any, name: str) -> None:
    (example,) = read_examples(task(tmp_path, [{"text": "x", "label": label}]), "train")
    assert example.label == name


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime(2026, 1, 2, 3, 4), "2026-01-02 03:04:00"),
        (Decimal("1.50"), "1.50"),
        (np.int8(3), "3"),
        (np.float64(2.5), "2.5"),
    ],
)
def test_dates_and_numbers_of_parquet_are_labels_by_their_written_form(
    tmp_path: Path, value: Any, label: str
) -> None:
    pq.write_table(pa.table({"text": ["x"], "label": [value]}), tmp_path / "a.parquet")
    config = task(tmp_path, GOOD, train=str(tmp_path / "a.parquet"))
    assert [e.label for e in read_examples(config, "train")] == [label]


@pytest.mark.parametrize("label", ["pos ", " pos", "\u00a0pos", "pos\t"])
def test_white_space_in_labels_is_normalized_with_a_note(tmp_path: Path, label: str) -> None:
    rows = read_examples(
        task(tmp_path, [{"text": "x", "label": x} for x in ("pos", label)]), "train"
    )
    assert [e.label for e in rows] == ["pos", "pos"]
    note = normalization_note(dict(rows.normalized))
    assert note.startswith(f"the label {label!r} is read as 'pos'")


def test_labels_that_look_alike_are_one(tmp_path: Path) -> None:
    labels = ["caf\u00e9 bar", "cafe\u0301 bar", "caf\u00e9  bar"]
    rows = read_examples(task(tmp_path, [{"text": "x", "label": x} for x in labels]), "train")
    assert {e.label for e in rows} == {"caf\u00e9 bar"}
    assert len(rows.normalized) == 2


def test_labels_without_changes_give_no_note(tmp_path: Path) -> None:
    assert normalization_note(dict(read_examples(task(tmp_path, GOOD), "train").normalized)) == ""


@pytest.mark.parametrize("value", [1, "1", 1.0, "bad", " bad "])
def test_numbers_get_the_names_of_the_configuration(tmp_path: Path, value: Any) -> None:
    rows = [{"text": "x", "label": value}]
    config = task(tmp_path, rows, label_names=["good", "bad"])
    assert [e.label for e in read_examples(config, "train")] == ["bad"]


@pytest.mark.parametrize("value", [2, -1, "worse", 0.5, True, None])
def test_a_number_without_name_is_refused(tmp_path: Path, value: Any) -> None:
    config = task(tmp_path, [{"text": "x", "label": value}], label_names=["good", "bad"])
    with pytest.raises(InputError, match="tasks.mood.label_names has no name: .*0 to 1"):
        read_examples(config, "train")


def test_names_of_labels_are_different(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be unique"):
        task(tmp_path, GOOD, label_names=["good", "good "])


def test_a_likely_encoding_is_named_with_its_setting(tmp_path: Path) -> None:
    rows = b"".join(b"plain %d,a\n" % n for n in range(20))
    (tmp_path / "a.csv").write_bytes(b"text,label\n" + rows + b"a caf\xe9,b\n")
    config = task(tmp_path, GOOD, train=str(tmp_path / "a.csv"))
    message = r"a.csv:22: not valid UTF-8 .*windows-1252, set tasks.mood.encoding=windows-1252"
    with pytest.raises(InputError, match=message):
        read_examples(config, "train")
    named = config.model_copy(update={"encoding": "cp1252"})
    assert read_examples(named, "train")[-1].text == "a café"


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
    with pytest.raises(
        InputError, match=r"link\.jsonl is a symbolic link out .* tasks\.mood\.follow_links"
    ):
        read(config, "train")
    read(config.model_copy(update={"follow_links": True}), "train")


@pytest.mark.parametrize("read", [read_examples, digest_split])
def test_a_labelled_file_is_no_pipe(
    tmp_path: Path, read: Callable[[ClassificationConfig, str], object]
) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(InputError, match="is a named pipe"):
        read(task(tmp_path, GOOD, train=str(tmp_path / "pipe.jsonl")), "train")
