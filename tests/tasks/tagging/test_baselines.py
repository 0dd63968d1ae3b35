"""Specifies the simple taggers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from textmill.errors import InputError
from textmill.files import write_json
from textmill.tasks.tagging.answers import Prepared, answer
from textmill.tasks.tagging.baselines import CLASSICAL_BASELINE, baselines, fit, load, word_lookup
from textmill.tasks.tagging.examples import Example, Spec
from textmill.tasks.tagging.iob2 import tags_of, types_in
from textmill.tasks.tagging.random_field import linear_chain
from textmill.tasks.tagging.spelling import character_features

SENTENCES = [["Ann", "Lee", "sleeps"], ["Bob", "Lee", "runs"], ["we", "met", "Ann"], ["Lee", "ran"]]
TAGS = [["B-PER", "I-PER", "O"], ["B-PER", "I-PER", "O"], ["O", "O", "B-PER"], ["B-PER", "O"]]


def random_field(
    words: list[list[str]], tags: list[list[str]], test: list[list[str]]
) -> tuple[list[list[str]], str]:
    spec = Spec(tags_of(name for row in tags for name in types_in(row)), False)
    rows = zip(words, tags, strict=True)
    model = fit(spec, [Example(tuple(row), tuple(row_tags), "") for row, row_tags in rows])
    prepared = [Prepared(row) for row in test]
    scores = list(model.score(prepared))
    return [given["tags"] for given in answer(spec, prepared, scores)], model.note


def test_the_field_with_a_single_tag_predicts_it() -> None:
    words, tags = [["Ann", "Bob"], ["Dora"]], [["B-PER", "B-PER"], ["B-PER"]]
    answers, _ = random_field(words, tags, [["Eve", "reads"]])
    assert answers == [["B-PER", "B-PER"]]


def test_the_word_lookup_knows_no_new_word_and_gives_valid_tags() -> None:
    answers = word_lookup(SENTENCES, TAGS, [["Zoe", "met", "Lee"], ["Ann", "Lee"]])
    assert answers == [["O", "O", "B-PER"], ["B-PER", "I-PER"]]


def test_the_field_judges_a_new_word_by_its_neighbours_and_shape() -> None:
    answers = random_field(SENTENCES * 20, TAGS * 20, [["Zoe", "Lee", "sleeps"]])
    assert answers == ([["B-PER", "I-PER", "O"]], "")


def test_the_reported_field_decides_for_f1() -> None:
    """Three of seven visits to a town are tagged: the likeliest tag is O for all of them."""
    words = [(name, "saw", "Lyon") for name in ("Ann", "Bob", "Cleo", "Dan", "Eve")] * 40
    train = [
        Example(row, ("O", "O", "B-LOC" if i % 7 < 3 else "O"), f"{i}")
        for i, row in enumerate(words)
    ]
    spec = Spec(("B-LOC", "O"), False)
    model = fit(spec, train)
    test = [Example(("Flo", "saw", "Lyon"), ("O", "O", "B-LOC"), "")]
    prepared = [Prepared(example.words) for example in test]
    (likeliest,) = answer(spec, prepared, list(model.score(prepared)))
    assert likeliest["tags"] == ["O", "O", "O"]
    _, (name, rows, _) = baselines(spec, train, test)
    assert (name, rows) == (CLASSICAL_BASELINE, [{"tags": ["O", "O", "B-LOC"]}])


def test_few_examples_are_not_held_out() -> None:
    train = [Example(tuple(w), tuple(t), "") for w, t in zip(SENTENCES, TAGS, strict=True)]
    _, (_, rows, _) = baselines(Spec(("B-PER", "I-PER", "O"), False), train, train)
    assert [row["tags"] for row in rows] == TAGS


def test_more_words_than_can_be_fitted_are_thinned_out_with_a_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("textmill.tasks.tagging.baselines.MAX_CELLS", 400)
    tagged, note = random_field(SENTENCES * 20, TAGS * 20, [["Zoe", "Lee", "sleeps"]])
    assert note == "fitted on 40 of 80 examples to save time"
    monkeypatch.setattr(linear_chain, "MAX_WEIGHTS", 3 * 4)
    _, note = random_field(SENTENCES * 20, TAGS * 20, [["Zoe", "Lee"]])
    assert note.startswith("fitted on 40 of 80 examples to save time; on the 4 most frequent of ")


def test_a_saved_field_gives_the_same_probabilities(tmp_path: Path) -> None:
    spec = Spec(("O", "B-PER", "I-PER"), False)
    train = [Example(tuple(w), tuple(t), "") for w, t in zip(SENTENCES, TAGS, strict=True)]
    model = fit(spec, train)
    model.save(tmp_path)
    texts = [Prepared(("Zoe", "Lee")), Prepared(()), Prepared(("Ann",))]
    saved = load(spec, tmp_path)
    for found, expected in zip(saved.score(texts), model.score(texts), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert saved.n_parameters == model.n_parameters == 3 * len(model.names) + 3 * 3
    write_json(tmp_path / "baseline.json", {"features": [model.names[0]] * len(model.names)})
    with pytest.raises(InputError, match=r"baseline\.json is damaged \(a feature occurs twice\)"):
        load(spec, tmp_path)


def test_characters_are_judged_by_triples_and_repetition() -> None:
    """Pairs and single characters are equally often in entities: only triples tell them apart."""
    texts = ["甲乙丙", "丁乙丙", "甲乙戊", "丁乙戊"]
    inside = [True, False, False, True]
    tags = [["O", "B-X" if is_inside else "O", "O"] for is_inside in inside]
    spec = Spec(("O", "B-X", "I-X"), True)
    rows = zip(map(tuple, texts * 10), map(tuple, tags * 10), strict=True)
    model = fit(spec, [Example(*row, "") for row in rows])
    prepared = [Prepared([*text]) for text in texts]
    found = answer(spec, prepared, [*model.score(prepared)])
    assert [given["tags"] for given in found] == tags
    first, second = character_features("看看")
    assert ("equal=FalseFalseTrue" in first, "equal=FalseTrueFalse" in second) == (True, True)
