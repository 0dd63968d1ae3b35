"""Specifies labels saved by hand: a run trains on those that were there when it began."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.tasks.conftest import make_config, write_rows
from textmill.config import AnyTask, TaskConfig
from textmill.errors import InputError
from textmill.tasks.annotation.saved_labels import (
    NO_LABELS,
    SAVED_LABELS,
    digest_saved,
    measured,
    whole_lines,
)
from textmill.tasks.checks.data_checks import check_data
from textmill.tasks.checks.leaks import lines_of
from textmill.tasks.classification.examples import read_examples
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.rows import digest_split

ROW = {"text": "a fine day", "label": "good", "labelled": {"by": "ann"}}


def make(folder: Path, saved: str | None = None, **section: object) -> ClassificationConfig:
    """Return a task of two training examples, and labels that were saved by hand."""
    for split in ("train", "test"):
        rows = [{"text": f"{split} {label}", "label": label} for label in ("good", "bad")]
        write_rows(folder / f"{split}.jsonl", rows)
    config = make_config(folder, labelling={"source": str(folder / "new.csv"), **section})
    if saved is not None:
        Path(str(config.saved_labels)).write_text(saved)
    return config


def texts(config: ClassificationConfig, split: str = "train") -> list[str]:
    return [example.text for example in read_examples(config, split)]


def test_saved_labels_follow_the_training_examples(tmp_path: Path) -> None:
    config = make(tmp_path, json.dumps(ROW) + "\n\n")
    assert config.saved_labels == str(tmp_path / "new.csv.mood.jsonl")
    examples = read_examples(config, "train")
    assert [example.text for example in examples] == ["train good", "train bad", "a fine day"]
    assert (examples[2].label, examples[2].place) == ("good", f"{config.saved_labels}:1")
    assert texts(config, "test") == ["test good", "test bad"]


def test_without_saved_labels_there_are_the_training_examples(tmp_path: Path) -> None:
    config = make(tmp_path)
    assert texts(config) == ["train good", "train bad"]
    assert digest_saved(config) == digest_split(config, SAVED_LABELS) == NO_LABELS


def test_a_run_reads_what_was_saved_when_it_began(tmp_path: Path) -> None:
    config = make(tmp_path, json.dumps(ROW) + "\n", labels=str(tmp_path / "mine.jsonl"))
    assert config.labelling is not None
    section = config.labelling.model_copy(update={"n_bytes": measured(config)})
    fixed = config.model_copy(update={"labelling": section})
    before = digest_saved(fixed)
    assert before == digest_saved(config)
    with (tmp_path / "mine.jsonl").open("a") as file:
        file.write(json.dumps(ROW | {"text": "later"}) + "\n")
    assert digest_saved(fixed) == before != digest_saved(config)
    assert texts(fixed)[2:] == ["a fine day"]
    assert texts(config)[2:] == ["a fine day", "later"]


@pytest.mark.parametrize(
    "cut", ['{"text": "a fi', '{"text": "\udc00', '{"text": "x", "label": "good"']
)
def test_a_cut_line_at_the_end_is_ignored_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, cut: str
) -> None:
    config = make(tmp_path)
    whole = json.dumps(ROW).encode() + b"\n"
    content = whole + cut.encode(errors="surrogatepass")
    Path(str(config.saved_labels)).write_bytes(content)
    assert whole_lines(content) == whole
    assert texts(config)[2:] == ["a fine day"]
    with caplog.at_level(logging.WARNING):
        assert measured(config) == len(whole)
    assert "the last line is incomplete, and is ignored (textmill label mood" in caplog.text


def test_a_last_line_without_an_end_counts_if_it_is_whole(tmp_path: Path) -> None:
    config = make(tmp_path, json.dumps(ROW))
    assert texts(config)[2:] == ["a fine day"]
    assert measured(config) == len(json.dumps(ROW))


def test_a_bad_line_is_named_with_its_file(tmp_path: Path) -> None:
    config = make(tmp_path, json.dumps(ROW) + "\n" + json.dumps(ROW | {"label": None}) + "\n")
    with pytest.raises(InputError, match=r"new.csv.mood.jsonl:2: column 'label' holds no label"):
        read_examples(config, "train")


def test_a_link_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    config = make(tmp_path, labels=str(tmp_path / "in" / "saved.jsonl"))
    (tmp_path / "in").mkdir()
    (tmp_path / "out.jsonl").write_text(json.dumps(ROW) + "\n")
    (tmp_path / "in" / "saved.jsonl").symlink_to(tmp_path / "out.jsonl")
    with pytest.raises(InputError, match=r"symbolic link out of .*tasks\.mood\.follow_links=true"):
        measured(config)


def test_findings_tell_saved_labels_from_the_training_file(tmp_path: Path) -> None:
    config = make(tmp_path, "".join(json.dumps(ROW) + "\n" for _ in range(3)))
    checked = check_data(config)
    assert (
        lines_of("training", checked.train, [1, 3]) == "training lines 2, lines of saved labels 2"
    )
    (note,) = (note for note in checked.notes if note.name == "repetition")
    assert note.where == "lines of saved labels 2, 3"


@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_label_may_be_the_section(tmp_path: Path, kind: str) -> None:
    values = {"kind": kind, "name": "mood", "train": "a.csv", "test": "b.csv"}
    values |= {"labels": "topics"} if kind == "multilabel" else {}
    section = {"source": "new.csv", "labels": "saved.jsonl"}
    validate = TypeAdapter[TaskConfig](AnyTask).validate_python
    short = validate(values | {"label": section})
    assert short == validate(values | {"labelling": section})
    assert validate(short.model_dump()) == short
    with pytest.raises(ValidationError, match="are the same section"):
        validate(values | {"label": section, "labelling": section})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "tagging"}, "textmill label does not support the kind tagging"),
        ({"labels": "saved.csv"}, "String should match pattern"),
    ],
)
def test_what_cannot_be_labelled_is_said(values: dict[str, str], message: str) -> None:
    task = {"kind": values.get("kind", "classification"), "name": "mood"}
    section = {"source": "new.csv"} | {k: v for k, v in values.items() if k != "kind"}
    files = {"train": "a.jsonl", "test": "b.jsonl", "labelling": section}
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(AnyTask).validate_python(task | files)
