"""Specifies what is said of texts that training and test data share, and what is done about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.tasks.conftest import write_rows
from textmill.config import AnyTask
from textmill.errors import InputError
from textmill.evaluation.notes import read_notes
from textmill.files import read_json
from textmill.tasks.baseline import baseline, shared_metrics
from textmill.tasks.checks.data_checks import find_notes
from textmill.tasks.checks.leaks import find_overlap, kept_examples
from textmill.tasks.finetune import split_examples, training_examples
from textmill.tasks.inputs import text_key
from textmill.tasks.kinds import examples_of

Rows = list[dict[str, Any]]


def split(config: Any) -> tuple[list[Any], list[Any]]:
    kind = examples_of("classification")
    return split_examples(config, kind, training_examples(config, kind))


def labelled(*pairs: tuple[str, str]) -> Rows:
    return [{"text": text, "label": label} for text, label in pairs]


def make_task(folder: Path, kind: str, train: Rows, test: Rows, **further: Any) -> Any:
    write_rows(folder / "train.jsonl", train)
    write_rows(folder / "test.jsonl", test)
    values = {"kind": kind, "name": "t", "train": str(folder / "train.jsonl")}
    values |= {"test": str(folder / "test.jsonl")}
    return TypeAdapter(AnyTask).validate_python(values | further)


def look(config: Any) -> tuple[dict[str, float], list[str]]:
    """Return the counts and the notes of a task's examples."""
    kind = examples_of(config.kind)
    train, test = (kind.read_examples(config, split) for split in ("train", "test"))
    shared = find_overlap(kind, train, test)
    return shared_metrics(shared), [str(n) for n in find_notes(config, train, test, shared)]


@pytest.mark.parametrize(
    "text", ["a fine  Day", " A FINE DAY", "a fine\u00a0day", "a\u2028fine day\n", "a ﬁne day"]
)
def test_copies_that_differ_in_case_and_white_space_are_the_same(text: str) -> None:
    assert text_key(text) == text_key("a fine day") != text_key("a fine days")
    assert text_key(text.split()) == text_key(text)


def test_letters_that_look_alike_are_the_same() -> None:
    assert text_key("cafe\u0301") == text_key("CAF\u00c9")


def test_test_texts_that_are_training_texts_are_counted_with_their_lines(tmp_path: Path) -> None:
    train = labelled(("one", "a"), ("two", "b"), ("three", "a"), ("Two ", "b"))
    test = labelled(("four", "a"), ("two", "b"), ("ONE", "b"))
    counts, notes = look(make_task(tmp_path, "classification", train, test))
    assert counts == {"leaked_examples": 2, "conflicting_examples": 2}
    assert notes == [
        "2 of 3 test texts are training texts too, 1 of them with the same answer "
        "(test lines 2, 3)",
        "2 of 7 examples have a text that also occurs with another label "
        "(training lines 1; test lines 3)",
        "1 of 4 training examples repeat an earlier one (training lines 4)",
    ]


@pytest.mark.parametrize(
    ("train", "test", "n_conflicting"),
    [
        ([("x", "a"), ("x", "b"), ("y", "b")], [("z", "a")], 2),
        ([("x", "a"), ("y", "b")], [("z", "a"), ("z", "b")], 2),
        ([("x", "a"), ("x", "a"), ("y", "b")], [("z", "a")], 0),
    ],
    ids=["in training", "in the test", "none"],
)
def test_a_text_with_two_labels_is_a_conflict_in_any_split(
    tmp_path: Path, train: list[Any], test: list[Any], n_conflicting: int
) -> None:
    config = make_task(tmp_path, "classification", labelled(*train), labelled(*test))
    counts, notes = look(config)
    assert counts == {"leaked_examples": 0, "conflicting_examples": n_conflicting}
    assert sum("another label" in note for note in notes) == (n_conflicting > 0)


def test_words_under_other_tags_are_a_conflict(tmp_path: Path) -> None:
    row = {"tokens": ["in", "Paris"], "ner_tags": ["O", "B-LOC"]}
    other = {"tokens": ["In", "Paris"], "ner_tags": ["O", "O"]}
    counts, _ = look(make_task(tmp_path, "tagging", [row], [other]))
    assert counts == {"leaked_examples": 1, "conflicting_examples": 2}


def test_a_source_may_have_several_translations(tmp_path: Path) -> None:
    train = [{"source": "tree", "target": "Baum"}, {"source": "tree", "target": "ein Baum"}]
    test = [{"source": "Tree", "target": "Der Baum"}, {"source": "sea", "target": "Meer"}]
    counts, notes = look(make_task(tmp_path, "translation", train, test))
    assert counts == {"leaked_examples": 1, "conflicting_examples": 0}
    assert notes[0].startswith("1 of 2 test texts are training texts too, 0 of them with the same")


def test_a_note_lists_ten_lines_and_the_number_of_the_others(tmp_path: Path) -> None:
    rows = labelled(*((f"text {n}", "ab"[n % 2]) for n in range(30)))
    _, (note,) = look(make_task(tmp_path, "classification", rows, rows))
    assert note == (
        "30 of 30 test texts are training texts too "
        "(test lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 20 others)"
    )


TRAIN = labelled(*((f"text {n}", "ab"[n % 2]) for n in range(20)))
TEST = labelled(("text 3", "b"), ("Text 4", "a"), ("new", "a"))


def test_only_training_examples_are_dropped(tmp_path: Path) -> None:
    config = make_task(tmp_path, "classification", TRAIN, TEST, on_leak="drop")
    train, validation = split(config)
    assert {e.text for e in (*train, *validation)} == {
        row["text"] for row in TRAIN if row["text"] not in ("text 3", "text 4")
    }
    baseline(config, {}, tmp_path)
    rows = (tmp_path / "majority" / "predictions.jsonl").read_text().strip().split("\n")
    assert [json.loads(row)["text"] for row in rows] == [row["text"] for row in TEST]
    (note,) = read_notes(tmp_path)
    assert "2 of 3 test texts are training texts too; 2 training examples are dropped" in str(note)
    assert not note.is_doubt


def test_reporting_keeps_everything_and_is_the_default(tmp_path: Path) -> None:
    config = make_task(tmp_path, "classification", TRAIN, TEST)
    assert sum(map(len, split(config))) == len(TRAIN)
    baseline(config, {}, tmp_path)
    assert read_json(tmp_path / "metrics.json")["leaked_examples"] == 2
    (note,) = read_notes(tmp_path)
    assert note.is_doubt


def test_refusing_names_lines_and_the_setting(tmp_path: Path) -> None:
    config = make_task(tmp_path, "classification", TRAIN, TEST, on_leak="refuse")
    message = (
        r"tasks.t: 2 test texts are training texts too \(training lines 4, 5\).*tasks.t.on_leak"
    )
    with pytest.raises(InputError, match=message):
        baseline(config, {}, tmp_path)
    clean = make_task(tmp_path, "classification", TRAIN, TEST[2:], on_leak="refuse")
    train = examples_of("classification").read_examples(clean, "train")
    test = examples_of("classification").read_examples(clean, "test")
    shared = find_overlap(examples_of("classification"), train, test)
    assert kept_examples(clean, train, shared) is train


def test_dropping_everything_is_refused(tmp_path: Path) -> None:
    config = make_task(tmp_path, "classification", TRAIN, TRAIN, on_leak="drop")
    with pytest.raises(InputError, match="leaves no training examples: set another test file"):
        baseline(config, {}, tmp_path)
