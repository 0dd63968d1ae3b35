"""Specifies the statistics of perplexity."""

from __future__ import annotations

import math
from typing import Any

import pytest

from textmill.tasks.statistics import tabulate


def rows(*likelihoods: tuple[float, int]) -> list[Any]:
    common = {"prompt": "Who?", "reference": "Me.", "response": "Me."}
    return [common | {"nll": nll, "tokens": tokens} for nll, tokens in likelihoods]


def test_perplexity_is_that_of_all_tokens() -> None:
    found = tabulate("generation", [rows((2.0, 2), (8.0, 3)), rows((1.0, 2), (1.5, 3))])
    assert found.values(0)["perplexity"] == pytest.approx(math.exp(2))
    assert found.values(1)["perplexity"] == pytest.approx(math.exp(0.5))
    assert found.values(0)["rouge_l"] == 1


def test_a_model_without_likelihoods_has_no_perplexity() -> None:
    plain = [{"prompt": "Who?", "reference": "Me.", "response": "You."}] * 2
    found = tabulate("generation", [rows((2.0, 2), (8.0, 3)), plain])
    assert {*found.values(0)} == {"rouge_l", "repetition"}
