"""Specifies the decision between entities and the words outside of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from textmill.config import UNREDACTED
from textmill.tasks.tagging.answers import (
    OUTSIDE_PENALTIES,
    Prepared,
    answer,
    fit_decision,
    prepare,
)
from textmill.tasks.tagging.examples import Example, Spec

SPEC = Spec(("O", "B-X", "I-X"), is_by_character=False)


def word(outside: float) -> NDArray[np.float64]:
    """The probabilities of the tags of a text of one word."""
    return np.array([[outside, 1 - outside - 1e-6, 1e-6]])


def tags(spec: Spec, outside: float) -> list[str]:
    (found,) = answer(spec, [Prepared(("a",))], [word(outside)])
    return list(found["tags"])


def test_without_a_penalty_the_likeliest_tag_is_the_decision() -> None:
    assert [tags(SPEC, outside) for outside in (0.51, 0.49)] == [["O"], ["B-X"]]


def test_an_entity_has_its_place_and_the_mean_probability_of_its_tags() -> None:
    text = "Ann Lee met Bo."
    prepared = prepare(SPEC, [text], UNREDACTED)
    rows = [[0.1, 0.8, 0.1], [0.3, 0.2, 0.5], [0.9, 0.1, 0.0], [0.25, 0.75, 0.0], [1.0, 0.0, 0.0]]
    (found,) = answer(SPEC, prepared, [np.array(rows)])
    first, second = found["entities"]
    assert first == {"text": "Ann Lee", "type": "X", "start": 0, "end": 7, "score": 0.65}
    assert second == {"text": "Bo", "type": "X", "start": 12, "end": 14, "score": 0.75}


@pytest.mark.parametrize("penalty", [0.5, 2.0])
def test_a_penalty_lowers_the_probability_that_an_entity_needs(penalty: float) -> None:
    spec = replace(SPEC, outside_penalty=penalty)
    threshold = 1 / (1 + np.exp(-penalty))  # of O, at which both are equal
    assert [tags(spec, threshold + 0.01), tags(spec, threshold - 0.01)] == [["O"], ["B-X"]]


def test_the_penalty_is_fitted_to_the_f1_of_entities() -> None:
    # Half of those that are O by 0.6, and none of those by 0.9, are entities.
    outside = [0.6] * 20 + [0.9] * 40
    examples = [Example(("a",), ("B-X" if i < 10 else "O",), "") for i in range(60)]
    found = fit_decision(SPEC, [word(value) for value in outside], examples)
    assert found == replace(SPEC, outside_penalty=0.5)
    assert tags(found, 0.6) == ["B-X"]
    assert tags(found, 0.9) == ["O"]


def test_a_penalty_that_gains_nothing_is_not_fitted() -> None:
    examples = [Example(("a",), ("B-X",), ""), Example(("a",), ("O",), "")]
    scores = [word(0.01), word(0.999)]
    assert fit_decision(SPEC, scores, examples) == SPEC
    assert OUTSIDE_PENALTIES[0] == 0
    assert fit_decision(SPEC, [], []) == SPEC
