"""Specifies how a model writes: which token comes next, and what happens at the context's end."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from textmill.config import GenerationConfig, ModelConfig
from textmill.errors import InputError
from textmill.model import generation
from textmill.model.generation import generate, prepare
from textmill.model.gpt import GPT
from textmill.model.packed_linear import OneDNNLinear, supports_bf16, supports_int8

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


def written(model: GPT, input_ids: Tensor, max_new_tokens: int, **choices: Any) -> list[list[int]]:
    """The new tokens of each row."""
    settings = {"max_new_tokens": max_new_tokens, "temperature": 0.0} | choices
    steps = generate(model, input_ids, GenerationConfig.model_validate(settings))
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


def test_each_row_has_the_seed_after_that_of_the_row_before() -> None:
    model = build(16)
    same = prompts(1, 3).expand(3, 3)
    rows = written(model, same, 12, temperature=1.0, seed=5)
    assert rows == [written(model, same[:1], 12, temperature=1.0, seed=s)[0] for s in (5, 6, 7)]
    assert len({*map(tuple, rows)}) == 3


def test_no_more_tokens_are_computed_than_are_taken() -> None:
    model = build(16)
    passes: list[int] = []
    model.ln_f.register_forward_hook(lambda *_: passes.append(1))
    steps = generate(model, prompts(1, 3), GenerationConfig(max_new_tokens=10))
    next(steps)
    next(steps)
    assert len(passes) == 2


def test_a_context_that_does_not_slide_ends_the_text() -> None:
    model = build(8)
    input_ids = prompts(2, 5)
    sliding = written(model, input_ids, 20)
    assert written(model, input_ids, 20, when_full="stop") == [row[:4] for row in sliding]


def test_a_prompt_that_does_not_fit_is_an_error_unless_the_context_slides() -> None:
    model = build(8)
    whole = prompts(1, 8)
    last = int(model(whole)[0, -1].argmax())
    assert written(model, whole, 20, when_full="stop") == [[last]]
    with pytest.raises(InputError, match="9 tokens, more than the context of 8: shorten"):
        written(model, prompts(1, 9), 20, when_full="stop")
    with pytest.raises(InputError, match="the prompt is empty"):
        written(model, prompts(1, 0), 20)


@pytest.mark.parametrize("choices", [{}, {"tie_embeddings": False, "bias": True}], ids=str)
def test_prepared_weights_are_laid_out_by_columns_and_compute_the_same(
    choices: dict[str, Any],
) -> None:
    expected, prepared = build(16, **choices), prepare(build(16, **choices), "32")
    assert (prepared.lm_head.weight is prepared.wte.weight) == prepared.config.tie_embeddings
    wide = [prepared.lm_head, *(layer.attn.c_attn for layer in prepared.h)]
    assert all(layer.weight.t().is_contiguous() for layer in wide)
    assert prepared.h[0].mlp.c_proj.weight.is_contiguous()
    with torch.inference_mode():
        input_ids = prompts(3, 12)
        torch.testing.assert_close(prepared(input_ids), expected(input_ids))
    assert written(prepared, input_ids, 20) == written(expected, input_ids, 20)


@pytest.mark.parametrize("is_supported", [False, True])
@pytest.mark.parametrize("choices", [{}, {"tie_embeddings": False, "bias": True}], ids=str)
def test_prepared_weights_in_bf16_compute_what_those_of_the_model_do(
    choices: dict[str, Any], is_supported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_supported:
        monkeypatch.setattr(generation, "supports_bf16", lambda: False)
    expected = build(16, **choices).to(torch.bfloat16)
    prepared = prepare(build(16, **choices), "bf16")
    assert prepared.wte.weight.dtype == torch.bfloat16
    is_packed = is_supported and supports_bf16()
    assert isinstance(prepared.lm_head, OneDNNLinear) == is_packed
    with torch.inference_mode():
        input_ids = prompts(3, 12)
        torch.testing.assert_close(prepared(input_ids), expected(input_ids), atol=0.2, rtol=0.05)
    assert len(written(prepared, input_ids, 20)[0]) == 20


@pytest.mark.skipif(not supports_int8(), reason="no kernels for 8 bits")
@pytest.mark.parametrize("choices", [{}, {"tie_embeddings": False, "bias": True}], ids=str)
def test_prepared_weights_of_8_bits_compute_nearly_what_those_of_the_model_do(
    choices: dict[str, Any],
) -> None:
    expected, prepared = build(16, **choices), prepare(build(16, **choices), "int8")
    assert not [module for module in prepared.modules() if isinstance(module, torch.nn.Linear)]
    with torch.inference_mode():
        input_ids = prompts(3, 12)
        found, logits = prepared(input_ids), expected(input_ids)
    assert (found - logits).norm() < 0.1 * logits.norm()
    assert len(written(prepared, input_ids, 20)[0]) == 20


def test_8_bits_without_kernels_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "supports_int8", lambda: False)
    with pytest.raises(InputError, match=r"precision=int8 needs a CPU .*: set it to auto"):
        prepare(build(16), "int8")
