"""Specifies what pretraining begins with: above all, released GPT-2 weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from textmill.config import ModelConfig, OpenModelConfig
from textmill.corpus.tokens.conversion import convert
from textmill.corpus.tokens.tokenizer import END_ID, SPECIAL_TOKENS, load_tokenizer
from textmill.errors import InputError
from textmill.model import GPT, save
from textmill.training.initial import MAX_BLOCK_SIZE, initial_network, initial_shape

TEXT = "The cat sat on the mat, and the dog sat on the cat."
SHAPE = {"n_layer": 2, "n_head": 2, "n_embd": 16}
GPT2 = ModelConfig(
    **SHAPE, block_size=32, position="learned", activation="gelu", norm="layer", bias=True,
    qk_norm=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 as transformers writes it, with a tokenizer like GPT-2's own."""
    folder = tmp_path_factory.mktemp("released")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT] * 10, trainer)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = GPT2Config(
        **SHAPE, n_positions=32, vocab_size=tokenizer.get_vocab_size(), initializer_range=0.2
    )
    GPT2LMHeadModel(config).eval().save_pretrained(folder)
    return folder


@pytest.fixture
def adopted(released: Path, tmp_path: Path) -> Tokenizer:
    convert(released).save(str(tmp_path / "tokenizer.json"))
    return load_tokenizer(tmp_path)


def test_an_adopted_tokenizer_spells_alike_behind_our_special_tokens(
    released: Path, adopted: Tokenizer
) -> None:
    before = Tokenizer.from_file(str(released / "tokenizer.json"))
    assert adopted.encode(TEXT).tokens == before.encode(TEXT).tokens
    assert adopted.decode(adopted.encode(TEXT).ids) == TEXT
    assert [adopted.id_to_token(i) for i in range(len(SPECIAL_TOKENS))] == list(SPECIAL_TOKENS)


def test_released_weights_give_the_logits_that_transformers_gives(
    released: Path, adopted: Tokenizer
) -> None:
    size = adopted.get_vocab_size()
    network = initial_network(GPT2.model_copy(update={"vocab_size": size}), released, adopted)
    reference = AutoModelForCausalLM.from_pretrained(released).eval()
    before = Tokenizer.from_file(str(released / "tokenizer.json"))
    ids, old_ids = [END_ID, *adopted.encode(TEXT).ids], before.encode(f"<|endoftext|>{TEXT}").ids
    with torch.inference_mode():
        logits = network.eval()(torch.tensor([ids]))[0]
        expected = reference(torch.tensor([old_ids])).logits[0]
    for token, number in before.get_vocab().items():
        now = adopted.token_to_id(token)
        torch.testing.assert_close(logits[:, now], expected[:, number], atol=1e-4, rtol=0)


def test_a_token_that_the_earlier_tokenizer_lacks_begins_as_the_mean(
    released: Path, adopted: Tokenizer
) -> None:
    size = adopted.get_vocab_size()
    network = initial_network(GPT2.model_copy(update={"vocab_size": size}), released, adopted)
    reference = AutoModelForCausalLM.from_pretrained(released)
    mean = reference.transformer.wte.weight.mean(0)
    torch.testing.assert_close(network.wte.weight[1], mean)  # <|pad|>
    assert network.lm_head.weight is network.wte.weight


def test_an_untied_backbone_carries_both_its_embeddings(adopted: Tokenizer, tmp_path: Path) -> None:
    shape = ModelConfig(**SHAPE, vocab_size=adopted.get_vocab_size(), tie_embeddings=False)
    earlier = GPT(shape)
    save(earlier, tmp_path)
    network = initial_network(shape, tmp_path, adopted)
    for name, weight in earlier.state_dict().items():
        assert torch.equal(network.state_dict()[name], weight), name


def test_a_model_of_another_shape_names_the_first_difference(
    released: Path, adopted: Tokenizer
) -> None:
    wanted = GPT2.model_copy(update={"n_layer": 3, "vocab_size": 300})
    with pytest.raises(InputError, match=r"n_layer=2, not model\.n_layer=3: set model\.n_lay"):
        initial_network(wanted, released, adopted)


