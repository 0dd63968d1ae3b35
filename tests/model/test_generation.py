"""Specifies how a model writes: which token comes next, and what happens at the context's end."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from textmill.config import ModelConfig
from textmill.model.generation import generate, sample
from textmill.model.gpt import GPT

VOCAB_SIZE = 31


def build(block_size: int, position: str = "rotary", **choices: Any) -> GPT:
    """A model whose weights are large enough for clear preferences."""
    torch.manual_seed(0)
    shape = dict(n_layer=2, n_head=2, n_embd=16, block_size=block_size, vocab_size=VOCAB_SIZE)
    model = GPT(ModelConfig.model_validate(shape | {"position": position} | choices)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model


def prompts(*shape: int) -> Tensor:
    return torch.randint(VOCAB_SIZE, shape, generator=torch.Generator().manual_seed(2))


def written(
    model: GPT,
    input_ids: Tensor,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_k: int | None = None,
    seed: int = 0,
) -> list[list[int]]:
    """The new tokens of each row."""
    generator = torch.Generator().manual_seed(seed)
    steps = generate(model, input_ids, max_new_tokens, temperature, top_k, generator)
    return torch.stack(list(steps), dim=1).tolist()


def greedy(model: GPT, prompt: list[int], max_new_tokens: int) -> list[int]:
    """Full passes without a cache; a full context is cut to its newest half."""
    block_size = model.config.block_size
    context, new = prompt[-(block_size - 1) :], []
    for _ in range(max_new_tokens):
        if len(context) > block_size:
            context = context[-(block_size // 2) :]
        with torch.no_grad():
            new.append(int(model(torch.tensor([context]))[0, -1].argmax()))
        context = [*context, new[-1]]
    return new


@pytest.mark.parametrize("position", ["learned", "sinusoidal", "rotary"])
@pytest.mark.parametrize("prompt_length", [1, 5])
def test_without_temperature_the_likeliest_token_of_a_full_pass_follows(
    position: str, prompt_length: int
) -> None:
    model = build(16, position)
    input_ids = prompts(1, prompt_length)
    expected = input_ids.tolist()
    for _ in range(10):
        likeliest = model(torch.tensor(expected))[0, -1].argmax()
        expected[0].append(int(likeliest))
    assert written(model, input_ids, 10) == [expected[0][prompt_length:]]


@pytest.mark.parametrize("position", ["learned", "rotary"])
@pytest.mark.parametrize("prompt_length", [1, 7, 8, 20])
@pytest.mark.parametrize("block_size", [2, 8, 9])
def test_a_full_context_is_cut_to_its_newest_half_and_goes_on(
    block_size: int, prompt_length: int, position: str
) -> None:
    model = build(block_size, position)
    input_ids = prompts(1, prompt_length)
    assert written(model, input_ids, 25) == [greedy(model, input_ids[0].tolist(), 25)]


@pytest.mark.parametrize("prompt_length", [3, 12])
def test_rows_are_written_as_if_each_were_alone(prompt_length: int) -> None:
    model = build(8)
    rows = prompts(4, prompt_length)
    together = written(model, rows, 20)
    assert together == [written(model, row[None], 20)[0] for row in rows]
    assert len({tuple(row) for row in together}) > 1


def test_the_seed_decides_what_is_sampled() -> None:
    model = build(16)
    texts = [written(model, prompts(2, 3), 20, temperature=1.0, seed=seed) for seed in (5, 5, 6)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_sampling_from_one_token_is_taking_the_likeliest() -> None:
    model = build(8)
    sampled = written(model, prompts(3, 4), 20, temperature=1.5, top_k=1)
    assert sampled == written(model, prompts(3, 4), 20, temperature=0.0)


def test_no_more_tokens_are_computed_than_are_taken() -> None:
    model = build(16)
    passes: list[int] = []
    model.register_forward_hook(lambda *_: passes.append(1))
    steps = generate(model, prompts(1, 3), max_new_tokens=10)
    next(steps)
    next(steps)
    assert len(passes) == 2


@pytest.mark.parametrize(
    ("temperature", "top_k", "expected"),
    [
        (1.0, None, [1 / 2, 1 / 4, 1 / 8, 1 / 8]),
        (0.5, None, [16 / 22, 4 / 22, 1 / 22, 1 / 22]),
        (1.0, 2, [2 / 3, 1 / 3, 0, 0]),
        (0.5, 2, [4 / 5, 1 / 5, 0, 0]),
        (1.0, 99, [1 / 2, 1 / 4, 1 / 8, 1 / 8]),
        (0.0, None, [1, 0, 0, 0]),
    ],
)
def test_tokens_are_drawn_from_the_softmax_of_the_logits(
    temperature: float, top_k: int | None, expected: list[float]
) -> None:
    logits = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 8]).log().expand(20_000, 4)
    drawn = sample(logits, temperature, top_k, torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn, minlength=4) / len(drawn)
    assert shares.tolist() == pytest.approx(expected, abs=0.015)  # four standard errors
    assert [share > 0 for share in shares] == [share > 0 for share in expected]
