"""Specifies what is said of a task's examples: repetitions, balance, and likely wrong labels."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.checks.test_leaks import labelled, make_task
from textmill.evaluation.notes import read_notes
from textmill.files import read_json
from textmill.tasks.baseline import baseline
from textmill.tasks.checks import data_checks as module
from textmill.tasks.checks.data_checks import balance_note, find_suspects, repeated_examples
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
