"""Specifies the scaling law: by hand, at its optimum, and for repeated text."""

from __future__ import annotations

import math

import pytest

from textmill.config import ScalingLaw
from textmill.training.planning.law import (
    TOKENS_HALF_LIFE,
    compute_optimal,
    predicted_loss,
    repeated_loss,
)

LAW = ScalingLaw()


@pytest.mark.parametrize("flops", [1e15, 5.76e23])
def test_the_best_size_has_the_lowest_loss_of_all_with_as_many_operations(flops: float) -> None:
    best = compute_optimal(flops, LAW)
    assert 6 * best.parameters * best.tokens == pytest.approx(flops)
    for factor in (0.5, 0.9, 1.1, 2.0):
        other = predicted_loss(best.parameters * factor, best.tokens / factor, LAW)
        assert other > best.loss


def test_the_best_size_for_gophers_budget_is_that_of_the_paper() -> None:
    """Section 3.3 of Hoffmann et al. 2022 gives 40 G parameters for Gopher's budget."""
    assert compute_optimal(5.76e23, LAW).parameters == pytest.approx(40e9, rel=0.2)


def test_the_loss_by_hand() -> None:
    law = ScalingLaw(e=1.0, a=10.0, b=100.0, alpha=1.0, beta=0.5)
    assert predicted_loss(5.0, 10_000.0, law) == 1.0 + 2.0 + 1.0


def test_without_repetition_the_loss_is_that_of_the_law() -> None:
    n, d = 1e7, 1e9
    assert repeated_loss(n, d, d, LAW) == predicted_loss(n, d, LAW)
    assert repeated_loss(n, d, 2 * d, LAW) == predicted_loss(n, d, LAW)


def test_repeated_tokens_count_less_by_the_formula() -> None:
    unique, law = 1e6, ScalingLaw(e=0, a=1e-9, b=1.0, alpha=1.0, beta=1.0)
    worth = unique * (1 + TOKENS_HALF_LIFE * (1 - math.exp(-3 / TOKENS_HALF_LIFE)))
    assert repeated_loss(1e9, 4 * unique, unique, law) == pytest.approx(1e-18 + 1 / worth)
