"""Specifies exposure: by the definition on a small space, and that its estimate agrees with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, skewnorm

from textmill.evaluation.exposure import CHANCE, exposure, log2_share_below


def exact(losses: np.ndarray, at: int) -> float:
    """log2 of the number of secrets, minus log2 of the rank of one (Carlini et al. 2019, eq. 2)."""
    rank = sorted(losses.tolist()).index(losses[at]) + 1
    return math.log2(len(losses)) - math.log2(rank)


def test_exposure_by_hand() -> None:
    others = np.array([3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0])
    assert exposure(0.5, others, 8) == 3.0  # the first of eight
    assert exposure(1.5, others, 8) == 2.0
    assert exposure(3.5, others, 8) == 1.0
    assert exposure(9.0, others, 8) == 0.0
    assert exposure(7.0, others, 8) == 0.0  # no better than an equal one


def test_with_all_alternatives_it_is_exact() -> None:
    losses = np.random.default_rng(0).normal(size=500)
    for at in range(len(losses)):
        assert exposure(losses[at], np.delete(losses, at), 500) == pytest.approx(exact(losses, at))


@pytest.mark.parametrize("shape", [-4.0, 0.0, 3.0])
def test_an_estimate_from_few_alternatives_agrees_with_the_exact_rank(shape: float) -> None:
    losses = skewnorm.rvs(shape, loc=30, scale=4, size=100_000, random_state=1)
    others = losses[1:1001]
    for share in (0.5, 0.1, 0.02):
        at = int(np.argsort(losses)[int(share * len(losses))])
        found = exposure(losses[at], others, len(losses))
        # The standard error of a sampled share, in bits.
        error = math.sqrt((1 - share) / (share * len(others))) / math.log(2)
        assert found == pytest.approx(exact(losses, at), abs=3 * error)
    # Below all alternatives, by extrapolation; sampling alone would end at ten bits.
    for rank in (2, 10):
        at = int(np.argsort(losses)[rank - 1])
        assert losses[at] < others.min()
        found = exposure(losses[at], others, len(losses))
        assert found == pytest.approx(exact(losses, at), abs=2.5)


def test_no_secret_has_more_bits_than_there_are() -> None:
    others = np.random.default_rng(0).normal(30, 2, 1000)
    assert exposure(0.1, others, 10**6) == pytest.approx(math.log2(10**6))
    assert exposure(0.1, np.full(1000, 30.0), 10**6) == pytest.approx(math.log2(1001))


def test_more_likely_secrets_are_not_less_exposed() -> None:
    others = skewnorm.rvs(-2, loc=30, scale=4, size=300, random_state=2)
    found = [exposure(loss, others, 10**9) for loss in np.linspace(others.min() - 20, 40, 50)]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("end", [-1.0, -4.0, -7.0])
def test_the_tail_is_that_of_a_fitted_distribution(end: float) -> None:
    others = norm.ppf((np.arange(5000) + 0.5) / 5000)  # hardly skewed
    expected = norm.logcdf(end) / math.log(2)
    assert log2_share_below(end, others) == pytest.approx(expected, rel=0.05)


def test_secrets_that_are_not_known_have_the_exposure_of_chance() -> None:
    rng = np.random.default_rng(3)
    found = [exposure(rng.normal(), rng.normal(size=1000), 10**6) for _ in range(2000)]
    assert np.mean(found) == pytest.approx(CHANCE, abs=0.1)
    # 2 to the power of minus the exposure is a p-value.
    assert np.mean(np.array(found) > 4) < 2**-4 + 0.015
