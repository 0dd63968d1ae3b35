"""Specifies the scores of probabilities, against torchmetrics and scikit-learn, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.functional.classification import multiclass_calibration_error

from textmill.evaluation.probabilities import (
    N_BINS,
    calibration_error,
    calibration_gaps,
    macro_auroc,
)


def error_of(confidences: list[float], is_right: list[bool]) -> float:
    gaps = calibration_gaps(np.array(confidences), np.array(is_right))
    return float(calibration_error(gaps.sum(axis=0), np.array(float(len(confidences)))))


def test_the_calibration_error_by_hand() -> None:
    # Two bins: 0.9 twice, one right (gap 0.8 of two examples), and 0.5, right (gap 0.5 of one).
    assert error_of([0.9, 0.9, 0.5], [True, False, True]) == pytest.approx((0.8 + 0.5) / 3)
    assert error_of([1.0, 1.0], [True, True]) == 0
    assert error_of([0.75] * 4, [True, True, True, False]) == pytest.approx(0)
    assert error_of([], []) == 0


def test_a_bin_contains_its_upper_end() -> None:
    gaps = calibration_gaps(np.array([0.0, 1 / 15, 1 / 15 + 1e-9, 1.0]), np.array([False] * 4))
    assert [int(np.flatnonzero(row)[0]) for row in gaps[1:]] == [0, 1, N_BINS - 1]
    assert not gaps[0].any()


@pytest.mark.parametrize("seed", range(3))
def test_the_calibration_error_equals_that_of_torchmetrics(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([0.5] * 4, 300)
    true = rng.integers(4, size=300)
    expected = multiclass_calibration_error(torch.tensor(p), torch.tensor(true), 4, N_BINS, "l1")
    found = error_of(p.max(axis=1).tolist(), (p.argmax(axis=1) == true).tolist())
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_auroc_equals_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    p, true = rng.dirichlet([1.0] * 3, 60), rng.integers(3, size=60)
    expected = roc_auc_score(true, p, multi_class="ovr", average="macro")
    assert macro_auroc(p, np.eye(3, dtype=bool)[true]) == pytest.approx(expected)


def test_auroc_is_that_of_the_labels_of_some_examples_only() -> None:
    is_label = np.array([[True, True, False], [True, False, False]])
    p = np.array([[0.1, 0.8, 0.3], [0.9, 0.2, 0.3]])
    assert macro_auroc(p, is_label) == 1.0
    assert macro_auroc(p[:, :1], is_label[:, :1]) is None
    assert macro_auroc(np.empty((0, 2)), np.empty((0, 2), bool)) is None
