"""Specifies the network that finds answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tasks.conftest import predictor_of
from tests.tasks.question_answering.conftest import toy_rows
from textmill import model as models
from textmill.config import UNREDACTED
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.errors import InputError
from textmill.files import read_json
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.evaluate import evaluate
from textmill.tasks.question_answering.answers import prepare
from textmill.tasks.question_answering.examples import Example, Spec
from textmill.tasks.question_answering.network import (
    AnswerFinder,
    build,
    collate,
    encode,
    loss,
    score,
    validate,
)
from textmill.tasks.question_answering.settings import QuestionAnsweringConfig

SPEC = Spec(("where",), ("?", "is", "where"), (0.0, 0.5), has_no_answer=True)


def examples(n: int, seed: int) -> list[Example]:
    return [
        Example(
            row["question"],
            row["context"],
            tuple(
                (start, start + len(text))
                for text, start in zip(
                    row["answers"]["text"], row["answers"]["answer_start"], strict=True
                )
            ),
            "",
        )
        for row in toy_rows(n, seed)
    ]


@pytest.fixture
def network(backbone: Path) -> AnswerFinder:
    torch.manual_seed(1)
    return build(models.load(backbone), SPEC, 0.0, False).eval()


def test_fine_tuning_learns_to_find_answers_and_that_there_is_none(
    faq: QuestionAnsweringConfig, tuned_faq: Path, tmp_path: Path
) -> None:
    evaluate(faq, {"model": tuned_faq}, tmp_path)
    scores = read_json(tmp_path / "metrics.json")
    assert scores["f1"] > 0.9
    assert scores["unanswerable/f1"] > 0.8
    predict = load_predictor(tuned_faq, "cpu")
    context = "Gus is in the attic. Hal is in the old barn."
    (given,) = predict([{"question": "Where is Hal?", "context": context}])
    assert given["answer"] == context[given["start"] : given["end"]] == "old barn"


def test_probabilities_are_of_all_words_and_no_answer(
    backbone: Path, network: AnswerFinder
) -> None:
    tokenizer = load_tokenizer(backbone)
    inputs = [
        {"question": "Where is Ann?", "context": context}
        for context in ("Ann is in the garden.", "", "Ann " * 100)
    ]
    prepared = prepare(SPEC, inputs, UNREDACTED)
    found = list(score(network, tokenizer, SPEC, prepared))
    assert [row.shape for row in found] == [(2, 7), (2, 1), (2, 101)]
    for row in found:
        np.testing.assert_allclose(row.sum(axis=1), 1, atol=1e-5)
    closed = build(models.load(backbone), Spec((), (), (0.0,), False), 0.0, False).eval()
    for row in score(closed, tokenizer, closed.spec, prepared[::2]):
        assert (row[:, -1] == 0).all()


def test_a_context_has_the_same_scores_in_any_batch(backbone: Path, network: AnswerFinder) -> None:
    tokenizer = load_tokenizer(backbone)
    inputs = [
        {"question": "Where is Ann?", "context": "Ann is in the garden. " * n} for n in (1, 9, 3)
    ]
    prepared = prepare(SPEC, inputs, UNREDACTED)
    with torch.inference_mode():
        together = list(score(network, tokenizer, SPEC, prepared))
        alone = [next(iter(score(network, tokenizer, SPEC, [item]))) for item in prepared]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_an_answer_far_behind_the_context_is_found(backbone: Path, tuned_faq: Path) -> None:
    """No window ends or loses an answer: every place of a long text is tried."""
    predict = load_predictor(tuned_faq, "cpu")
    fillers = "Zoe was here before. " * 12
    right = 0
    for n_before in range(0, 12, 2):
        before, after = fillers[: 21 * n_before], fillers[21 * n_before :]
        context = f"{before}Ann is in the cellar. {after}"
        (given,) = predict([{"question": "Where is Ann?", "context": context}])
        right += given["answer"] == "cellar"
    assert right >= 5


def test_every_word_is_scored_in_one_window_after_the_question(backbone: Path) -> None:
    tokenizer = load_tokenizer(backbone)
    context = " ".join(f"w{number}" for number in range(90))
    (encoded,) = encode(tokenizer, SPEC, [Example("Where is Ann?", context, ((0, 2),), "")], 48)
    asked = tokenizer.encode("Where is Ann?", add_special_tokens=False).ids
    assert len(encoded.windows) > 3
    owned: list[int] = []
    for ids, owners in encoded.windows:
        assert len(ids) <= 48
        assert ids[1 : len(asked) + 1] == asked
        assert owners[0] == 90  # "no answer"
        owned += sorted({owner for owner in owners[1:] if owner >= 0})
    assert owned == [*range(90)]
    assert not encoded.is_cut


def test_a_question_longer_than_half_a_window_is_cut(backbone: Path) -> None:
    question = "Where is the garden? " * 12
    (encoded,) = encode(
        load_tokenizer(backbone), SPEC, [Example(question, "In Bath.", ((3, 7),), "")], 48
    )
    assert encoded.is_cut
    assert max(len(ids) for ids, _ in encoded.windows) <= 48


def test_a_context_that_is_too_short_is_named(backbone: Path) -> None:
    with pytest.raises(InputError, match="A context of 3 tokens is too short"):
        encode(load_tokenizer(backbone), SPEC, [Example("Where?", "In Bath.", ((3, 7),), "")], 3)


def test_the_loss_of_a_step_is_the_mean_over_its_examples(
    backbone: Path, network: AnswerFinder
) -> None:
    encoded = encode(load_tokenizer(backbone), SPEC, examples(6, seed=4), 48)
    whole = collate(encoded)
    parts = [collate(encoded[:2]), collate(encoded[2:])]
    n_targets = torch.tensor(6)
    summed = sum(loss(network, part | {"n_targets": n_targets}, 0.0) for part in parts)
    torch.testing.assert_close(summed, loss(network, whole, 0.0))
    with torch.inference_mode():
        found = validate(network, parts)
        assert found["loss"] == pytest.approx(float(loss(network, whole, 0.0)), rel=1e-5)
    assert 0 <= found["f1"] <= 1


def test_the_network_alone_predicts_as_it_was_built(backbone: Path, network: AnswerFinder) -> None:
    predict = predictor_of("question_answering", network, load_tokenizer(backbone), SPEC)
    first, again = predict([{"question": "Where?", "context": "In the garden."}] * 2)
    assert first == again
    assert first["answer"] in "In the garden."
