"""Specifies backbones in transformers and CTranslate2: the logits of torch, or a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.corpus.tokens.test_conversations import CHATML, adopt
from tests.tiny_gpt2 import tiny_gpt2
from textmill import model as models
from textmill.config import GenerationConfig
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.errors import InputError, RunError
from textmill.exporting import other_libraries
from textmill.exporting.onnx_files import max_difference
from textmill.exporting.other_libraries import (
    TRANSLATED,
    random_ids,
    write_ctranslate2,
    write_hugging_face,
)
from textmill.model.generation import generate

TEXT = "The cat sat on 那只猫."


def greedy(n_tokens: int) -> GenerationConfig:
    return GenerationConfig(temperature=0, max_new_tokens=n_tokens)


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2", "qwen3", "gpt_neox"])
def test_a_hugging_face_folder_has_model_tokenizer_and_generation(
    make_backbone: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = make_backbone(name)
    backbone = models.load(place)
    settings = GenerationConfig(max_new_tokens=5, temperature=0)
    assert write_hugging_face(place, backbone, settings, tmp_path) < 1e-5
    model, tokenizer = (
        kind.from_pretrained(tmp_path) for kind in (AutoModelForCausalLM, AutoTokenizer)
    )
    ids = tokenizer(f"<|endoftext|>{TEXT}").input_ids
    assert ids == [0, *load_tokenizer(place).encode(TEXT, add_special_tokens=False).ids]
    prompt = torch.tensor([ids])
    written = model.generate(prompt, eos_token_id=299)[0, len(ids) :].tolist()
    expected = [int(token) for token in generate(backbone, prompt, greedy(5))]
    assert written == expected[: len(written)]
    assert len(written) == 5 or written[-1] == 299


def test_sampling_is_that_of_the_configuration(
    make_backbone: Callable[[str], Path], tmp_path: Path
) -> None:
    place = make_backbone("qwen3")
    settings = GenerationConfig(temperature=0.6, top_k=9, top_p=0.9)
    write_hugging_face(place, models.load(place), settings, tmp_path)
    assert json.loads((tmp_path / "generation_config.json").read_text()) == {
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 1,
        "max_new_tokens": 48,
        "do_sample": True,
        "repetition_penalty": 1.0,
        "temperature": 0.6,
        "top_k": 9,
        "top_p": 0.9,
        "min_p": 0.0,
    }


def test_greedy_decoding_has_its_repetition_penalty(
    make_backbone: Callable[[str], Path], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    place = make_backbone("qwen3")
    backbone = models.load(place)
    settings = GenerationConfig(temperature=0, repetition_penalty=1.8, max_new_tokens=12)
    write_hugging_face(place, backbone, settings, tmp_path)
    written = json.loads((tmp_path / "generation_config.json").read_text())
    assert (written["do_sample"], written["repetition_penalty"]) == (False, 1.8)
    prompt = torch.tensor([random_ids(backbone.config)[:6]])
    tokens = [int(token) for token in generate(backbone, prompt, settings)]
    unpenalized = generate(backbone, prompt, greedy(12))
    assert tokens != [int(token) for token in unpenalized]
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    found = model.generate(prompt, eos_token_id=299)[0, 6:].tolist()
    assert found == tokens[: len(found)]


def test_texts_of_a_chat_end_with_its_messages_as_well(tmp_path: Path) -> None:
    adopted = adopt(tmp_path, {"chat_template": CHATML})
    tokenizer = load_tokenizer(adopted)
    backbone = tiny_gpt2(64, tokenizer.get_vocab_size())
    models.save(backbone, adopted)
    out = tmp_path / "exported"
    out.mkdir()
    write_hugging_face(adopted, backbone, greedy(5), out)
    written = json.loads((out / "generation_config.json").read_text())
    assert written["eos_token_id"] == [0, tokenizer.token_to_id("<|im_end|>")]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "qwen3" else pytest.mark.slow) for name in TRANSLATED],
)
def test_ctranslate2_has_the_logits_and_greedy_tokens(
    make_backbone: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    place = make_backbone(name)
    backbone = models.load(place)
    difference, translated = write_ctranslate2(place, backbone, "float32", tmp_path)
    assert difference < 1e-4
    ids = random_ids(backbone.config)
    with torch.inference_mode():
        expected = backbone(torch.tensor([ids]))[0].numpy()
    np.testing.assert_allclose(translated.logits(ids), expected, atol=1e-3)
    tokens = [int(token) for token in generate(backbone, torch.tensor([ids[:5]]), greedy(12))]
    before_end = tokens.index(0) if 0 in tokens else 12  # which CTranslate2 does not go beyond
    assert translated.generate(ids[:5], 12)[:before_end] == tokens[:before_end]
    assert before_end > 2


@pytest.mark.parametrize("quantization", ["int8", "bf16"])
def test_smaller_weights_are_smaller_and_close(
    make_backbone: Callable[[str], Path], tmp_path: Path, quantization: str
) -> None:
    place = make_backbone("qwen3")
    backbone, sizes = models.load(place), []
    ids = random_ids(backbone.config)
    with torch.inference_mode():
        expected = backbone(torch.tensor([ids]))[0]
    for name in ("float32", quantization):
        out = tmp_path / name
        out.mkdir()
        difference, translated = write_ctranslate2(place, backbone, name, out)
        assert difference < 1e-4  # before quantization
        rounded = max_difference([expected], [translated.logits(ids)])
        sizes.append((out / "model.bin").stat().st_size)
        assert not [part for part in out.iterdir() if part.is_dir()]
    assert sizes[1] < 0.6 * sizes[0]
    assert 1e-5 < rounded < 0.1


@pytest.mark.parametrize("quantization", ["float32", "int8", "bf16"])
def test_a_wrong_conversion_is_refused_whatever_the_type_of_its_weights(
    make_backbone: Callable[[str], Path], tmp_path: Path, quantization: str
) -> None:
    place = make_backbone("qwen3")
    backbone = models.load(place)
    with torch.no_grad():
        backbone.ln_f.weight.mul_(1.01)  # less than 8 bits may change
    with pytest.raises(RunError, match="The model in CTranslate2 differs from torch"):
        write_ctranslate2(place, backbone, quantization, tmp_path)


@pytest.mark.parametrize(
    ("write", "name", "problem"),
    [
        (write_hugging_face, "textmill", "transformers has no architecture.*of no family"),
        (write_ctranslate2, "textmill", "CTranslate2 has no architecture.*activation=relu_sq"),
        (write_ctranslate2, "gpt_neox", "CTranslate2 has no architecture.*a gpt_neox"),
    ],
)
def test_an_architecture_that_a_library_lacks_is_refused(
    make_backbone: Callable[[str], Path], tmp_path: Path, write: Any, name: str, problem: str
) -> None:
    place = make_backbone(name)
    settings = GenerationConfig() if write is write_hugging_face else "float32"
    with pytest.raises(InputError, match=f"{problem}.*Use --to onnx"):
        write(place, models.load(place), settings, tmp_path)


def test_a_library_that_computes_something_else_is_refused(
    make_backbone: Callable[[str], Path], tmp_path: Path
) -> None:
    place = make_backbone("qwen3")
    backbone = models.load(place)
    with torch.no_grad():
        backbone.ln_f.weight.mul_(1.01)
    with pytest.raises(RunError, match="The model in transformers differs from torch"):
        write_hugging_face(place, backbone, GenerationConfig(), tmp_path)
    assert other_libraries.TYPES.keys() == {"float32", "int8", "bf16"}