def llama(folder: Path, **settings: Any) -> LlamaForCausalLM:
    """A Llama with a tokenizer whose texts begin and end with different tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT] * 10, trainer)
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=16,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        vocab_size=tokenizer.get_vocab_size() + 3,  # more rows than tokens, as Qwen has
        bos_token_id=tokenizer.token_to_id("<|begin_of_text|>"),
        eos_token_id=[tokenizer.token_to_id("<|end_of_text|>")],
        initializer_range=0.2,
        **settings,
    )
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained(folder)
    return model


OPEN = OpenModelConfig(n_layer=None, n_head=None, n_embd=None, block_size=None, dropout=None)


@pytest.mark.parametrize("is_tied", [False, True])
def test_the_end_token_stands_for_those_that_begin_and_end_a_text(
    tmp_path: Path, is_tied: bool
) -> None:
    reference = llama(tmp_path, tie_word_embeddings=is_tied)
    before = load_tokenizer(tmp_path)
    tokenizer = convert(tmp_path)
    shape = initial_shape(OPEN, tmp_path).model_copy(
        update={"vocab_size": tokenizer.get_vocab_size()}
    )
    network = initial_network(shape, tmp_path, tokenizer).eval()
    first, last = reference.config.bos_token_id, reference.config.eos_token_id[0]
    with torch.inference_mode():
        logits = network(torch.tensor([[END_ID, *tokenizer.encode(TEXT).ids]]))[0]
        expected = reference(torch.tensor([[first, *before.encode(TEXT).ids]])).logits[0]
    for token, number in before.get_vocab().items():
        now = tokenizer.token_to_id(token)
        torch.testing.assert_close(logits[:, now], expected[:, number], atol=1e-4, rtol=0)
    end = first if is_tied else last
    torch.testing.assert_close(logits[:, END_ID], expected[:, end], atol=1e-4, rtol=0)


def test_sizes_that_are_not_set_are_those_of_the_earlier_model(tmp_path: Path) -> None:
    llama(tmp_path)
    shape = initial_shape(OPEN, tmp_path)
    assert (shape.n_layer, shape.n_head, shape.n_kv_head, shape.n_inner) == (2, 2, 1, 40)
    assert (shape.activation, shape.qk_norm, shape.dropout) == ("swiglu", False, 0.0)
    assert shape.vocab_size is None  # that of the tokenizer
    assert shape.block_size == MAX_BLOCK_SIZE
    chosen = OPEN.model_copy(update={"block_size": 64, "dropout": 0.1, "n_layer": 2})
    shape = initial_shape(chosen, tmp_path)
    assert (shape.block_size, shape.dropout) == (64, 0.1)


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        ({"n_layer": 3}, r"n_layer=2, not model\.n_layer=3: set model\.n_layer=2, or model=auto"),
        ({"block_size": 4096}, "has a context of 2048 tokens, and model.block_size=4096: set it"),
    ],
)
def test_sizes_that_differ_from_the_earlier_model_are_named(
    tmp_path: Path, sizes: dict[str, int], problem: str
) -> None:
    llama(tmp_path)
    with pytest.raises(InputError, match=problem):
        initial_shape(OPEN.model_copy(update=sizes), tmp_path)


def test_learned_positions_can_be_fewer_than_the_earlier_models(
    released: Path, adopted: Tokenizer
) -> None:
    size = adopted.get_vocab_size()
    shape = GPT2.model_copy(update={"vocab_size": size, "block_size": 8})
    network = initial_network(shape, released, adopted)
    reference = AutoModelForCausalLM.from_pretrained(released)
    assert torch.equal(network.wpe.weight, reference.transformer.wpe.weight[:8])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "has no tokenizer"),
        ("{", "is damaged"),
        (
            '{"model": {"type": "Unigram"}, "pre_tokenizer": {"type": "Metaspace"}}',
            "not a byte-level",
        ),
    ],
)
def test_a_tokenizer_that_cannot_be_used_is_named(
    tmp_path: Path, text: str | None, problem: str
) -> None:
    if text is not None:
        (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(InputError, match=problem):
        convert(tmp_path)
