"""Specifies the interval of a mean over pairs that have something in common."""

from __future__ import annotations

import numpy as np
import pytest

from textmill.evaluation.metrics import Metric
from textmill.evaluation.paired_means import mean_interval
from textmill.evaluation.significance import ExampleStatistics, differences

RNG = np.random.default_rng(0)


def test_it_is_that_of_the_difference_between_two_models_on_the_same_examples() -> None:
    scores = RNG.random((2, 60))
    examples = ExampleStatistics(
        scores[:, :, None], {"score": lambda sums: sums[:, 0] / 60}, (Metric("score", leads=True),)
    )
    expected = differences(examples, 0, 1)["score"].gain
    found = mean_interval([*(scores[1] - scores[0])])
    for name in ("value", "low", "high", "deviation"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-12)


def test_it_covers_the_mean_of_independent_pairs_as_often_as_it_says() -> None:
    covered = []
    for _ in range(100):
        found = mean_interval([*RNG.normal(0.3, 1, 80)])
        covered.append(found.low <= 0.3 <= found.high)
    assert 0.88 <= np.mean(covered) <= 1


def test_it_covers_the_mean_of_few_groups_as_often_as_it_says() -> None:
    groups = [*np.repeat(np.arange(8), 10).tolist()]
    covered = []
    for _ in range(200):
        values = 0.3 + np.repeat(RNG.normal(size=8), 10) + 0.1 * RNG.normal(size=80)
        found = mean_interval([*values], [groups])
        covered.append(found.low <= 0.3 <= found.high)
    assert 0.91 <= np.mean(covered) <= 0.99


def test_pairs_of_few_groups_that_agree_say_less() -> None:
    of_group = np.repeat(RNG.normal(size=6), 20)
    groups = [*np.repeat(np.arange(6), 20).tolist()]
    alone, grouped = mean_interval([*of_group]), mean_interval([*of_group], [groups])
    assert grouped.value == pytest.approx(alone.value)
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)
    # Groups that have nothing in common change little, and the widest interval counts.
    others = [number % 6 for number in range(120)]
    assert mean_interval([*of_group], [others, groups]) == grouped


def test_without_any_change_it_is_exactly_zero() -> None:
    found = mean_interval([0.0] * 9, [[0, 1, 2] * 3])
    assert (found.value, found.low, found.high) == (0, 0, 0)
