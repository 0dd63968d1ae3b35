"""Specifies the simple models."""

from __future__ import annotations

import pytest

from textmill.evaluation.baselines import (
    majority,
    tfidf_logistic_regression,
    word_logistic_regression,
    word_lookup,
)

TEXTS = ["lovely meal", "a lovely room", "superb and lovely", "awful meal", "an awful room"]
LABELS = ["good", "good", "good", "bad", "bad"]


@pytest.mark.parametrize(
    ("labels", "winner"),
    [(["b", "a", "b"], "b"), (["b", "a"], "a"), (["c", "b", "c", "b", "a"], "b"), (["z"], "z")],
)
def test_the_majority_is_the_commonest_label_and_of_equal_ones_the_first_by_name(
    labels: list[str], winner: str
) -> None:
    assert majority(labels, 3) == [winner] * 3


def test_tfidf_beats_the_majority_on_separable_texts() -> None:
    test, expected = ["lovely staff", "awful staff", "awful window"], ["good", "bad", "bad"]
    assert tfidf_logistic_regression(TEXTS, LABELS, test) == expected
    assert majority(LABELS, 3) != expected


def test_tfidf_answers_alike_each_time() -> None:
    answers = [tfidf_logistic_regression(TEXTS, LABELS, ["meal room"]) for _ in range(2)]
    assert answers[0] == answers[1]
    assert type(answers[0][0]) is str


SENTENCES = [["Ann", "Lee", "sleeps"], ["Bob", "Lee", "runs"], ["we", "met", "Ann"], ["Lee", "ran"]]
TAGS = [["B-PER", "I-PER", "O"], ["B-PER", "I-PER", "O"], ["O", "O", "B-PER"], ["B-PER", "O"]]


def test_the_word_lookup_knows_no_new_word_and_gives_valid_tags() -> None:
    answers = word_lookup(SENTENCES, TAGS, [["Zoe", "met", "Lee"], ["Ann", "Lee"]])
    assert answers == [["O", "O", "B-PER"], ["B-PER", "I-PER"]]


def test_the_word_regression_judges_a_new_word_by_its_neighbours_and_shape() -> None:
    answers = word_logistic_regression(SENTENCES * 20, TAGS * 20, [["Zoe", "Lee", "sleeps"]])
    assert answers == [["B-PER", "I-PER", "O"]]
