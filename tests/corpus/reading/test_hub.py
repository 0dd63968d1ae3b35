"""Specifies hub data sets, as folders with the files of one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from textmill.corpus.reading.hub import digest_hub, hub_revision, read_hub
from textmill.corpus.reading.records import Record
from textmill.errors import InputError, RunError


def written(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import datasets

    features = datasets.Features(
        text=datasets.Value("string"),
        label=datasets.ClassLabel(names=["neg", "pos"]),
        tags=datasets.List(datasets.ClassLabel(names=["O", "B"])),
    )
    rows = {"text": ["x", "y"], "label": [1, -1], "tags": [[0, 1], []]}
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "train.parquet")
    return tmp_path


def test_label_numbers_become_names(folder: Path) -> None:
    records = list(read_hub(str(folder), None, "train", None, {"text": "t"}))
    assert records == [
        Record({"text": "x", "label": "pos", "tags": ["O", "B"]}, f"{folder}:train", 1),
        Record({"text": "y", "label": None, "tags": []}, f"{folder}:train", 2),
    ]


def test_json_lines_in_a_folder_are_read(tmp_path: Path) -> None:
    written(tmp_path, "test.jsonl", json.dumps({"n": 1}).encode())
    (record,) = read_hub(str(tmp_path), None, "test", None)
    assert isinstance(record, Record)
    assert record.values == {"n": 1}


@pytest.mark.parametrize(
    ("subset", "split", "column", "message"),
    [
        (None, "nope", "text", r"Bad split: nope. Available splits: \['train'\]"),
        ("nope", "train", "text", "'nope' not found"),
        (None, "train", "txt", "Did you mean 'text'"),
    ],
)
def test_a_wrong_subset_split_or_column_is_an_input_error_of_one_line(
    folder: Path, subset: str | None, split: str, column: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        list(read_hub(str(folder), subset, split, None, {column: "corpus.text"}))
    assert "\n" not in str(caught.value)


def test_without_a_network_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    with pytest.raises(RunError, match="when the hub is reachable"):
        list(read_hub("some/data", None, "train", None))
    with pytest.raises(RunError, match="set revision to the full commit hash"):
        hub_revision("some/data", None)


def test_a_full_commit_needs_no_network() -> None:
    assert hub_revision("some/data", "0123456789" * 4) == "0123456789" * 4


def test_the_revision_of_a_folder_follows_its_visible_files(tmp_path: Path) -> None:
    written(tmp_path, "a.jsonl", b"1")
    before = hub_revision(str(tmp_path), None)
    moved = tmp_path.with_name(f"{tmp_path.name} moved")
    shutil.copytree(tmp_path, moved)
    here, there = (digest_hub(str(place), None, None, "test") for place in (tmp_path, moved))
    assert here == there != digest_hub(str(moved), None, None, "train")
    written(tmp_path, ".hidden", b"x")
    assert hub_revision(str(tmp_path), None) == before
    written(tmp_path, "a.jsonl", b"2")
    assert hub_revision(str(tmp_path), None) != before
