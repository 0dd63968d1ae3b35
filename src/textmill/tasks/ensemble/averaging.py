"""Averages of several models' probabilities.

The average is the logarithmic opinion pool, p ∝ Π pᵢ^wᵢ (Genest & Zidek 1986, section 3.2), whose
weights are fitted to validation examples. A weight also acts as the inverse of a temperature (Guo
et al. 2017, section 4.2), so that an overconfident model does not outvote the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

MIN_PROBABILITY = 1e-9
"""Lower bound of a probability, so that no model can exclude a label on its own."""
MAX_WEIGHT = 4.0
MIN_WEIGHT_ALONE = 0.05
"""Minimum weight of a model by itself, with which its likeliest answers stay the same."""


def average(scores: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """Return the weighted average of the probabilities of several models.

    Args:
        scores: the probabilities by each model, (..., labels).
        weights: of the models.
    """
    probabilities: Floats = np.exp(_log_softmax(_weighted(scores, weights)))
    return probabilities


def stack(scores: Sequence[Floats]) -> Floats:
    """Return the probabilities of several examples, (rows, labels).

    Rows with fewer labels than others, such as the words of a shorter text, are padded by 0.

    Args:
        scores: the probabilities of each example, (labels,) or (rows, labels).
    """
    rows = [np.atleast_2d(part) for part in scores]
    width = max(part.shape[1] for part in rows)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in rows])


def fit_weights(scores: Sequence[Floats], targets: NDArray[np.integer]) -> tuple[float, ...]:
    """Return the weights with the lowest cross-entropy; of one model, its inverse temperature.

    With few validation examples they are nearly equal, with a sum of 1: the prior of each is
    normal, with a variance of 1.

    Args:
        scores: the probabilities by each model, (examples, labels), as from `stack`.
        targets: the correct labels, (examples,).
    """
    from scipy.optimize import minimize  # not for prediction

    logs = [_log(part) for part in scores]
    is_padding = np.all([part == 0 for part in scores], axis=0)
    rows = np.arange(len(targets))
    right = np.stack([part[rows, targets] for part in logs])
    prior = np.full(len(scores), 1 / len(scores))

    def objective(weights: Floats) -> tuple[float, Floats]:
        log_p = _log_softmax(np.where(is_padding, -np.inf, _weighted(scores, weights)))
        expected = np.stack([(np.exp(log_p) * part).sum(axis=1) for part in logs])
        away = weights - prior
        value = -log_p[rows, targets].sum() + (away**2).sum() / 2
        return float(value), (expected - right).sum(axis=1) + away

    lowest = 0.0 if len(scores) > 1 else MIN_WEIGHT_ALONE
    bounds = [(lowest, MAX_WEIGHT)] * len(scores)
    found = minimize(objective, prior, jac=True, bounds=bounds)
    return tuple(float(weight) for weight in found.x)


def _weighted(scores: Sequence[Floats], weights: Sequence[float] | Floats) -> Floats:
    parts = [weight * _log(part) for part, weight in zip(scores, weights, strict=True)]
    return np.asarray(sum(parts))


def _log(probabilities: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(probabilities, MIN_PROBABILITY, dtype=np.float64)))


def _log_softmax(scores: Floats) -> Floats:
    # SciPy has it, but a prediction by a network alone would load SciPy for it.
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
