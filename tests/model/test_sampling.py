"""Specifies the choice of the next token: the filters of transformers, and random numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from textmill.config import SamplingConfig
from textmill.model.sampling import candidates, choose_tokens, penalize

VOCAB_SIZE = 200
WARPERS: dict[str, Any] = {
    "temperature": TemperatureLogitsWarper,
    "top_k": TopKLogitsWarper,
    "top_p": TopPLogitsWarper,
    "min_p": MinPLogitsWarper,
}
"""In the order in which transformers applies them."""


def sampling(**choices: Any) -> SamplingConfig:
    return SamplingConfig.model_validate({"temperature": 1.0, "top_k": None} | choices)


def random_logits(rows: int = 50, seed: int = 0) -> Tensor:
    return 3 * torch.randn(rows, VOCAB_SIZE, generator=torch.Generator().manual_seed(seed))


def kept(logits: Tensor, config: SamplingConfig) -> Tensor:
    """The scores of all tokens, minus infinity if a filter removes them."""
    scores, ids = candidates(logits / config.temperature, config)
    if ids is None:
        return scores
    return torch.full_like(logits, -torch.inf).scatter(1, ids, scores)


@pytest.mark.parametrize(
    "choices",
    [
        {"temperature": 0.3},
        {"top_k": 1},
        {"top_k": 7},
        {"top_k": 500},
        {"top_p": 0.9},
        {"top_p": 0.3},
        {"top_p": 1e-6},
        {"min_p": 0.05},
        {"min_p": 1.0},
        {"temperature": 1.7, "top_k": 20, "top_p": 0.8, "min_p": 0.1},
        {"temperature": 0.6, "top_k": 50, "top_p": 0.95},
        {"temperature": 2.0, "top_p": 0.7, "min_p": 0.02},
    ],
    ids=str,
)
def test_filters_keep_what_transformers_keeps(choices: dict[str, Any]) -> None:
    logits = random_logits()
    expected = logits
    for name, warper in WARPERS.items():
        if name in choices:
            expected = warper(choices[name])(None, expected)
    assert torch.equal(kept(logits, sampling(**choices)), expected)


@pytest.mark.parametrize("penalty", [0.5, 1.3])
def test_used_tokens_are_penalized_as_in_transformers(penalty: float) -> None:
    logits = random_logits()
    input_ids = torch.randint(VOCAB_SIZE, (len(logits), 30))
    used = torch.zeros_like(logits, dtype=torch.bool).scatter(1, input_ids, True)
    expected = RepetitionPenaltyLogitsProcessor(penalty)(input_ids, logits)
    torch.testing.assert_close(penalize(logits, used, penalty), expected)
    greedy = choose_tokens(
        logits, sampling(temperature=0, repetition_penalty=penalty), [None] * len(logits), used
    )
    assert torch.equal(greedy, expected.argmax(dim=-1))
    both = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(penalty), TopKLogitsWarper(1)])
    assert torch.equal(greedy, both(input_ids, logits).argmax(dim=-1))


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({}, [1 / 2, 1 / 4, 1 / 8, 1 / 8]),
        ({"temperature": 0.5}, [16 / 22, 4 / 22, 1 / 22, 1 / 22]),
        ({"top_k": 2}, [2 / 3, 1 / 3, 0, 0]),
        ({"temperature": 0.5, "top_k": 2}, [4 / 5, 1 / 5, 0, 0]),
        ({"top_k": 99}, [1 / 2, 1 / 4, 1 / 8, 1 / 8]),
        ({"top_p": 0.6}, [2 / 3, 1 / 3, 0, 0]),
        ({"min_p": 0.4}, [2 / 3, 1 / 3, 0, 0]),
        ({"temperature": 0.0}, [1, 0, 0, 0]),
    ],
    ids=str,
)
def test_tokens_are_drawn_from_the_softmax_of_the_logits(
    choices: dict[str, Any], expected: list[float]
) -> None:
    n = 5_000
    logits = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 8]).log().expand(n, 4)
    generator = torch.Generator().manual_seed(0)
    drawn = choose_tokens(logits, sampling(**choices), [generator] * n)
    shares = torch.bincount(drawn, minlength=4) / n
    assert shares.tolist() == pytest.approx(expected, abs=0.03)  # four standard errors
    assert [share > 0 for share in shares] == [share > 0 for share in expected]


@pytest.mark.parametrize("choices", [{}, {"top_k": 9}, {"top_p": 0.9}], ids=str)
def test_a_row_is_drawn_as_if_it_were_alone(choices: dict[str, Any]) -> None:
    logits = random_logits(rows=6)

    def generator(row: int) -> torch.Generator:
        return torch.Generator().manual_seed(row)

    together = choose_tokens(logits, sampling(**choices), [generator(row) for row in range(6)])
    alone = [
        choose_tokens(logits[row, None], sampling(**choices), [generator(row)]) for row in range(6)
    ]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("temperature", [5e-324, 1e-30, 9e-5])
def test_a_temperature_close_to_zero_is_greedy(temperature: float) -> None:
    logits = torch.tensor([[-3e4, 3e4, 2.9e4]])
    config = SamplingConfig(temperature=temperature)
    assert choose_tokens(logits, config, [None]).tolist() == [1]
