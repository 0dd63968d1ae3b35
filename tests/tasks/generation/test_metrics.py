"""Specifies the scores of responses."""

from __future__ import annotations

import random

import pytest

from textmill.tasks.generation.metrics import common_length, repetition, rouge_l
from textmill.tasks.generation.settings import ResponseConfig
from textmill.tasks.predictions import score
from textmill.tasks.statistics import tabulate


def slow_length(one: list[str], other: list[str]) -> int:
    """By the definition, as a table."""
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, word in enumerate(one):
        for j, second in enumerate(other):
            longest = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if word == second else longest
    return table[-1][-1]


def test_the_longest_common_subsequence_is_that_of_the_table() -> None:
    rng = random.Random(0)
    for _ in range(300):
        one, other = (rng.choices("abcd", k=rng.randint(0, 90)) for _ in range(2))
        assert common_length(one, other) == slow_length(one, other)


@pytest.mark.parametrize(
    ("response", "reference", "expected"),
    [
        ("the cat sat on the mat", "the cat is on the mat", 5 / 6),
        ("police killed the gunman", "the gunman police killed", 2 / 4),  # as in Lin 2004
        ("Don't!", "don t", 1.0),
        ("我喜欢你", "我很喜欢你", 2 * 4 / 9),
        ("हिन्दी भाषा", "हनद भष", 0.0),
        ("cafe\u0301 a_b", "CAFÉ a b", 1.0),
        ("", "", 1.0),
        ("…", "a", 0.0),
    ],
)
def test_rouge_l_is_the_f1_of_words_in_order(
    response: str, reference: str, expected: float
) -> None:
    assert rouge_l(response, reference) == pytest.approx(expected)


def test_repetition_counts_four_words_that_come_again() -> None:
    assert repetition("a b c d e f g h") == 0
    assert repetition("a b c d a b c d") == pytest.approx(1 - 4 / 5)
    assert repetition("a b c") == repetition("") == 0


def test_scores_of_a_test_set() -> None:
    config = ResponseConfig(kind="generation", name="reply", train="a.jsonl", test="b.jsonl")
    rows = [
        {"prompt": "p", "response": "a b", "reference": "a b"},
        {"prompt": "q", "response": "a c", "reference": "x y"},
    ]
    scores = score(config, rows)
    expected = {"rouge_l": 0.5, "repetition": 0.0, "distinct_1": 3 / 4, "distinct_2": 1.0}
    assert scores == pytest.approx(expected)
    values = tabulate("generation", [rows]).values(0)
    assert values == pytest.approx({"rouge_l": 0.5, "repetition": 0.0})
