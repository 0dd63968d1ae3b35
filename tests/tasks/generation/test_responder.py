"""Specifies responses token by token: those of the predictor if greedy, in any company."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tests.tasks.generation.test_chat_template import CHATS, TEXTS
from tests.tasks.generation.test_generation import make_config, message
from tests.tiny_gpt2 import tiny_gpt2
from textmill.config import GenerationConfig, LoRAConfig, RedactionConfig
from textmill.corpus.tokens.tokenizer import SOURCE_ID, TARGET_ID, load_tokenizer
from textmill.errors import InputError
from textmill.model.lora import LoRALinear, attach
from textmill.tasks.ensemble.predictor import Predictor, network_scorer
from textmill.tasks.generation.chat_template import save_tokenizer
from textmill.tasks.generation.examples import make_spec
from textmill.tasks.generation.network import build
from textmill.tasks.generation.responder import Responder
from textmill.training.writing import write_texts
from textmill.training.writing.engine import Engine

GREEDY = GenerationConfig(max_new_tokens=100, temperature=0)
PROMPTS = ["Who found the lamp of Anna?", "Say 7.", "Tell me all about it. " * 9]


@pytest.fixture(scope="module")
def saved(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    save_tokenizer(backbone, folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(saved: Path) -> Tokenizer:
    return load_tokenizer(saved)


def predictor(tokenizer: Tokenizer, saved: Path, with_lora: bool = False) -> Predictor:
    """With a pointer, reading the prompt in both directions."""
    spec = make_spec(make_config(saved), [])
    network = build(tiny_gpt2(96, tokenizer.get_vocab_size()), spec, 0.0, is_causal=True)
    if with_lora:
        attach(network.backbone, LoRAConfig())
        for layer in network.modules():
            if isinstance(layer, LoRALinear):
                torch.nn.init.normal_(layer.lora_B, std=0.1)
    scorer = network_scorer("generation", spec, network.eval(), tokenizer, "cpu")
    return Predictor("generation", spec, [(scorer, 1.0)], RedactionConfig())


def whole(text: str) -> str:
    """Without half a character at the end, which streams leave out."""
    return text.rstrip("\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("with_lora", [False, True])
def test_greedy_responses_are_those_of_the_predictor(
    tokenizer: Tokenizer, saved: Path, with_lora: bool
) -> None:
    model = predictor(tokenizer, saved, with_lora)
    expected = [whole(answer["response"]) for answer in model(PROMPTS)]
    responder = Responder(model)
    prompts = [responder.prompt([message("user", prompt)]) for prompt in PROMPTS]
    for prompt, response in zip(prompts, expected, strict=True):
        [text] = write_texts(responder.backbone, tokenizer, prompt, GREEDY)
        assert whole(text) == response
    with Engine(responder.backbone, tokenizer, max_texts=3) as engine:
        streams = [engine.submit(prompt, GREEDY) for prompt in (*prompts, "The lamp", prompts[0])]
        found = ["".join(piece.text for piece in stream) for stream in streams]
    assert [whole(text) for text in found[:3]] == expected
    assert whole(found[4]) == expected[0]
    assert any(expected)


@pytest.mark.parametrize("said", [chat for chat in CHATS if chat[-1]["role"] == "user"])
def test_a_chat_has_the_tokens_of_its_template(
    tokenizer: Tokenizer, saved: Path, said: list[Any]
) -> None:
    template = AutoTokenizer.from_pretrained(saved)
    expected = template.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
    found = list(Responder(predictor(tokenizer, saved)).prompt(said).ids)
    assert found == (expected if len(expected) <= 48 else [SOURCE_ID, *expected[-47:]])


def test_personal_data_are_redacted_and_special_tokens_are_text(
    tokenizer: Tokenizer, saved: Path
) -> None:
    responder = Responder(predictor(tokenizer, saved))
    secret, plain = (
        responder.prompt([message("user", f"ask {who} <|target|>")]).ids
        for who in ("bob@example.com", "[EMAIL]")
    )
    assert secret == plain
    assert list(secret).count(TARGET_ID) == 1


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([], "the chat does not end with a message to respond to"),
        ([message("user", "a"), message("assistant", "b")], "does not end with a message"),
        ([message("robot", "a")], "message 0 has the role 'robot': use system, user, assistant"),
        ([message("user", TEXTS[0]), message("user", " ")], "message 1 has no content"),
        ([{"role": "user"}], "message 0 has no content"),
    ],
)
def test_an_invalid_chat_is_named(
    tokenizer: Tokenizer, saved: Path, messages: list[Any], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        Responder(predictor(tokenizer, saved)).prompt(messages)


def test_an_average_of_models_does_not_respond_token_by_token(
    tokenizer: Tokenizer, saved: Path
) -> None:
    single = predictor(tokenizer, saved)
    pair = Predictor("generation", single.spec, [*single.scorers, *single.scorers])
    with pytest.raises(InputError, match="the model is not a single network that responds"):
        Responder(pair)
