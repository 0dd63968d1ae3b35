"""Specifies the simple models that answer questions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tasks.conftest import write_rows
from tests.tasks.question_answering.conftest import make_config, toy_rows
from textmill.errors import InputError
from textmill.tasks.baseline import baseline
from textmill.tasks.ensemble.baseline_files import ARRAYS
from textmill.tasks.question_answering.baselines import (
    CLASSICAL_BASELINE,
    TRIVIAL_BASELINE,
    _prepared,
    baselines,
    fit,
    load,
)
from textmill.tasks.question_answering.examples import make_spec, read_examples
from textmill.tasks.question_answering.metrics import f1
from textmill.tasks.question_answering.settings import QuestionAnsweringConfig


def test_the_regression_finds_answers_and_the_sentence_contains_them(
    faq: QuestionAnsweringConfig,
) -> None:
    train, test = read_examples(faq, "train"), read_examples(faq, "test")
    spec = make_spec(faq, train)
    (trivial, sentences, _), (classical, answers, note) = baselines(spec, train, test)
    assert (trivial, classical, note) == (TRIVIAL_BASELINE, CLASSICAL_BASELINE, "")
    scores = [f1(row["answer"], e.texts) for row, e in zip(answers, test, strict=True)]
    assert np.mean(scores) > 0.8
    answered = [(row["answer"], e) for row, e in zip(sentences, test, strict=True) if e.answers]
    assert np.mean([e.texts[0] in text for text, e in answered]) > 0.9


def test_the_scores_of_the_step_are_those_of_both(faq: QuestionAnsweringConfig, tmp_path) -> None:
    baseline(faq, {}, tmp_path)
    assert (tmp_path / TRIVIAL_BASELINE / "predictions.jsonl").exists()
    assert (tmp_path / CLASSICAL_BASELINE / "predictions.jsonl").exists()


def test_a_saved_regression_is_the_same(faq: QuestionAnsweringConfig, tmp_path) -> None:
    train = read_examples(faq, "train")
    spec = make_spec(faq, train)
    model = fit(spec, train)
    model.save(tmp_path)
    again = load(spec, tmp_path)
    prepared = _prepared(spec, train[:5])
    for one, other in zip(model.score(prepared), again.score(prepared), strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one.sum(axis=1), 1)
    assert again.n_parameters == model.n_parameters
    (tmp_path / ARRAYS).write_bytes(b"no arrays")
    with pytest.raises(InputError):
        load(spec, tmp_path)


def test_without_unanswerable_training_no_answer_has_no_probability(tmp_path) -> None:
    write_rows(tmp_path / "train.jsonl", toy_rows(40, seed=5, none_share=0.0))
    config = make_config(tmp_path)
    train = read_examples(config, "train")
    spec = make_spec(config, train)
    for row in fit(spec, train).score(_prepared(spec, train[:5])):
        assert (row[:, -1] == 0).all()
