"""Specifies what behaviour tests expect of answers to questions."""

from __future__ import annotations

from typing import Any

import pytest

from textmill.tasks.behaviour.templates import fill
from textmill.tasks.question_answering.behaviour import decision, expected, is_right, show
from textmill.tasks.question_answering.examples import Spec

SPEC = Spec(("who",), (), (0.0,), has_no_answer=False)
VALUES = {"name": "Ann Bauer", "town": "Bath"}
GIVEN = {
    "question": fill("Who lives in {town}?", VALUES),
    "context": fill("The mayor, {name}, lives in {town}.", VALUES),
}


def answer(begin: int, end: int) -> dict[str, Any]:
    text = GIVEN["context"].text[begin:end]
    return {"answer": text, "start": begin, "end": end, "score": 0.5}


def test_the_answer_is_a_text_with_slots_compared_as_by_the_metrics() -> None:
    assert expected(SPEC, "{name}", GIVEN) == "Ann Bauer"
    assert expected(SPEC, "The mayor", GIVEN) == "The mayor"
    assert is_right(answer(11, 20), "Ann Bauer")
    assert is_right(answer(4, 9), "The mayor")
    assert not is_right(answer(11, 14), "Ann Bauer")
    assert is_right(answer(0, 0), "")
    assert not is_right(answer(11, 14), "")


def test_answers_that_no_model_can_give_are_refused() -> None:
    for expect, message in (
        ({"name": "x"}, "expect is the text of the answer"),
        ("{place}", r"no slot \{place\}"),
        ("Bob", "'Bob' is not in the context"),
        ("", "no training example is without an answer"),
    ):
        with pytest.raises(ValueError, match=message):
            expected(SPEC, expect, GIVEN)


def test_answers_about_other_values_are_the_same_if_their_slots_are() -> None:
    assert decision(answer(11, 20), GIVEN) == "{name}"
    assert decision(answer(0, 20), GIVEN) == "the mayor, {name}"
    assert [show(answer(11, 20)), show(answer(0, 0))] == ["Ann Bauer (0.50)", "no answer (0.50)"]
