"""Specifies writing: what is yielded, when, and where it ends."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer

from textmill.config import GenerationConfig, ModelConfig, TokenizerConfig
from textmill.corpus.tokens.tokenizer import PAD_ID, TARGET_ID, load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.model import GPT, choose_device
from textmill.training import writing
from textmill.training.writing import stream_text


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("writing")
    (folder / "train").mkdir()
    texts = ["The quick brown fox jumps over the lazy dog; nobody minded them at all."] * 20
    pq.write_table(pa.table({"text": texts}), folder / "train" / "00000.parquet")
    train_tokenizer(TokenizerConfig(vocab_size=300), {"corpus": folder}, folder)
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def network() -> GPT:
    torch.manual_seed(0)
    shape = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=12, vocab_size=300)
    return GPT(shape).eval()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Token ids that the model will write."""
    ids: list[int] = []

    def generate(*args: Any) -> Iterator[torch.Tensor]:
        for token in ids:
            yield torch.tensor([token])

    monkeypatch.setattr(writing, "generate", generate)
    return ids


def config(**choices: Any) -> GenerationConfig:
    return GenerationConfig.model_validate(dict(max_new_tokens=30) | choices)


def written(network: GPT, tokenizer: Tokenizer, prompt: str = "The", **choices: Any) -> list[str]:
    return list(stream_text(network, tokenizer, prompt, config(**choices)))


@pytest.mark.parametrize("choices", [{"temperature": 0}, {"seed": 5}, {"top_k": None}], ids=str)
def test_the_seed_decides_the_text(
    network: GPT, tokenizer: Tokenizer, choices: dict[str, Any]
) -> None:
    first = written(network, tokenizer, **choices)
    torch.rand(3)
    assert written(network, tokenizer, **choices) == first


def test_another_seed_writes_another_text(network: GPT, tokenizer: Tokenizer) -> None:
    texts = {"".join(written(network, tokenizer, seed=seed)) for seed in range(4)}
    assert len(texts) == 4


@pytest.mark.parametrize(
    "text", [" 字猫 end", "🐈‍⬛!", "naïve", "那只猫坐在垫子上。", "abc [EMAIL]"]
)
def test_only_whole_characters_are_yielded(
    network: GPT, tokenizer: Tokenizer, script: list[int], text: str
) -> None:
    script += tokenizer.encode(text).ids
    pieces = written(network, tokenizer)
    assert "".join(pieces) == text
    assert all(pieces)
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(pieces)


def test_a_text_is_yielded_while_it_is_written(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    script += tokenizer.encode("x字y").ids
    assert written(network, tokenizer) == ["x", "字", "y"]


def test_a_document_end_ends_the_text(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    script += [*tokenizer.encode("ab").ids, 0, *tokenizer.encode("cd").ids]
    assert "".join(written(network, tokenizer)) == "ab"


def test_an_end_at_once_writes_nothing(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    script += [0]
    assert written(network, tokenizer) == []


def test_marks_of_structure_are_no_text(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    script += [*tokenizer.encode("ab").ids, PAD_ID, TARGET_ID, *tokenizer.encode("cd").ids]
    assert "".join(written(network, tokenizer)) == "abcd"


def test_bytes_that_are_no_character_hold_nothing_up(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    half = tokenizer.encode("字").ids[:-1]
    script += [*tokenizer.encode("ab").ids, *half, *tokenizer.encode("cd").ids]
    assert "".join(written(network, tokenizer)) == "ab\N{REPLACEMENT CHARACTER}cd"


def test_half_a_character_at_the_end_is_left_out(
    network: GPT, tokenizer: Tokenizer, script: list[int]
) -> None:
    script += tokenizer.encode("ab字").ids[:-1]
    assert "".join(written(network, tokenizer)) == "ab"


@pytest.mark.parametrize("prompt", ["", "The cat", "<|endoftext|>"])
def test_a_prompt_is_read_after_a_document_end(
    network: GPT, tokenizer: Tokenizer, prompt: str
) -> None:
    ids = [0, *tokenizer.encode(prompt).ids][-11:]
    likeliest = int(network(torch.tensor([ids]))[0, -1].argmax())
    pieces = written(network, tokenizer, prompt, temperature=0, max_new_tokens=1)
    # A byte that is no character by itself is not shown.
    assert "".join(pieces) == tokenizer.decode([likeliest]).rstrip("\N{REPLACEMENT CHARACTER}")


def test_as_many_tokens_are_written_as_asked(network: GPT, tokenizer: Tokenizer) -> None:
    more = "".join(written(network, tokenizer, max_new_tokens=40))
    less = "".join(written(network, tokenizer, max_new_tokens=20))
    assert len(less) < len(more)
    assert more.startswith(less)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_gpu_writes(network: GPT, tokenizer: Tokenizer, temperature: float) -> None:
    expected = written(network, tokenizer, temperature=0.0)
    on_gpu = copy.deepcopy(network).to(choose_device())
    assert on_gpu.device.type == "cuda"
    first = written(on_gpu, tokenizer, temperature=temperature)
    assert first == written(on_gpu, tokenizer, temperature=temperature)
    assert (first == expected) == (temperature == 0)
