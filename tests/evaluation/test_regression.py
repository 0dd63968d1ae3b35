"""Specifies logistic regression on naive-Bayes features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from textmill.evaluation.regression import (
    IndependentClassifier,
    LinearClassifier,
    independent_regressions,
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


def test_independent_regressions_are_those_of_each_class_and_the_rest() -> None:
    features = csr_matrix([*COUNTS.toarray(), [1, 0, 1]])
    labels = [(0,), (0, 1), (), (1,), (0, 1)]
    for weights in ([], [(1.0, 1.0), (0.5, 2.0), (1.0, 1.0)]):
        model, note = independent_regressions(features, labels, 3, 1.0, weights)
        found = model.probabilities(features, 3)
        assert note == ""
        np.testing.assert_allclose(found.sum(axis=2), 1)
        for number in (0, 1):
            has = [int(number in row) for row in labels]
            own = np.array([weights[number][has_it] for has_it in has]) if weights else None
            alone, _ = naive_bayes_regression(features, has, 1.0, own)
            np.testing.assert_allclose(found[:, number], alone.probabilities(features, 2))
        np.testing.assert_allclose(found[:, 2, 1], 0.5 / 6)  # no example has it
        restored = IndependentClassifier.from_arrays(model.arrays(), 3, 3)
        np.testing.assert_array_equal(restored.probabilities(features, 3), found)


def test_stored_arrays_give_the_same_probabilities() -> None:
    model, _ = naive_bayes_regression(COUNTS, [0, 1, 2, 2], 1.0)
    restored = LinearClassifier.from_arrays(model.arrays(), 3, 3)
    np.testing.assert_array_equal(restored.probabilities(COUNTS, 3), model.probabilities(COUNTS, 3))
    with pytest.raises(ValueError, match="do not fit 3 classes and 2 features"):
        LinearClassifier.from_arrays(model.arrays(), 2, 3)
    with pytest.raises(ValueError, match="not below 2"):
        LinearClassifier.from_arrays(model.arrays(), 3, 2)
