"""Logistic regression in bounded memory, for the classical baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

MAX_MULTINOMIAL_CELLS = 8_000_000
"""Maximum of classes times features, or classes times examples, for multinomial regression, whose
solver allocates about 25 arrays of classes times features."""
MAX_COEFFICIENTS = 64_000_000
"""Maximum of classes times features for one-vs-rest regression; the most frequent features are
kept."""


def logistic_regression(
    features: csr_matrix, labels: Sequence[Any], C: float, max_iter: int
) -> tuple[LogisticRegression | OneVsRestClassifier, slice | NDArray[np.int64], str]:
    """Return a logistic regression fitted in bounded memory, its features, and a note.

    If multinomial regression needs too much memory, one-vs-rest regression (Fan et al. 2008,
    LIBLINEAR) is used, which only needs memory for the coefficients; if these are too many, only
    the most frequent features are kept.

    Args:
        features: (examples, features).
        labels: (examples,).
        C: inverse of the regularization strength.
        max_iter: of the solver.

    Returns:
        The fitted model, the columns of the features that it uses, and a note on how it was
        limited to save memory.
    """
    n_examples, n_features = features.shape
    n_classes = len(set(labels))
    if n_classes * max(n_features, n_examples) <= MAX_MULTINOMIAL_CELLS or n_classes == 2:
        return LogisticRegression(C=C, max_iter=max_iter).fit(features, labels), slice(None), ""
    columns: slice | NDArray[np.int64] = slice(None)
    n_kept = MAX_COEFFICIENTS // n_classes
    note = f"{n_classes:,} classes, one-vs-rest to save memory"
    if n_kept < n_features:
        counts = np.bincount(features.indices, minlength=n_features)
        columns = np.sort(np.argsort(-counts, kind="stable")[:n_kept])
        note += f"; on the {n_kept:,} most frequent of {n_features:,} features"
    binary = LogisticRegression(
        C=C, max_iter=max_iter, solver="liblinear", dual=True, random_state=0
    )
    return OneVsRestClassifier(binary).fit(features[:, columns], labels), columns, note
