"""Specifies the batch that texts join and leave: each is generated as if it were alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.model.families.test_family import foreign
from tests.model.test_generation import VOCAB_SIZE, build, greedy, prompts
from textmill.config import GenerationConfig
from textmill.model import GPT, load
from textmill.model.continuous_batch import ContinuousBatch, Generated

BLOCK_SIZE = 12


def config(**choices: Any) -> GenerationConfig:
    return GenerationConfig.model_validate({"max_new_tokens": 9, "temperature": 0.0} | choices)


def text(length: int, **choices: Any) -> Generated:
    return Generated(prompts(1, length)[0].tolist(), config(**choices))


def run(batch: ContinuousBatch, texts: list[Generated]) -> list[list[int]]:
    """The tokens of texts that join as soon as there is room, one at every other step."""
    waiting = list(texts)
    while waiting or batch.texts:
        if waiting and not batch.is_full:
            batch.add(waiting.pop(0))
        batch.step()
        batch.step()
    return [text.tokens for text in texts]


def alone(model: GPT, text: Generated) -> list[int]:
    copy = Generated(text.prompt, text.config)
    return run(ContinuousBatch(model, 1), [copy])[0]


@pytest.mark.parametrize("max_texts", [1, 2, 3, 8])
@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_texts_that_join_at_any_time_have_the_likeliest_tokens_of_full_passes(
    position: str, max_texts: int
) -> None:
    model = build(BLOCK_SIZE, position)
    lengths = (3, 1, 7, 11, 12, 20, 5)
    texts = [text(n, max_new_tokens=25 - n) for n in lengths]
    for generated, tokens in zip(texts, run(ContinuousBatch(model, max_texts), texts), strict=True):
        assert tokens == greedy(model, generated.prompt, generated.config.max_new_tokens)


@pytest.mark.parametrize("name", ["gpt2", "qwen3", "llama", "gpt-neox"])
def test_greedy_tokens_are_those_of_transformers(tmp_path: Path, name: str) -> None:
    other = foreign(name)
    other.save_pretrained(tmp_path)
    batch = ContinuousBatch(load(tmp_path), 3)
    texts = [Generated(prompts(1, n)[0].tolist(), config(max_new_tokens=20)) for n in (4, 9, 1, 30)]
    run(batch, texts)
    settings = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    for generated in texts:
        whole = other.generate(
            torch.tensor([generated.prompt]), max_new_tokens=20, use_cache=True, **settings
        )
        assert generated.tokens == whole[0, len(generated.prompt) :].tolist()


def test_repetition_is_penalized_as_in_transformers(tmp_path: Path) -> None:
    other = foreign("gpt2")
    other.save_pretrained(tmp_path)
    texts = [text(n, max_new_tokens=20, repetition_penalty=1.5) for n in (4, 9)]
    run(ContinuousBatch(load(tmp_path), 2), texts)
    for generated in texts:
        whole = other.generate(
            torch.tensor([generated.prompt]), max_new_tokens=20, repetition_penalty=1.5,
            do_sample=False, eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        assert generated.tokens == whole[0, len(generated.prompt) :].tolist()
        assert generated.tokens != alone(load(tmp_path), text(len(generated.prompt)))[:20]


def test_a_text_is_sampled_as_if_it_were_alone() -> None:
    model = build(BLOCK_SIZE)
    settings: list[dict[str, Any]] = [
        {"temperature": 1.0, "top_k": None, "seed": 3},
        {"temperature": 0.7, "top_k": 5, "seed": 3},
        {"temperature": 0.0},
        {"temperature": 1.2, "top_p": 0.8, "repetition_penalty": 1.2},
        {"temperature": 1.0, "top_k": None, "seed": 4, "min_p": 0.01},
    ]
    texts = [text(n, **choices) for n, choices in enumerate(settings, 2)]
    assert run(ContinuousBatch(model, 3), texts) == [alone(model, one) for one in texts]
    assert len({tuple(one.tokens) for one in texts}) == len(texts)


@pytest.mark.parametrize("removed", [0, 1, 2, 3])
def test_a_text_that_is_removed_leaves_the_others_as_they_are(removed: int) -> None:
    model = build(BLOCK_SIZE)
    texts = [text(n) for n in (2, 5, 3, 4)]
    batch = ContinuousBatch(model, 4)
    for one in texts[:3]:
        batch.add(one)
    batch.step()
    batch.add(texts[3])
    batch.remove(texts[removed])
    while batch.texts:
        batch.step()
    for number, one in enumerate(texts):
        expected = alone(model, one)
        assert one.tokens == (expected[: int(removed < 3)] if number == removed else expected)


def test_a_context_stops_or_slides_for_each_text_by_itself() -> None:
    model = build(BLOCK_SIZE)
    texts = [text(10, when_full="stop"), text(10), text(12, when_full="stop")]
    stopped, slid, last = run(ContinuousBatch(model, 3), texts)
    assert slid == greedy(model, texts[1].prompt, 9)
    assert stopped == slid[:3]
    assert last == [int(model(torch.tensor([texts[2].prompt]))[0, -1].argmax())]


def test_a_context_may_be_shorter_than_that_of_the_model() -> None:
    model, shorter = build(BLOCK_SIZE), build(8)
    texts = [text(n, max_new_tokens=20) for n in (3, 9)]
    shorter.load_state_dict(model.state_dict())  # rotary positions have no weights
    expected = [greedy(shorter, one.prompt, 20) for one in texts]
    assert run(ContinuousBatch(model, 2, max_tokens=8), texts) == expected


def test_a_step_of_an_empty_batch_does_nothing() -> None:
    assert ContinuousBatch(build(BLOCK_SIZE), 1).step() == []


def test_a_full_batch_refuses_a_text() -> None:
    batch = ContinuousBatch(build(BLOCK_SIZE), 1)
    batch.add(text(3))
    with pytest.raises(ValueError, match="has its maximum of 1 texts"):
        batch.add(text(3))


def test_tokens_of_the_vocabulary_are_generated() -> None:
    texts = [text(3, temperature=1.5, top_k=None, seed=seed) for seed in range(3)]
    tokens = {t for row in run(ContinuousBatch(build(BLOCK_SIZE), 3), texts) for t in row}
    assert len(tokens) > 5
    assert tokens <= {*range(VOCAB_SIZE)}
