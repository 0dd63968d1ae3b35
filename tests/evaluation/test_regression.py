"""Specifies logistic regression on naive-Bayes features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from textmill.evaluation.regression import (
    LinearClassifier,
    logistic_regression,
    naive_bayes_regression,
)

COUNTS = csr_matrix([[1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1]], dtype=float)
LABELS = [0, 0, 2, 2]


def test_a_feature_that_is_as_frequent_in_both_classes_has_no_coefficient() -> None:
    """Its log-count ratio is log(2/5) - log(2/5)."""
    model, note = naive_bayes_regression(COUNTS, LABELS, 1.0)
    first, second, third = model.coefficients[0]
    assert second == 0
    assert third == pytest.approx(-first, rel=1e-3)
    assert third > 0
    assert note == ""


def test_a_larger_C_fits_closer() -> None:
    weak, strong = (naive_bayes_regression(COUNTS, LABELS, C)[0] for C in (0.01, 10.0))
    assert 0 < weak.coefficients[0, 2] < strong.coefficients[0, 2]


def test_probabilities_are_of_all_classes_and_zero_for_those_without_examples() -> None:
    for fit in (
        lambda labels: naive_bayes_regression(COUNTS, labels, 1.0)[0],
        lambda labels: logistic_regression(COUNTS, labels, 1.0, 100)[0],
    ):
        for labels in ([0, 0, 2, 2], [0, 1, 2, 2], [2, 2, 2, 2]):
            found = fit(labels).probabilities(COUNTS, 4)
            np.testing.assert_allclose(found.sum(axis=1), 1)
            assert (found[:, sorted({*range(4)} - {*labels})] == 0).all()


def test_stored_arrays_give_the_same_probabilities() -> None:
    model, _ = naive_bayes_regression(COUNTS, [0, 1, 2, 2], 1.0)
    restored = LinearClassifier.from_arrays(model.arrays(), 3, 3)
    np.testing.assert_array_equal(restored.probabilities(COUNTS, 3), model.probabilities(COUNTS, 3))
    with pytest.raises(ValueError, match="do not fit 3 classes and 2 features"):
        LinearClassifier.from_arrays(model.arrays(), 2, 3)
    with pytest.raises(ValueError, match="not below 2"):
        LinearClassifier.from_arrays(model.arrays(), 3, 2)
