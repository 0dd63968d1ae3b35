"""Specifies what is known of an answer without its texts: the same of a log as of an evaluation."""

from __future__ import annotations

from typing import Any

import pytest

from textmill.serving.prediction_log import without_texts
from textmill.tasks.logged.traits import Traits, length_of, traits_of

ENTITIES = [
    {"text": "Ann", "type": "PER", "start": 0, "end": 3, "score": 0.5},
    {"text": "Rome", "type": "LOC", "start": 9, "end": 13, "score": 1.0},
    {"text": "Bob", "type": "PER", "start": 20, "end": 23, "score": 0.75},
]
SPOKEN = {"answer": "Rome", "start": 3, "end": 7, "score": 0.5, "is_cut": False}


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ({"label": "good", "score": 0.75, "is_cut": False}, Traits(label="good", confidence=0.75)),
        (
            {"labels": [{"label": "a", "score": 0.5}, {"label": "b", "score": 1.0}]},
            Traits(labels=frozenset("ab"), confidence=0.75),
        ),
        ({"labels": []}, Traits(labels=frozenset())),
        ({"entities": ENTITIES}, Traits(labels=frozenset({"PER", "LOC"}), confidence=0.75)),
        (SPOKEN, Traits(label="answer", confidence=0.5)),
        (SPOKEN | {"answer": "", "start": 0, "end": 0}, Traits(label="no answer", confidence=0.5)),
        ({"translation": "Baum", "is_cut": False}, Traits()),
        ({"label": None, "score": float("nan")}, Traits()),
        ({"answer": None, "start": None, "end": None}, Traits()),
    ],
)
def test_a_log_without_texts_has_the_traits_of_the_whole_prediction(
    prediction: dict[str, Any], expected: Traits
) -> None:
    assert traits_of(prediction, None, None) == expected
    assert traits_of(without_texts(prediction), None, None) == expected


def test_tags_of_words_have_the_types_of_the_entities() -> None:
    tags = ["B-PER", "I-PER", "O", "B-MIS-SPELT", "O"]
    assert traits_of({"tags": tags}, 3, None).labels == {"PER", "MIS-SPELT"}


def test_words_are_as_long_as_their_text() -> None:
    assert length_of("Ann Lee left.") == length_of(["Ann", "Lee", "left", "."]) == 11
    assert length_of({"text": "a b", "predicate": 12, "text_pair": ["c"]}) == 5
    assert length_of(" \n\u3000") == 0
