"""Specifies the confidence interval of the share of cases that pass."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest, t

from textmill.evaluation.proportions import proportion_interval


@pytest.mark.parametrize(("n_passed", "n"), [(0, 9), (1, 1), (67, 100), (200, 200)])
def test_the_interval_of_independent_cases_is_that_of_scipy(n_passed: int, n: int) -> None:
    outcomes = [number < n_passed for number in range(n)]
    expected = binomtest(n_passed, n).proportion_ci(method="wilson")
    alone = proportion_interval(outcomes)
    assert (alone.low, alone.high) == pytest.approx((expected.low, expected.high))
    assert alone.value == n_passed / n
    assert alone.deviation == pytest.approx(math.sqrt(alone.value * (1 - alone.value) / n))
    # Groups of one case each have nothing in common.
    if n > 1:
        grouped = proportion_interval(outcomes, [range(n)])
        assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high))


def test_cases_that_pass_and_fail_together_count_as_one() -> None:
    outcomes = [group < 6 for group in range(8) for _ in range(10)]
    groups = [group for group in range(8) for _ in range(10)]
    found = proportion_interval(outcomes, [range(80), groups])
    # The variance of 6 of 8, and the quantile of a t distribution with 7 degrees of freedom.
    n = 80 / (8 / 7 / 8 * 79) * (t.ppf(0.975, 79) / t.ppf(0.975, 7)) ** 2
    assert found.deviation == pytest.approx(math.sqrt(0.75 * 0.25 / n))
    whole = binomtest(6, 8).proportion_ci(method="wilson")
    assert found.low < whole.low < found.value < whole.high < found.high


def test_few_groups_tell_little_even_if_all_cases_pass() -> None:
    def low(n_groups: int) -> float:
        groups = [number % n_groups for number in range(100)]
        return proportion_interval([True] * 100, [groups]).low

    assert 0 < low(2) < low(4) < low(10) < low(100) == proportion_interval([True] * 100).low
    assert proportion_interval([True] * 100, [[0, 1] * 50]).high == 1


def test_intervals_contain_the_share_of_other_values_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    nouns, adjectives = np.divmod(np.arange(80), 8)
    contained = {"grouped": 0, "independent": 0}
    for _ in range(400):
        # A third of the variance is that of ten nouns, and a third that of eight adjectives.
        effects = rng.normal(size=10)[nouns] + rng.normal(size=8)[adjectives]
        outcomes = (effects + rng.normal(size=80) > 0).tolist()
        grouped = proportion_interval(outcomes, [nouns.tolist(), adjectives.tolist()])
        alone = proportion_interval(outcomes)
        contained["grouped"] += grouped.low <= 0.5 <= grouped.high
        contained["independent"] += alone.low <= 0.5 <= alone.high
    assert contained["grouped"] > 0.9 * 400
    assert contained["independent"] < 0.75 * 400
