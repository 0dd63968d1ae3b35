"""What behaviour tests expect of a model that answers questions: where the answer is."""

from __future__ import annotations

from typing import Any

from textmill.tasks.behaviour.judging import Answer, Given
from textmill.tasks.behaviour.templates import fill, slots_in, values_of
from textmill.tasks.question_answering.examples import Spec
from textmill.tasks.question_answering.metrics import exact_match

check_label = probability = None
"""Answers have no labels."""


def expected(spec: Spec, expect: Any, given: Given) -> str:
    """Return the answer, with the values of its slots; empty: the context has none.

    Raises:
        ValueError: it is not in the context, or a slot is in neither text.
    """
    if not isinstance(expect, str):
        raise ValueError("expect is the text of the answer, which may have slots")
    values = values_of(given)
    for slot in slots_in(expect):
        if slot not in values:
            raise ValueError(f"the texts have no slot {{{slot}}}")
    answer = fill(expect, values).text
    if answer not in given["context"].text:
        raise ValueError(f"the answer {answer!r} is not in the context")
    if not answer and not spec.has_no_answer:
        raise ValueError("no training example is without an answer")
    return answer


def is_right(answer: Answer, expected: str) -> bool:
    """Return whether the answer is equal, as the metrics compare it."""
    return bool(exact_match(answer["answer"], [expected] if expected else []))


def decision(answer: Answer, given: Given) -> str:
    """Return the answer."""
    return given["context"].named(answer["start"], answer["end"])


def show(answer: Answer) -> str:
    """Return the answer with its probability."""
    return f"{answer['answer'] or 'no answer'} ({answer['score']:.2f})"
