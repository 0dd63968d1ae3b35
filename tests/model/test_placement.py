"""Specifies where models are evaluated and used, and that they do there what they do on the CPU."""

from __future__ import annotations

import pytest
import torch

from tests.model.test_generation import VOCAB_SIZE, build, prompts
from tests.pretended_gpu import pretended_gpu
from textmill.config import GenerationConfig, SamplingConfig
from textmill.errors import InputError
from textmill.model import choose_device, complete
from textmill.model.generation import generate
from textmill.model.sampling import choose_tokens


def test_a_gpu_is_used_where_there_is_one_unless_the_cpu_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [choose_device(name).type for name in ("auto", "cuda", "cpu")] == ["cuda"] * 2 + ["cpu"]


def test_without_a_gpu_only_a_chosen_one_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [choose_device(name).type for name in ("auto", "cpu")] == ["cpu"] * 2
    with pytest.raises(InputError, match=r"^tasks\.accelerator=cuda: torch finds no CUDA GPU; set"):
        choose_device("cuda", "tasks")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("position", ["learned", "sinusoidal", "rotary"])
@pytest.mark.parametrize("beams", [1, 3])
def test_a_gpu_completes_as_the_cpu_does(position: str, beams: int) -> None:
    model = build(16, position)
    rows = [prompts(length).tolist() for length in (5, 1, 16, 9, 5)]
    ends = range(0, VOCAB_SIZE, 10)
    expected = [complete(model, rows, end_id, beams) for end_id in ends]
    model.to(choose_device())
    assert model.device.type == "cuda"
    assert [complete(model, rows, end_id, beams) for end_id in ends] == expected


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_a_gpu_generates_as_the_cpu_does(position: str) -> None:
    """Beyond a full context, and greedily: the generators of two devices draw differently."""
    model, input_ids = build(8, position), prompts(3, 5)
    config = GenerationConfig(max_new_tokens=20, temperature=0)
    expected = [token.tolist() for token in generate(model, input_ids, config)]
    device = choose_device()
    found = generate(model.to(device), input_ids.to(device), config)
    assert [token.tolist() for token in found] == expected


def test_the_pretended_gpu_finds_what_is_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended_gpu(monkeypatch):
        device = choose_device()
        model = build(8).to(device)
        ids = prompts(1, 4)
        with pytest.raises(AssertionError, match="on two devices"):
            model(ids)
        with pytest.raises(AssertionError, match="a generator of the CPU"):
            choose_tokens(torch.zeros(1, 4).to(device), SamplingConfig(), [torch.Generator()])
        with pytest.raises(AssertionError, match="numpy cannot read"):
            ids.to(device).numpy()
        for on_cpu in (torch.arange(4), torch.zeros(4), torch.tensor([1] * 4), torch.full((4,), 1)):
            with pytest.raises(AssertionError, match="on two devices"):
                ids.to(device) + on_cpu
        assert (ids.to(device) + torch.tensor(1)).cpu().tolist() == (ids + 1).tolist()
