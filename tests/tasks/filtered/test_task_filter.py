"""Specifies the content filters around models that write texts, which all users of them share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from textmill.config import UNREDACTED, FilterConfig, RedactionConfig
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.filtered.task_filter import TaskFilter, task_filter
from textmill.tasks.translation.examples import Spec

FILTERS = (
    FilterConfig(category="birds", patterns=("duck",), action="block"),
    FilterConfig(category="cats", patterns=("tiger",), action="mask"),
    FilterConfig(category="dogs", patterns=("poodle",), action="flag"),
)
BIRDS = {"category": "birds", "action": "block", "language": None}


class Translator:
    """Translates to capital letters; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, prepared: Sequence[str]) -> list[tuple[str, bool]]:
        self.asked += prepared
        return [(text.upper().replace("CITY", "duck pond, city"), False) for text in prepared]


@pytest.fixture
def translator() -> Translator:
    return Translator()


@pytest.fixture
def predictor(translator: Translator) -> Predictor:
    return Predictor("translation", Spec(0.5), [(translator, 1.0)])


def filters(redaction: RedactionConfig = UNREDACTED) -> TaskFilter:
    found = task_filter("translation", redaction, ContentFilter(FILTERS))
    assert found is not None
    return found


def test_models_of_labels_and_quotations_have_no_filters() -> None:
    kinds = ("classification", "multilabel", "tagging", "question_answering")
    assert [task_filter(kind, UNREDACTED, ContentFilter(FILTERS)) for kind in kinds] == [None] * 4


def test_a_blocked_input_is_not_given_to_the_model_and_has_no_text(
    translator: Translator, predictor: Predictor
) -> None:
    checked, predictions = filters().predict(predictor, ["a tree", "my duck", "a river"])
    assert translator.asked == ["a tree", "a river"]
    assert [one.is_blocked for one in checked] == [False, True, False]
    assert predictions[0] == {"translation": "A TREE", "is_cut": False, "filtered": []}
    decision = BIRDS | {"side": "prompt", "start": 3, "end": 7}
    assert predictions[1] == {"translation": None, "filtered": [decision]}
    assert predictions[2]["translation"] == "A RIVER"


def test_only_blocked_inputs_are_no_batch_at_all(
    translator: Translator, predictor: Predictor
) -> None:
    _, [prediction] = filters().predict(predictor, ["a duck"])
    assert (prediction["translation"], translator.asked) == (None, [])


def test_a_blocked_output_has_no_text_either(predictor: Predictor) -> None:
    _, [prediction] = filters().predict(predictor, ["the city"])
    decision = BIRDS | {"side": "output", "start": 4, "end": 8}
    assert prediction == {"translation": None, "is_cut": False, "filtered": [decision]}
    [written] = predictor(["the city"])
    assert filters().check_output(written) == prediction


def test_what_is_masked_is_masked_for_the_model_and_in_its_text(
    translator: Translator, predictor: Predictor
) -> None:
    [checked], [prediction] = filters().predict(predictor, ["a tiger, a poodle"])
    assert checked.given == "a [CATS], a poodle"
    assert translator.asked == ["a [CATS], a poodle"]
    assert prediction["translation"] == "A [CATS], A POODLE"
    found = [(one["category"], one["action"], one["side"]) for one in prediction["filtered"]]
    assert found == [
        ("cats", "mask", "prompt"),
        ("dogs", "flag", "prompt"),
        ("dogs", "flag", "output"),
    ]


def test_redaction_of_the_training_text_is_one_of_the_filters(predictor: Predictor) -> None:
    [checked], [prediction] = filters(RedactionConfig()).predict(predictor, ["to bob@example.org"])
    assert checked.given == "to [EMAIL]"
    assert prediction["filtered"][0]["category"] == "personal_data"
    predictor.scorers = [(lambda prepared: [("ann@example.org", False)], 1.0)]
    _, [prediction] = filters(RedactionConfig()).predict(predictor, ["a tree"])
    assert prediction["translation"] == "[EMAIL]"


def test_each_column_of_an_input_is_a_prompt() -> None:
    given: dict[str, Any] = {"text": "a tiger", "hint": "a duck"}
    checked = filters().check_input(given)
    assert checked.is_blocked
    assert [(one.category, one.start) for one in checked.decisions] == [("cats", 2), ("birds", 2)]
