"""A linear-chain conditional random field on sparse features of words, without torch.

The score of a sequence of tags is the sum of the weights of each word's features for its tag, and
of the weights of adjacent tags. The likelihood is concave: the result does not depend on the order
of the examples.

Source: Lafferty et al. 2001; trained by L-BFGS as in Sha & Pereira 2003, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from textmill.evaluation.regression import most_frequent
from textmill.tasks.tagging.iob2 import OUTSIDE
from textmill.tasks.tagging.random_field.lattice import Floats, Lattice

MAX_WEIGHTS = 8_000_000
"""Maximum features times tags; the most frequent features are kept. Fitting allocates about 20
arrays of this size."""
MAX_WEIGHT = 1e6
"""Maximum of a stored weight, so that no sum of some overflows."""
MAX_ITERATIONS = 100
"""Of L-BFGS."""
MIN_DECREASE = 1e-6
"""Of the loss in an iteration, relative, for another one; about CRFsuite's, 1e-5 in ten."""
HISTORY = 6
"""Earlier gradients that L-BFGS keeps: two arrays of the weights for each."""
L2 = 1.0
"""Inverse of the variance of the weights' normal prior."""


@dataclass(frozen=True)
class LinearChain:
    """A fitted field as plain arrays, so that it can be stored without pickle."""

    weights: NDArray[np.float32]
    """(features, tags)."""
    pairs: NDArray[np.float32]
    """(tags, tags), of each tag after each other; those that IOB2 does not allow are not used."""

    def marginals(
        self, features: csr_matrix, lengths: Sequence[int], tags: tuple[str, ...]
    ) -> list[NDArray[np.float64]]:
        """Return the probabilities of the tags of each text's words, (words, tags).

        Args:
            features: (words of all texts, features).
            lengths: the number of words of each text.
            tags: the names of the columns.
        """
        lattice = Lattice(lengths)
        scores = (features @ self.weights)[lattice.rows]
        found = np.empty(scores.shape)
        found[lattice.rows] = lattice.sums(scores, self.pairs, tags).marginals
        return np.split(found, np.cumsum(lengths)[:-1])

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays by name, to store them."""
        return dict(vars(self))

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.generic]], n_features: int, n_tags: int
    ) -> Self:
        """Return the field of stored arrays.

        Raises:
            LookupError: an array is missing.
            ValueError: the arrays do not fit these numbers, or their values are too large.
        """
        model = cls(**{name: arrays[name] for name in cls.__dataclass_fields__})  # type: ignore[arg-type]
        shapes = {"weights": (n_features, n_tags), "pairs": (n_tags, n_tags)}
        for name, shape in shapes.items():
            array = arrays[name]
            if array.dtype != np.float32 or array.shape != shape:
                raise ValueError(
                    f"{name} of type {array.dtype} and shape {array.shape} instead of {shape}"
                )
            if not (np.abs(array) <= MAX_WEIGHT).all():
                raise ValueError(f"{name} holds a number that is not finite, or too large")
        return model


def fit_linear_chain(
    features: csr_matrix,
    lengths: Sequence[int],
    labels: NDArray[np.integer],
    tags: tuple[str, ...],
) -> tuple[LinearChain, NDArray[np.int64], str]:
    """Return the field with the highest posterior, fitted in bounded memory.

    Args:
        features: (words of all texts, features).
        lengths: the number of words of each text.
        labels: (words,), the number of each word's tag.
        tags: the names of the tags.

    Returns:
        The field, the columns of its features, and a note; both are empty if it has all features.
    """
    from scipy.optimize import minimize  # not for prediction

    columns, used, note = most_frequent(features, MAX_WEIGHTS // len(tags))
    likelihood = Likelihood(used, lengths, labels, tags)
    found = minimize(
        likelihood,
        np.zeros(likelihood.n_weights),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "maxcor": HISTORY, "ftol": MIN_DECREASE},
    )
    weights, pairs = likelihood.parts(found.x)
    return LinearChain(weights.astype(np.float32), pairs.astype(np.float32)), columns, note


class Likelihood:
    """The negative log-posterior of weights, given tagged texts.

    Args:
        features: (words of all texts, features), all 1.
        lengths: the number of words of each text.
        labels: (words,), the number of each word's tag.
        tags: the names of the tags.
    """

    def __init__(
        self,
        features: csr_matrix,
        lengths: Sequence[int],
        labels: NDArray[np.integer],
        tags: tuple[str, ...],
    ) -> None:
        self.tags, self.lattice = tags, Lattice(lengths)
        self.shape = features.shape[1], len(tags)
        self.n_weights = (features.shape[1] + len(tags)) * len(tags)
        before = np.roll(labels, 1)
        ends = np.cumsum(lengths)
        before[[0, *ends[ends < len(labels)].tolist()]] = tags.index(OUTSIDE)
        self.pairs = np.zeros((len(tags), len(tags)))
        np.add.at(self.pairs, (before, labels), 1)
        self.features = features[self.lattice.rows].astype(np.float32)
        self.transposed = self.features.T.tocsr()
        self.right = np.arange(len(labels)), labels[self.lattice.rows]

    def parts(self, vector: Floats) -> tuple[Floats, Floats]:
        """Return the weights of features, (features, tags), and of pairs, (tags, tags)."""
        n = self.shape[0] * self.shape[1]
        return vector[:n].reshape(self.shape), vector[n:].reshape(self.pairs.shape)

    def __call__(self, vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the negative log-posterior, in nats, and its gradient."""
        weights, pairs = self.parts(vector)
        scores = self.features @ weights.astype(np.float32)
        sums = self.lattice.sums(scores, pairs, self.tags)
        nll = sums.log_partition - scores[self.right].sum(dtype=np.float64)
        nll -= (pairs * self.pairs).sum()
        excess = sums.marginals
        excess[self.right] -= 1
        gradient = L2 * vector
        of_weights, of_pairs = self.parts(gradient)
        of_weights += self.transposed @ excess.astype(np.float32)
        of_pairs += sums.pairs - self.pairs
        return float(nll + L2 / 2 * (vector @ vector)), gradient
