"""Specifies what behaviour tests expect of classifiers."""

from __future__ import annotations

import pytest

from textmill.tasks.classification.answers import MAX_DETAILED_LABELS
from textmill.tasks.classification.behaviour import (
    check_label,
    decision,
    expected,
    is_right,
    probability,
    show,
)
from textmill.tasks.classification.examples import Spec

SPEC = Spec(("bad", "very good"))
ANSWER = {"label": "bad", "score": 0.75, "probabilities": {"bad": 0.75, "very good": 0.25}}


def test_a_label_is_expected_as_it_is_normalized() -> None:
    assert expected(SPEC, " very  good ", {}) == "very good"
    assert is_right(ANSWER, "bad")
    assert not is_right(ANSWER, "very good")
    assert decision(ANSWER, {}) == "bad"
    assert probability(ANSWER, "very good") == 0.25
    assert show(ANSWER) == "bad (0.75)"


def test_labels_that_training_lacks_are_refused() -> None:
    for expect in ("good", ["bad"], {"bad": "x"}):
        with pytest.raises(ValueError, match="does not occur in the training data: use one of bad"):
            expected(SPEC, expect, {})
    check_label(SPEC, "bad")
    many = Spec(tuple(map(str, range(MAX_DETAILED_LABELS + 1))))
    with pytest.raises(ValueError, match="more than 100 labels keep no probabilities"):
        check_label(many, "7")
