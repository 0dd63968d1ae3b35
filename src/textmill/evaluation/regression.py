"""Logistic regression in bounded memory, for the classical baselines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

MAX_MULTINOMIAL_CELLS = 8_000_000
"""Maximum of classes times features, or classes times examples, for multinomial regression, whose
solver allocates about 25 arrays of classes times features."""
MAX_COEFFICIENTS = 64_000_000
"""Maximum of classes times features for one-vs-rest regression; the most frequent features are
kept."""


@dataclass(frozen=True)
class LinearClassifier:
    """A fitted logistic regression as plain arrays, so that it can be stored without pickle."""

    coefficients: NDArray[np.float32]
    """(classes, used features); of two classes, only the second has a row."""
    intercepts: NDArray[np.float32]
    """(rows of the coefficients,)."""
    classes: NDArray[np.int64]
    """The numbers of the classes, ascending."""
    columns: NDArray[np.int64]
    """The features that it uses; empty: all."""
    is_multinomial: NDArray[np.bool_]
    """Whether the classes were fitted together, not each against the rest; ()."""

    def probabilities(self, features: csr_matrix, n_classes: int) -> NDArray[np.float64]:
        """Return (examples, n_classes): 0 for classes that were not in the training examples.

        Args:
            features: (examples, features).
            n_classes: more than the highest number of a class.
        """
        used = features[:, self.columns] if len(self.columns) else features
        scores = used @ self.coefficients.T.astype(np.float64) + self.intercepts
        if len(self.classes) == 1:
            values = np.ones((features.shape[0], 1))
        elif len(self.classes) == 2:
            values = np.hstack([expit(-scores), expit(scores)])
        elif self.is_multinomial:
            values = softmax(scores, axis=1)
        else:
            values = expit(scores)
            values /= values.sum(axis=1, keepdims=True)
        result = np.zeros((len(values), n_classes))
        result[:, self.classes] = values
        return result

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays by name, to store them."""
        return dict(vars(self))

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.generic]], n_features: int, n_classes: int
    ) -> Self:
        """Return the classifier of stored arrays.

        Raises:
            LookupError: an array is missing.
            ValueError: the arrays do not fit together, or not these numbers.
        """
        model = cls(**{name: arrays[name] for name in cls.__dataclass_fields__})  # type: ignore[arg-type]
        n_rows = cls._n_rows(len(model.classes))
        n_used = len(model.columns) or n_features
        if not (np.isfinite(model.coefficients).all() and np.isfinite(model.intercepts).all()):
            raise ValueError("a coefficient is not finite")
        if model.classes.dtype.kind != "i" or model.columns.dtype.kind != "i":
            raise ValueError("classes and columns are not integers")
        shapes = model.coefficients.shape, model.intercepts.shape
        if shapes != ((n_rows, n_used), (n_rows,)):
            raise ValueError(
                f"coefficients of shape {shapes[0]} do not fit {len(model.classes)} classes and "
                f"{n_used} features"
            )
        for numbers, n in ((model.classes, n_classes), (model.columns, n_features)):
            if not np.isin(numbers, np.arange(n)).all():
                raise ValueError(f"there is a number that is not below {n}")
        return model

    @staticmethod
    def _n_rows(n_classes: int) -> int:
        """Return the rows of the coefficients of that many classes."""
        return {1: 0, 2: 1}.get(n_classes, n_classes)


class IndependentClassifier(LinearClassifier):
    """Logistic regressions of which each decides on one class: an example may have several."""

    def probabilities(self, features: csr_matrix, n_classes: int) -> NDArray[np.float64]:
        """Return (examples, n_classes, 2): the probabilities to lack a class, and to have it.

        Args:
            features: (examples, features).
            n_classes: more than the highest number of a class.
        """
        used = features[:, self.columns] if len(self.columns) else features
        scores = used @ self.coefficients.T.astype(np.float64) + self.intercepts
        result = np.zeros((len(scores), n_classes, 2))
        result[:, :, 0] = 1
        result[:, self.classes] = np.stack([expit(-scores), expit(scores)], axis=2)
        return result

    @staticmethod
    def _n_rows(n_classes: int) -> int:
        return n_classes


