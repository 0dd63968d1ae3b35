"""Specifies the answers that follow from the probabilities of words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from textmill.config import UNREDACTED, RedactionConfig
from textmill.tasks.question_answering.answers import (
    MAX_QUESTION_WORDS,
    answer,
    decide,
    fit_decision,
    prepare,
    targets,
)
from textmill.tasks.question_answering.examples import Example, Spec

SPEC = Spec((), (), (0.0, 0.0), has_no_answer=False)
OPEN = replace(SPEC, has_no_answer=True)
CONTEXT = "Ann is in the old barn."


def scores(first: list[float], last: list[float]) -> np.ndarray:
    return np.array([first, last])


def test_the_answer_is_the_likeliest_span_in_order_and_not_too_long() -> None:
    # The likeliest first word is after the likeliest last one, or too far before it.
    found, p = decide(SPEC, scores([0.3, 0.1, 0.6, 0], [0.1, 0.7, 0.2, 0]))
    assert (found, p) == ((0, 2), pytest.approx(0.3 * 0.7))
    found, _ = decide(SPEC, scores([0.9, 0.05, 0.05, 0], [0.1, 0.1, 0.8, 0]))
    assert found == (0, 1)


def test_lengths_have_costs() -> None:
    probabilities = scores([0.5, 0.5, 0], [0.4, 0.6, 0])
    assert decide(SPEC, probabilities)[0] in {(0, 2), (1, 2)}
    assert decide(replace(SPEC, length_costs=(0.0, 5.0)), probabilities)[0] == (1, 2)
    assert decide(replace(SPEC, length_costs=(5.0, 0.0)), probabilities)[0] == (0, 2)


def test_no_answer_competes_if_training_had_such_examples() -> None:
    probabilities = scores([0.3, 0.1, 0.6], [0.3, 0.1, 0.6])
    assert decide(SPEC, probabilities)[0] == (0, 1)
    assert decide(OPEN, probabilities) == (None, pytest.approx(0.36))
    assert decide(replace(OPEN, no_answer_bonus=-4.0), probabilities)[0] == (0, 1)
    assert decide(SPEC, scores([1.0], [1.0]))[0] is None


def test_answers_are_parts_of_the_original_text() -> None:
    redaction = RedactionConfig(enabled=True)
    context = "Write to ann@example.org ."
    prepared = prepare(SPEC, [{"question": "To whom?", "context": context}], redaction)
    assert "[EMAIL]" in prepared[0].passage.words[2]
    n_units = len(prepared[0].passage.words) + 1
    one = np.eye(n_units)[2]
    (given,) = answer(SPEC, prepared, [np.stack([one, one])])
    assert given == {
        "answer": "ann@example.org",
        "start": 9,
        "end": 24,
        "score": pytest.approx(1.0),
        "is_cut": False,
    }


@pytest.mark.parametrize("context", ["", " \n", "Ann"])
def test_a_context_without_an_answer_gives_none(context: str) -> None:
    prepared = prepare(OPEN, [{"question": "", "context": context}], UNREDACTED)
    n_words = len(prepared[0].passage.words)
    none = np.eye(n_words + 1)[n_words]
    (given,) = answer(OPEN, prepared, [np.stack([none, none])])
    assert (given["answer"], given["start"], given["end"]) == ("", 0, 0)


def test_a_long_question_is_cut_and_says_so() -> None:
    question = "word " * (MAX_QUESTION_WORDS + 1)
    long, short = prepare(
        SPEC, [{"question": q, "context": "x"} for q in (question, "Why?")], UNREDACTED
    )
    assert (len(long.question.words), long.is_cut) == (MAX_QUESTION_WORDS, True)
    assert not short.is_cut


def test_targets_are_the_first_and_last_word_or_that_of_no_answer() -> None:
    assert targets(SPEC, Example("", CONTEXT, ((14, 22), (0, 3)), "")) == [4, 5]
    assert targets(SPEC, Example("", CONTEXT, (), "")) == [7, 7]


def test_the_bonus_for_no_answer_is_fitted_to_f1() -> None:
    unsure = scores([0.5, 0.1, 0.1, 0.1, 0, 0, 0, 0.2], [0.5, 0.1, 0.1, 0.1, 0, 0, 0, 0.2])
    without = Example("", CONTEXT, (), "")
    fitted = fit_decision(OPEN, [unsure] * 3, [without] * 3)
    assert decide(fitted, unsure)[0] is None
    right = Example("", CONTEXT, ((0, 3),), "")
    assert decide(fit_decision(OPEN, [unsure] * 3, [right] * 3), unsure)[0] == (0, 1)
    assert fit_decision(SPEC, [unsure], [right]) == SPEC
    sure = scores([0.99, 0, 0, 0, 0, 0, 0, 0.01], [0.99, 0, 0, 0, 0, 0, 0, 0.01])
    assert fit_decision(OPEN, [sure], [right]) == OPEN
