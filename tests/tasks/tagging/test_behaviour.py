"""Specifies what behaviour tests expect of taggers."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from textmill.tasks.behaviour.perturbations import typo
from textmill.tasks.behaviour.templates import Filled, fill
from textmill.tasks.tagging.behaviour import decision, expected, is_right, show
from textmill.tasks.tagging.examples import Spec

SPEC = Spec(("O", "B-LOC", "I-LOC", "B-PER", "I-PER"), is_by_character=False)
ANN = {"text": fill("{name} lives in {town}.", {"name": "Ann Bauer", "town": "Bath"})}
BO = {"text": fill("{name} lives in {town}.", {"name": "Bo", "town": "Bath"})}


def answer(*entities: tuple[int, int, str]) -> dict[str, Any]:
    text = ANN["text"].text
    return {
        "entities": [
            {"start": begin, "end": end, "type": name, "text": text[begin:end]}
            for begin, end, name in entities
        ]
    }


def test_the_entities_are_the_slots_with_a_type_and_no_others() -> None:
    right = expected(SPEC, {"name": "PER", "town": "LOC"}, ANN)
    assert right == [[0, 9, "PER"], [19, 23, "LOC"]]
    assert is_right(answer((19, 23, "LOC"), (0, 9, "PER")), right)
    assert not is_right(answer((0, 9, "PER")), right)
    assert not is_right(answer((0, 3, "PER"), (19, 23, "LOC")), right)
    assert is_right(answer(), expected(SPEC, {}, ANN))
    assert not is_right(answer((0, 9, "PER")), [])


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("PER", "expect maps the slots"),
        ({"team": "PER"}, r"no slot \{team\}"),
        ({"name": "ORG"}, "'ORG' does not occur in the training data: use one of LOC, PER"),
    ],
)
def test_other_expectations_are_refused(expect: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expected(SPEC, expect, ANN)


def test_entities_of_texts_with_other_values_are_the_same_if_their_slots_are() -> None:
    ann, bo = answer((0, 9, "PER"), (19, 23, "LOC")), answer((0, 2, "PER"), (12, 16, "LOC"))
    assert decision(ann, ANN) == decision(bo, BO) == [["PER", "{name}"], ["LOC", "{town}"]]
    assert decision(answer((0, 3, "PER")), ANN) == [["PER", "ann"]]
    assert show(ann) == "Ann Bauer (PER), Bath (LOC)"
    assert show(answer()) == "none"


def test_an_entity_with_a_typing_error_is_the_same_entity() -> None:
    """Those of test examples are in no slot, so the error may be in their text."""
    before = Filled("Hamburg")
    after = typo(before, Random(0))
    assert after.text != before.text
    found = answer((0, 7, "LOC"))
    assert decision(found, {"text": after}) == decision(found, {"text": before})
    assert decision(answer((0, 5, "LOC")), {"text": after}) != decision(found, {"text": before})
