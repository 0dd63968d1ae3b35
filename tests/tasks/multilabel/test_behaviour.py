"""Specifies what behaviour tests expect of models with any number of labels."""

from __future__ import annotations

import pytest

from textmill.tasks.multilabel.behaviour import decision, expected, is_right, show
from textmill.tasks.multilabel.examples import Spec

SPEC = Spec(("a", "b", "c"), shares=(0.5, 0.5, 0.5))
BOTH = {"labels": [{"label": "b", "score": 0.9}, {"label": "a", "score": 0.6}]}
NONE = {"labels": []}


def test_labels_are_compared_as_a_set() -> None:
    assert expected(SPEC, ["b", "a"], {}) == ["a", "b"] == decision(BOTH, {})
    assert is_right(BOTH, ["a", "b"])
    assert not is_right(BOTH, expected(SPEC, "a", {}))
    assert is_right(NONE, expected(SPEC, [], {}))
    assert [show(BOTH), show(NONE)] == ["b (0.90), a (0.60)", "none"]


def test_labels_that_training_lacks_are_refused() -> None:
    with pytest.raises(
        ValueError, match="'x' does not occur in the training data: use one of a, b"
    ):
        expected(SPEC, ["a", "x"], {})
