"""Specifies the simple taggers."""

from __future__ import annotations

import pytest

from textmill.evaluation import regression
from textmill.tasks.tagging.answers import Prepared, answer
from textmill.tasks.tagging.baselines import CLASSICAL_BASELINE, baselines, fit, word_lookup
from textmill.tasks.tagging.examples import Example, Spec
from textmill.tasks.tagging.iob2 import tags_of, types_in

SENTENCES = [["Ann", "Lee", "sleeps"], ["Bob", "Lee", "runs"], ["we", "met", "Ann"], ["Lee", "ran"]]
TAGS = [["B-PER", "I-PER", "O"], ["B-PER", "I-PER", "O"], ["O", "O", "B-PER"], ["B-PER", "O"]]


def word_logistic_regression(
    words: list[list[str]], tags: list[list[str]], test: list[list[str]]
) -> tuple[list[list[str]], str]:
    spec = Spec(tags_of(name for row in tags for name in types_in(row)), False)
    rows = zip(words, tags, strict=True)
    model = fit(spec, [Example(tuple(row), tuple(row_tags), "") for row, row_tags in rows])
    prepared = [Prepared(row) for row in test]
    scores = list(model.score(prepared))
    return [given["tags"] for given in answer(spec, prepared, scores)], model.note


def test_the_word_regression_with_a_single_tag_predicts_it() -> None:
    words, tags = [["Ann", "Bob"], ["Dora"]], [["B-PER", "B-PER"], ["B-PER"]]
    answers, _ = word_logistic_regression(words, tags, [["Eve", "reads"]])
    assert answers == [["B-PER", "B-PER"]]


def test_the_word_lookup_knows_no_new_word_and_gives_valid_tags() -> None:
    answers = word_lookup(SENTENCES, TAGS, [["Zoe", "met", "Lee"], ["Ann", "Lee"]])
    assert answers == [["O", "O", "B-PER"], ["B-PER", "I-PER"]]


def test_the_word_regression_judges_a_new_word_by_its_neighbours_and_shape() -> None:
    answers = word_logistic_regression(SENTENCES * 20, TAGS * 20, [["Zoe", "Lee", "sleeps"]])
    assert answers == ([["B-PER", "I-PER", "O"]], "")


def test_the_reported_regression_decides_for_f1() -> None:
    """Three of seven visits to a town are tagged: the likeliest tag is O for all of them."""
    words = [(name, "saw", "Lyon") for name in ("Ann", "Bob", "Cleo", "Dan", "Eve")] * 40
    train = [
        Example(row, ("O", "O", "B-LOC" if i % 7 < 3 else "O"), "") for i, row in enumerate(words)
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


def test_many_classes_use_one_vs_rest_with_a_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(regression, "MAX_MULTINOMIAL_CELLS", 1)
    tagged, note = word_logistic_regression(SENTENCES * 20, TAGS * 20, [["Zoe", "Lee", "sleeps"]])
    assert tagged == [["B-PER", "I-PER", "O"]]
    assert note.startswith("3 classes, one-vs-rest")


def test_where_that_is_not_enough_the_commonest_features_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(regression, "MAX_MULTINOMIAL_CELLS", 1)
    monkeypatch.setattr(regression, "MAX_COEFFICIENTS", 3 * 4)
    _, note = word_logistic_regression(SENTENCES, TAGS, [["Zoe", "Lee"]])
    assert "; on the 4 most frequent of " in note
