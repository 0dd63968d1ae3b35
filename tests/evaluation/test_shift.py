"""Specifies the measures of drift by values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from textmill.config import DriftConfig
from textmill.evaluation.shift import crossed_limits, label_shift, rare_share, share_shift

MEASURES = {
    "bits_ratio": 1.2,
    "rare_increase": 0.01,
    "label_shift/topic": 0.1,
    "label_shift/mood": 0.9,
}


@pytest.mark.parametrize(
    ("at_most", "share"),
    [(0, 2 / 10), (1, 5 / 10), (4, 5 / 10), (5, 6 / 10), (100, 1.0)],
)
def test_rare_tokens_are_those_seen_at_most_so_often(at_most: int, share: float) -> None:
    training = np.array([100, 1, 0, 5])
    text = np.array([4, 3, 2, 1])
    assert rare_share(text, training, at_most) == pytest.approx(share)


def test_a_text_without_tokens_has_no_rare_ones() -> None:
    assert rare_share(np.zeros(3, int), np.array([0, 1, 2]), 5) == 0


@pytest.mark.parametrize(
    ("new", "known", "distance"),
    [
        ("aabb", "ab", 0.0),
        ("aaab", "ab", 0.25),
        ("aa", "bb", 1.0),
        ("abc", "ab", 1 / 3),
    ],
)
def test_the_label_shift_is_half_the_sum_of_differences(
    new: str, known: str, distance: float
) -> None:
    assert label_shift(new, known) == pytest.approx(distance)
    assert label_shift(known, new) == pytest.approx(distance)


def test_the_share_shift_is_that_of_the_label_that_differs_most() -> None:
    new, known = [["a"], ["a", "b"], [], ["b"]], [["a", "b"], ["b"]]
    assert share_shift(new, known) == pytest.approx(0.5)  # b: 2 of 4 texts, and 2 of 2
    assert share_shift(known, new) == pytest.approx(0.5)
    assert share_shift([[], []], [[]]) == 0
    assert share_shift([["a"]], [["a"]]) == 0


def test_values_within_the_limits_cross_none() -> None:
    assert crossed_limits(MEASURES, DriftConfig(tasks=("topic",))) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_bits_ratio": 1.19}, "1.20 times the bits per byte of its validation split"),
        ({"max_rare_increase": 0.009}, "rare tokens is 0.010 above"),
        ({"tasks": ("topic", "mood")}, "labels of mood have shifted by 0.90"),
    ],
)
def test_each_crossed_limit_is_reported(settings: dict[str, float], words: str) -> None:
    (found,) = crossed_limits(MEASURES, DriftConfig.model_validate(settings))
    assert words in found


def test_a_measure_at_its_limit_has_not_crossed_it() -> None:
    exact = DriftConfig(max_bits_ratio=1.2, max_rare_increase=0.01)
    assert crossed_limits(MEASURES, exact) == []
