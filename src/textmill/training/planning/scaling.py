"""Fitting a scaling law to finished runs (Hoffmann et al. 2022, approach 3)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from textmill.config import ScalingLaw
from textmill.errors import InputError

HUBER_DELTA = 1e-3
"""Threshold of the Huber loss (Hoffmann et al. 2022, section 3.3)."""
INITIAL_GRID = (
    np.arange(0, 30, 5), np.arange(0, 30, 5), np.arange(-1, 1.5, 0.5), np.arange(0, 2.5, 0.5),
    np.arange(0, 2.5, 0.5),
)  # fmt: skip
"""Initial values of log A, log B, log E, α and β: the grid of section D.2."""
MAX_STARTING_POINTS = 20
"""Only the grid points with the lowest initial loss are optimised, which saves a minute."""
MIN_RUNS, MIN_VALUES, MIN_RATIO = 6, 3, 4.0
"""One run more than the law has parameters, with enough different sizes and numbers of tokens."""


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrainedRun:
    """A finished pretraining run, as a data point for the scaling law."""

    name: str
    parameters: int
    """Parameters in matrix products."""
    tokens: int
    """Tokens seen in training, over all epochs."""
    loss: float
    """Validation loss, in nats per token."""


def fit_law(runs: Sequence[TrainedRun]) -> ScalingLaw:
    """Return the scaling law E + A/N^α + B/D^β that fits the losses of the runs best.

    Minimises the Huber loss of the logarithms by L-BFGS from a grid of initial values (section 3.3,
    eq. 3).

    Raises:
        InputError: there are too few runs, or they are too similar, to identify the parameters.
    """
    _check(runs)
    data = np.log([(run.parameters, run.tokens, run.loss) for run in runs]).T
    starts = np.array(list(itertools.product(*INITIAL_GRID)), np.float64)
    order = np.argsort([_objective(start, *data)[0] for start in starts], kind="stable")
    bounds = [(None, None)] * 3 + [(1e-3, 5.0)] * 2
    found = [
        minimize(_objective, starts[n], tuple(data), "L-BFGS-B", jac=True, bounds=bounds)
        for n in order[:MAX_STARTING_POINTS]
    ]
    a, b, e, alpha, beta = min(found, key=lambda one: float(one.fun)).x
    return ScalingLaw(e=np.exp(e), a=np.exp(a), b=np.exp(b), alpha=alpha, beta=beta)


def _objective(law: Floats, log_n: Floats, log_d: Floats, log_loss: Floats) -> tuple[float, Floats]:
    """Return the summed Huber loss for (log A, log B, log E, α, β), and its gradient."""
    a, b, e, alpha, beta = law
    parts = np.stack([a - alpha * log_n, b - beta * log_d, np.full_like(log_n, e)])
    most = parts.max(axis=0)
    shares = np.exp(parts - most)
    total = shares.sum(axis=0)
    rest = most + np.log(total) - log_loss
    slope = np.clip(rest, -HUBER_DELTA, HUBER_DELTA)
    value = (slope * (rest - slope / 2)).sum()
    by_part = shares / total * slope
    in_a, in_b, in_e = by_part.sum(axis=1)
    gradient = np.array([in_a, in_b, in_e, -by_part[0] @ log_n, -by_part[1] @ log_d])
    # Scaled up: for such small values, the optimizer would stop at once.
    return float(value) / HUBER_DELTA**2, gradient / HUBER_DELTA**2


def _check(runs: Sequence[TrainedRun]) -> None:
    if len(runs) < MIN_RUNS:
        raise InputError(
            f"{len(runs)} runs are too few to fit the five parameters of a scaling law: give at "
            f"least {MIN_RUNS}."
        )
    for what, setting, values in (
        ("sizes", "model", [run.parameters for run in runs]),
        ("numbers of tokens", "pretrain.max_steps", [run.tokens for run in runs]),
    ):
        ratio = max(values) / min(values)
        if len(set(values)) < MIN_VALUES or ratio < MIN_RATIO:
            raise InputError(
                f"The runs are too similar to fit a scaling law: there are {len(set(values))} "
                f"{what}, the largest {ratio:.1f} times the smallest. At least {MIN_VALUES} are "
                f"needed, the largest at least {MIN_RATIO:g} times the smallest: train with other "
                f"values of {setting}."
            )
