"""Specifies streams of texts: what is yielded, when, and why it ends."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tokenizers import Tokenizer

from tests.training.writing.conftest import config
from textmill.corpus.tokens.tokenizer import END_ID
from textmill.errors import InputError
from textmill.model import GPT, choose_device
from textmill.model.continuous_batch import Prompt
from textmill.training.writing import Piece, stream_text, write_texts
from textmill.training.writing.text_batch import TextBatch, encode_prompt


def streamed(
    network: GPT, tokenizer: Tokenizer, prompt: str = "The", **choices: Any
) -> list[Piece]:
    return list(stream_text(network, tokenizer, prompt, config(**choices)))


def written(network: GPT, tokenizer: Tokenizer, prompt: str = "The", **choices: Any) -> str:
    [text] = write_texts(network, tokenizer, prompt, config(**choices))
    return text


@pytest.mark.parametrize("choices", [{"temperature": 0}, {"seed": 5}, {"top_k": None}], ids=str)
def test_the_seed_decides_the_text(
    network: GPT, tokenizer: Tokenizer, choices: dict[str, Any]
) -> None:
    assert written(network, tokenizer, **choices) == written(network, tokenizer, **choices)


def test_samples_are_the_texts_of_consecutive_seeds(network: GPT, tokenizer: Tokenizer) -> None:
    samples = write_texts(network, tokenizer, "The", config(samples=20, seed=3))
    assert samples == [written(network, tokenizer, seed=seed) for seed in range(3, 23)]
    assert len({*samples}) == 20


def test_a_document_end_is_a_stop_and_counts_as_a_token(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    script += [*tokenizer.encode("x字").ids, 0, 5]
    n = len(script) - 1
    assert streamed(network, tokenizer) == [
        Piece("x", 0, 1),
        Piece("字", 0, n - 1),
        Piece("", 0, n, "stop"),
    ]


def test_a_stop_string_ends_the_text_before_it(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    script += tokenizer.encode("x, y; z").ids
    pieces = streamed(network, tokenizer, stop=[";", "q"])
    assert "".join(piece.text for piece in pieces) == "x, y"
    assert [piece.reason for piece in pieces][-2:] == [None, "stop"]


def test_what_ends_a_message_of_a_chat_is_a_stop_string_as_well(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    script += tokenizer.encode("x, y; z").ids
    prompt = Prompt([END_ID], ends=(";",))
    [text] = write_texts(network, tokenizer, prompt, config())
    assert text == "x, y"


def test_the_maximum_length_ends_the_text_with_what_was_held_back(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    script += tokenizer.encode("xyz").ids
    pieces = streamed(network, tokenizer, stop=["z!"], max_new_tokens=3)
    assert pieces[-1] == Piece("z", 0, 3, "length")


def test_a_full_context_ends_the_text_if_it_does_not_slide(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    script += tokenizer.encode("x").ids * 30
    n_prompt = len(encode_prompt(tokenizer, "The"))
    *_, last = streamed(network, tokenizer, when_full="stop")
    assert (last.n_tokens, last.reason) == (network.config.block_size + 1 - n_prompt, "length")
    *_, last = streamed(network, tokenizer)
    assert (last.n_tokens, last.reason) == (30, "length")


@pytest.mark.parametrize("prompt", ["", "The cat", "<|endoftext|>"])
def test_a_prompt_is_read_after_a_document_end(
    network: GPT, tokenizer: Tokenizer, prompt: str
) -> None:
    ids = encode_prompt(tokenizer, prompt)
    assert ids == [0, *tokenizer.encode(prompt).ids]
    whole = write_texts(network, tokenizer, ids, config(temperature=0, max_new_tokens=9))
    assert whole == [written(network, tokenizer, prompt, temperature=0, max_new_tokens=9)]


def test_a_prompt_that_does_not_fit_is_an_error_before_anything_is_generated(
    network: GPT, tokenizer: Tokenizer
) -> None:
    with pytest.raises(InputError, match="more than the context of 12"):
        written(network, tokenizer, "The cat sat. " * 9, when_full="stop")
    with pytest.raises(InputError, match="the prompt is empty"):
        write_texts(network, tokenizer, [], config())


def test_texts_wait_until_there_is_room_and_can_be_removed(
    network: GPT, tokenizer: Tokenizer
) -> None:
    batch = TextBatch(network, tokenizer, max_texts=2)
    settings = config(max_new_tokens=5, temperature=0)
    first, second = batch.add(
        encode_prompt(tokenizer, "The"), settings.model_copy(update={"samples": 2})
    )
    third, fourth = (batch.add([n], settings)[0] for n in (7, 8))
    batch.step()
    assert ([*batch.active.values()], [*batch.waiting]) == ([first, second], [third, fourth])
    batch.remove(second)
    batch.remove(third)
    batch.step()
    assert ([*batch.active.values()], [*batch.waiting]) == ([first, fourth], [])
    while batch:
        batch.step()
    batch.remove(first)  # has ended
    lengths = [len(text.generated.tokens) for text in (first, second, third, fourth)]
    assert lengths == [5, 1, 0, 5]


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_gpu_writes(network: GPT, tokenizer: Tokenizer, temperature: float) -> None:
    expected = written(network, tokenizer, temperature=0.0)
    on_gpu = copy.deepcopy(network).to(choose_device())
    assert on_gpu.device.type == "cuda"
    first = written(on_gpu, tokenizer, temperature=temperature)
    assert first == written(on_gpu, tokenizer, temperature=temperature)
    assert (first == expected) == (temperature == 0)