def logistic_regression(
    features: csr_matrix, labels: Sequence[int], C: float, max_iter: int
) -> tuple[LinearClassifier, str]:
    """Return a logistic regression fitted in bounded memory, and a note.

    If multinomial regression needs too much memory, one-vs-rest regression (Fan et al. 2008,
    LIBLINEAR) is used, which only needs memory for the coefficients; if these are too many, only
    the most frequent features are kept.

    Args:
        features: (examples, features).
        labels: (examples,), the number of each example's class.
        C: inverse of the regularization strength.
        max_iter: of the solver.

    Returns:
        The fitted model, and a note on how it was limited to save memory.
    """
    n_examples, n_features = features.shape
    classes = np.unique(np.asarray(labels, np.int64))
    n_classes = len(classes)
    if n_classes == 1:  # the solvers need two
        return _classifier(np.empty((0, n_features)), np.empty(0), classes), ""
    if n_classes * max(n_features, n_examples) <= MAX_MULTINOMIAL_CELLS or n_classes == 2:
        fitted = LogisticRegression(C=C, max_iter=max_iter).fit(features, labels)
        return _classifier(fitted.coef_, fitted.intercept_, classes), ""
    columns, used, limit = most_frequent(features, MAX_COEFFICIENTS // n_classes)
    note = f"{n_classes:,} classes, one-vs-rest to save memory"
    note += f"; {limit}" if limit else ""
    each = OneVsRestClassifier(_binary_regression(C, max_iter)).fit(used, labels).estimators_
    coefficients = np.vstack([one.coef_ for one in each])
    intercepts = np.hstack([one.intercept_ for one in each])
    return _classifier(coefficients, intercepts, classes, columns, is_multinomial=False), note


def naive_bayes_regression(
    features: csr_matrix,
    labels: Sequence[int],
    C: float,
    weights: NDArray[np.float64] | None = None,
) -> tuple[LinearClassifier, str]:
    """Return logistic regressions of each class against the rest, on naive-Bayes features.

    The features are multiplied by their log-count ratios in the class and the rest, with one
    added to each count (Wang & Manning 2012, section 2.3, here with logistic regression instead of
    an SVM). The fitted coefficients contain these ratios.

    Args:
        features: (examples, features), not negative.
        labels: (examples,), the number of each example's class.
        C: inverse of the regularization strength.
        weights: (examples,); None: all are 1.

    Returns:
        The fitted model, and a note on how it was limited to save memory.
    """
    numbers = np.asarray(labels, np.int64)
    classes = np.unique(numbers)
    rows = classes if len(classes) > 2 else classes[1:]
    columns, used, note = most_frequent(features, MAX_COEFFICIENTS // max(1, len(rows)))
    masks = ((numbers == number, weights) for number in rows)
    fitted = _naive_bayes_rows(used, masks, len(rows), C)
    return _classifier(*fitted, classes, columns, is_multinomial=False), note


def independent_regressions(
    features: csr_matrix,
    labels: Sequence[Collection[int]],
    n_classes: int,
    C: float,
    weights: Sequence[tuple[float, float]] = (),
) -> tuple[IndependentClassifier, str]:
    """Return a logistic regression of each class by itself, on naive-Bayes features as above.

    Args:
        features: (examples, features), not negative.
        labels: (examples,), the numbers of each example's classes, of which it may have none.
        n_classes: the number of classes; those that no example has, or all, get a constant.
        C: inverse of the regularization strength.
        weights: (n_classes, 2), of examples that lack and that have each class; empty: all are 1.

    Returns:
        The fitted model, and a note on how it was limited to save memory.
    """
    numbers = np.fromiter(chain.from_iterable(labels), np.int64)
    owners = np.repeat(np.arange(len(labels)), [*map(len, labels)])
    columns, used, note = most_frequent(features, MAX_COEFFICIENTS // max(1, n_classes))

    def rows() -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64] | None]]:
        for number in range(n_classes):
            mask = np.bincount(owners[numbers == number], minlength=len(labels)) > 0
            yield mask, np.where(mask, *weights[number][::-1]) if weights else None

    fitted = _naive_bayes_rows(used, rows(), n_classes, C)
    classifier = _classifier(*fitted, np.arange(n_classes), columns, is_multinomial=False)
    return IndependentClassifier(**vars(classifier)), note


def _naive_bayes_rows(
    features: csr_matrix,
    masks: Iterable[tuple[NDArray[np.bool_], NDArray[np.float64] | None]],
    n_rows: int,
    C: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coefficients, (n_rows, features), and intercepts of classes against the rest.

    A class that all examples have, or none, has the logarithm of its odds as a constant, with half
    an example added on both sides.

    Args:
        features: (examples, features), not negative.
        masks: of each class, both (examples,): which examples have it, and their weights, if any.
        n_rows: the number of classes.
        C: inverse of the regularization strength.
    """
    present = (features > 0).astype(np.float64)
    coefficients, intercepts = np.zeros((n_rows, features.shape[1])), np.empty(n_rows)
    for row, (mask, weights) in enumerate(masks):
        n = int(mask.sum())
        if n in (0, len(mask)):
            intercepts[row] = np.log((n + 0.5) / (len(mask) - n + 0.5))
            continue
        ratios = _log_count_ratios(present, mask)
        fitted = _binary_regression(C).fit(features.multiply(ratios).tocsr(), mask, weights)
        coefficients[row] = fitted.coef_[0] * ratios
        intercepts[row] = fitted.intercept_[0]
    return coefficients, intercepts


def _log_count_ratios(present: csr_matrix, is_class: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the logarithms of the features' shares in a class, relative to the rest."""
    own, other = (1 + np.asarray(present[mask].sum(axis=0))[0] for mask in (is_class, ~is_class))
    ratios: NDArray[np.float64] = np.log(own / own.sum()) - np.log(other / other.sum())
    return ratios


def most_frequent(features: csr_matrix, n_kept: int) -> tuple[NDArray[np.int64], csr_matrix, str]:
    """Return the columns of the features that are kept, these features, and a note.

    The columns and the note are empty if all are.
    """
    n_features = features.shape[1]
    if n_kept >= n_features:
        return np.empty(0, np.int64), features[:, :], ""  # with the 32-bit indices of LIBLINEAR
    counts = np.bincount(features.indices, minlength=n_features)
    columns = np.sort(np.argsort(-counts, kind="stable")[:n_kept])
    note = f"on the {n_kept:,} most frequent of {n_features:,} features to save memory"
    return columns, features[:, columns], note


def _binary_regression(C: float, max_iter: int = 1000) -> LogisticRegression:
    return LogisticRegression(C=C, max_iter=max_iter, solver="liblinear", dual=True, random_state=0)


def _classifier(
    coefficients: NDArray[np.float64],
    intercepts: NDArray[np.float64],
    classes: NDArray[np.int64],
    columns: NDArray[np.int64] | None = None,
    is_multinomial: bool = True,
) -> LinearClassifier:
    return LinearClassifier(
        coefficients.astype(np.float32),
        intercepts.astype(np.float32),
        classes,
        columns if columns is not None else np.empty(0, np.int64),
        np.array(is_multinomial),
    )
