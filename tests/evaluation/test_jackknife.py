"""Specifies the standard error of a score: that of a mean by its formula, in groups and without."""

from __future__ import annotations

import math

import numpy as np
import pytest

from textmill.evaluation.jackknife import standard_error


def test_the_error_of_a_mean_of_few_values_is_its_formula() -> None:
    values = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    found = standard_error(5, lambda is_kept: float(values[is_kept].mean()))
    assert found == pytest.approx(values.std(ddof=1) / math.sqrt(5))


def test_the_error_of_many_values_is_estimated_in_groups() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    sizes = []

    def mean(is_kept: np.ndarray) -> float:
        sizes.append(int(is_kept.sum()))
        return float(values[is_kept].mean())

    assert standard_error(10_000, mean) == pytest.approx(0.01, rel=0.3)
    assert sizes == [9_500] * 20


def test_a_single_value_has_no_error_that_is_known() -> None:
    assert standard_error(1, lambda _: 1.0) == math.inf
