"""Logistic regression in bounded memory, which simple models that a GPT has to beat consist of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

LBFGS_CELLS = 8_000_000
"""Classes times features or examples, whichever are more, up to which all classes are told apart in
one regression. Its solver holds some 25 arrays of classes times features."""
COEFFICIENTS = 64_000_000
"""Classes times features beyond that at most; the commonest features are kept."""


def logistic_regression(
    features: csr_matrix, labels: Sequence[Any], C: float, max_iter: int
) -> tuple[LogisticRegression | OneVsRestClassifier, slice | NDArray[np.int64], str]:
    """Return a logistic regression in bounded memory, the features that it is on, and a note.

    One regression of all classes holds many arrays of classes times features. Where these are too
    large, each class is told apart from the others by itself (Fan et al. 2008, LIBLINEAR), which
    takes the memory of the result alone; where even that is too large, the commonest features are
    kept.

    Args:
        features: (examples, features).
        labels: (examples,).
        C: inverse strength of the regularisation.
        max_iter: of the solver.

    Returns:
        The fitted model, the columns of features that it takes, and what was done to save memory.
    """
    n_examples, n_features = features.shape
    n_classes = len(set(labels))
    if n_classes * max(n_features, n_examples) <= LBFGS_CELLS or n_classes == 2:
        return LogisticRegression(C=C, max_iter=max_iter).fit(features, labels), slice(None), ""
    columns: slice | NDArray[np.int64] = slice(None)
    n_kept = COEFFICIENTS // n_classes
    note = f"{n_classes:,} classes, each told apart from all others by itself to save memory"
    if n_kept < n_features:
        counts = np.bincount(features.indices, minlength=n_features)
        columns = np.sort(np.argsort(-counts, kind="stable")[:n_kept])
        note += f"; on the {n_kept:,} commonest of {n_features:,} features"
    alone = LogisticRegression(
        C=C, max_iter=max_iter, solver="liblinear", dual=True, random_state=0
    )
    return OneVsRestClassifier(alone).fit(features[:, columns], labels), columns, note
