"""Specifies what is said of a task's examples: repetitions, balance, and likely wrong labels."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.checks.test_leaks import labelled, make_task
from tests.tasks.conftest import write_rows
from textmill.evaluation.notes import read_notes
from textmill.files import read_json
from textmill.tasks.baseline import baseline
from textmill.tasks.checks import data_checks as module
from textmill.tasks.checks.data_checks import (
    balance_note,
    find_suspects,
    language_notes,
    length_note,
    repeated_examples,
    validation_notes,
)
from textmill.tasks.kinds import examples_of

WORDS = {"good": ["fine", "happy", "bright"], "bad": ["poor", "sad", "dark"]}


def texts(n: int, wrong: tuple[int, ...] = ()) -> list[tuple[str, str]]:
    """Texts whose words tell their label, but for those with a wrong one."""
    rng = random.Random(0)
    rows = []
    for number in range(n):
        label = ("good", "bad")[number % 2]
        text = f"{number} {' '.join(rng.choices(WORDS[label], k=6))}"
        rows.append((text, label if number not in wrong else ("bad", "good")[number % 2]))
    return rows


def read(config: Any) -> tuple[Any, Any]:
    kind = examples_of(config.kind)
    train = kind.read_examples(config, "train")
    return kind.make_spec(config, train), train


def test_examples_with_the_text_and_label_of_an_earlier_one_are_repeated(tmp_path: Path) -> None:
    rows = labelled(("one", "a"), ("two", "b"), ("One ", "a"), ("two", "a"), ("one", "a"))
    config = make_task(tmp_path, "classification", rows, rows[:1])
    _, train = read(config)
    assert repeated_examples(examples_of("classification"), train) == [2, 4]


@pytest.mark.parametrize(
    ("n_rare", "note"),
    [
        (5, ""),
        (4, "labels are unbalanced: 92.6% of the training examples are a, 7.4% b"),
    ],
)
def test_rare_labels_are_named(tmp_path: Path, n_rare: int, note: str) -> None:
    rows = [(str(i), "a") for i in range(50)] + [(f"b{i}", "b") for i in range(n_rare)]
    config = make_task(tmp_path, "classification", labelled(*rows), labelled(*rows[:1]))
    _, train = read(config)
    assert balance_note(examples_of("classification"), train) == note


def test_labels_that_contradict_the_other_examples_are_suspects(tmp_path: Path) -> None:
    wrong = (7, 30)
    rows = labelled(*texts(80, wrong))
    config = make_task(tmp_path, "classification", rows, rows[:2])
    spec, train = read(config)
    suspects = find_suspects(config, spec, train)
    assert {suspect.index for suspect in suspects} == {*wrong}
    assert {(s.index, s.label, s.suggestion) for s in suspects} == {
        (7, "good", "bad"),
        (30, "bad", "good"),
    }
    probabilities = [suspect.probability for suspect in suspects]
    assert probabilities == sorted(probabilities, reverse=True)
    assert min(probabilities) >= module.MIN_CONFIDENCE


def test_an_example_does_not_vouch_for_itself(tmp_path: Path) -> None:
    """A model that has seen a wrong label would agree with it."""
    rows = labelled(*texts(40, (6,)))
    config = make_task(tmp_path, "classification", rows, rows[:2])
    spec, train = read(config)
    assert [suspect.index for suspect in find_suspects(config, spec, train)] == [6]


def test_few_examples_and_other_kinds_have_no_suspects(tmp_path: Path) -> None:
    few = labelled(*texts(2 * module.N_FOLDS - 1))
    config = make_task(tmp_path, "classification", few, few[:1])
    assert find_suspects(config, *read(config)) == []
    rows = [{"source": str(i), "target": str(i)} for i in range(20)]
    config = make_task(tmp_path, "translation", rows, rows[:1])
    assert find_suspects(config, *read(config)) == []


def test_a_large_training_file_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHECKED", 20)
    rows = labelled(*texts(80, tuple(range(0, 80, 4))))
    config = make_task(tmp_path, "classification", rows, rows[:2])
    spec, train = read(config)
    checked = [example.text for example in train]
    assert len(find_suspects(config, spec, train)) <= 20 < len(checked)


def test_the_step_lists_the_suspects_and_their_lines(tmp_path: Path) -> None:
    rows = labelled(*texts(80, (7, 30)))
    config = make_task(tmp_path, "classification", rows, labelled(*texts(4)))
    out = tmp_path / "out"
    out.mkdir()
    baseline(config, {}, out)
    suspects = read_json(out / module.SUSPECTS)
    assert {(row["line"], row["label"], row["suggestion"]) for row in suspects} == {
        (8, "good", "bad"),
        (31, "bad", "good"),
    }
    assert read_json(out / "metrics.json")["likely_wrong_labels"] == 2
    (note,) = (note for note in read_notes(out) if note.name == "label")
    assert note.what.startswith("2 of 80 training labels are likely wrong: the classical baseline")
    assert sorted(note.where.removeprefix("training lines ").split(", ")) == ["31", "8"]


@pytest.mark.parametrize(
    ("train", "test", "found"),
    [
        ({"en": 1.0}, {"en": 1.0}, []),
        ({}, {"de": 1.0}, []),
        ({"en": 0.95, "de": 0.05}, {"en": 0.92, "de": 0.08}, []),
        ({"en": 1.0}, {"en": 0.95, "de": 0.05}, []),
        (
            {"en": 0.99, "de": 0.01},
            {"en": 0.7, "de": 0.3},
            ["languages differ: 30% of the test texts are in de, but 1% of the training texts"],
        ),
        ({"en": 0.6, "de": 0.4}, {"en": 1.0}, ["training texts are in en 60%, de 40%"]),
    ],
)
def test_languages_are_noted_where_there_are_several_or_they_differ(
    train: dict[str, float], test: dict[str, float], found: list[str]
) -> None:
    notes = [*language_notes(train, test)]
    assert [str(note) for note in notes] == found
    assert [note.is_doubt for note in notes] == ["differ" in text for text in found]


def test_the_step_notes_a_language_that_training_lacks(tmp_path: Path) -> None:
    english = "The old woman walked slowly through the quiet streets of the town, number {}."
    german = "Die alte Frau ging langsam durch die stillen Straßen der Stadt, Nummer {}."
    splits = [[(text.format(i), "ab"[i % 2]) for i in range(30)] for text in (english, german)]
    config = make_task(tmp_path, "classification", *(labelled(*split) for split in splits))
    out = tmp_path / "out"
    out.mkdir()
    baseline(config, {}, out)
    assert "languages differ: 100% of the test texts are in de, but 0% of the training texts" in [
        str(note) for note in read_notes(out)
    ]


def test_texts_of_the_validation_file_that_other_splits_have_are_named(tmp_path: Path) -> None:
    splits = {
        "train": labelled(("one", "a"), ("two", "b")),
        "validation": labelled(("three", "a"), ("ONE", "b"), ("four", "a")),
        "test": labelled(("four", "b"), ("five", "a")),
    }
    write_rows(tmp_path / "validation.jsonl", splits["validation"])
    place = str(tmp_path / "validation.jsonl")
    config = make_task(
        tmp_path, "classification", splits["train"], splits["test"], validation=place
    )
    kind = examples_of("classification")
    found = validation_notes(kind, *(kind.read_examples(config, name) for name in splits))
    assert [(str(note), note.is_doubt) for note in found] == [
        (
            "1 of 3 validation texts are training texts too: the best epoch and candidate are "
            "selected by what the model has learned by heart (validation lines 2)",
            False,
        ),
        (
            "1 of 2 test texts are validation texts too, by which the model is selected "
            "(test lines 1)",
            True,
        ),
    ]


@pytest.mark.parametrize(
    ("text", "n_tokens"),
    [
        ("one two, three", 4),
        ("internationalization", 5),
        ("今天天气很好。", 7),
    ],
)
def test_texts_that_are_longer_than_the_context_are_estimated(
    tmp_path: Path, text: str, n_tokens: int
) -> None:
    rows = labelled(("a", "a"), (text, "b"))
    _, train = read(make_task(tmp_path, "classification", rows, rows))
    kind = examples_of("classification")
    assert length_note(kind, train, n_tokens, "they are cut") is None
    assert str(length_note(kind, train, n_tokens - 1, "they are cut")) == (
        f"about 1 of 2 training texts are longer than the context of {n_tokens - 1} tokens: "
        "they are cut (training lines 2)"
    )
