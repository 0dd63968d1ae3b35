"""Specifies the budgets of textmill plan."""

from __future__ import annotations

import pytest

from textmill.compose import compose
from textmill.errors import InputError
from textmill_flows.answering import forecast


@pytest.mark.parametrize("option", ["hours", "flops", "money"])
@pytest.mark.parametrize("budget", [0.0, -1e16, float("inf"), float("nan")])
def test_a_budget_that_is_no_positive_number_is_named_before_the_measurement(
    option: str, budget: float
) -> None:
    budgets = {"hours": None, "flops": None, "money": None} | {option: budget}
    config = compose("demo", ["cluster.price_per_hour=1"])
    with pytest.raises(InputError, match=f"^--{option} .* is no budget: give a positive number"):
        next(forecast.plan(config, **budgets))
