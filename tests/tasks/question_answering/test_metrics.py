"""Specifies exact match and F1 of answers."""

from __future__ import annotations

import random

import pytest
from torchmetrics.functional.text import squad

from textmill.tasks.predictions import score
from textmill.tasks.question_answering.metrics import METRICS, exact_match, f1
from textmill.tasks.question_answering.settings import QuestionAnsweringConfig
from textmill.tasks.statistics import tabulate

SAID = "the a Norman Normans' France, in 1066 . - co-op under a. The"
WORDS = SAID.split(" ")
CONFIG = QuestionAnsweringConfig(
    kind="question_answering", name="faq", train="train.jsonl", test="test.jsonl"
)


def test_the_scores_are_squads() -> None:
    rng = random.Random(0)
    for number in range(300):
        answer, *known = (" ".join(rng.choices(WORDS, k=rng.randint(1, 5))) for _ in range(3))
        expected = squad(
            [{"prediction_text": answer, "id": str(number)}],
            [{"answers": {"answer_start": [0, 0], "text": known}, "id": str(number)}],
        )
        assert 100 * exact_match(answer, known) == pytest.approx(float(expected["exact_match"]))
        assert 100 * f1(answer, known) == pytest.approx(float(expected["f1"]), abs=1e-3)


@pytest.mark.parametrize(
    ("answer", "reference", "exact", "overlap"),
    [
        ("北京", "北京市", 0, 0.8),
        ("《红楼梦》", "红楼梦", 1, 1),
        ("在2008年", "2008年", 0, 0.8),
        ("“Der Zug”", "der Zug", 1, 1),
    ],
)
def test_other_scripts_and_marks_are_compared_by_their_characters(
    answer: str, reference: str, exact: float, overlap: float
) -> None:
    assert exact_match(answer, [reference]) == exact
    assert f1(answer, [reference]) == pytest.approx(overlap)


@pytest.mark.parametrize(
    ("answer", "known", "right"),
    [("", [], 1), ("Ann", [], 0), ("", ["Ann"], 0), ("the", ["Ann"], 0), (".", [], 1)],
)
def test_no_answer_is_right_where_there_is_none(
    answer: str, known: list[str], right: float
) -> None:
    assert exact_match(answer, known) == f1(answer, known) == right


def test_scores_are_means_also_of_those_with_and_without_an_answer() -> None:
    rows = [
        {"question": "q", "context": "c", "answer": "Ann Lee", "reference": ["Ann"]},
        {"question": "r", "context": "c", "answer": "Ann", "reference": ["Ann", "Bob"]},
        {"question": "s", "context": "c", "answer": "Ann", "reference": []},
    ]
    scores = score(CONFIG, rows)
    assert scores == pytest.approx(
        {
            "f1": (2 / 3 + 1) / 3,
            "exact_match": 1 / 3,
            "answerable/f1": 5 / 6,
            "unanswerable/f1": 0.0,
        }
    )
    assert {*score(CONFIG, rows[:2])} == {metric.name for metric in METRICS}
    values = tabulate("question_answering", [rows, rows]).values(0)
    assert values == pytest.approx({name: scores[name] for name in ("f1", "exact_match")})
