"""Specifies families of models: what transformers writes is read, and the other way round."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from textmill.config import ModelConfig
from textmill.errors import InputError
from textmill.model import GPT, load, save
from textmill.model.families import FAMILIES

SHAPE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 72,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
GROUPED = SHAPE | {"num_key_value_heads": 2}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
FOREIGN = {
    "gpt2": GPT2Config(vocab_size=64, n_embd=32, n_head=4, n_layer=2, n_positions=64, n_inner=48),
    "llama": LlamaConfig(**GROUPED),
    "smollm": LlamaConfig(**GROUPED, tie_word_embeddings=True, rms_norm_eps=1e-5),
    "llama 3": LlamaConfig(**GROUPED, rope_parameters=LLAMA3 | {"rope_theta": 500_000.0}),
    "llama with scaled positions": LlamaConfig(
        **SHAPE, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}
    ),
    "qwen2": Qwen2Config(**GROUPED, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**GROUPED, head_dim=16),
    "gpt-neox": GPTNeoXConfig(**SHAPE),
    "gpt-neox in sequence": GPTNeoXConfig(
        **SHAPE, use_parallel_residual=False, rotary_pct=1.0, hidden_act="gelu_new"
    ),
}
OURS: dict[str, dict[str, Any]] = {
    "gpt2": {"position": "learned", "activation": "gelu", "norm": "layer", "bias": True,
             "qk_norm": False},
    "llama": {"activation": "swiglu", "qk_norm": False, "n_kv_head": 1, "tie_embeddings": False},
    "qwen2": {"activation": "swiglu", "qk_norm": False, "qkv_bias": True, "rotary_base": 1e6},
    "qwen3": {"activation": "swiglu", "n_kv_head": 2, "n_inner": 40},
    "gpt_neox": {"activation": "gelu_exact", "norm": "layer", "bias": True, "qk_norm": False,
                 "parallel_residual": True, "rotary_share": 0.5, "tie_embeddings": False},
}  # fmt: skip
INPUT_IDS = torch.randint(64, (2, 40), generator=torch.Generator().manual_seed(1))


def spread(model: torch.nn.Module) -> None:
    """Move all weights, biases and gains, so that each of them matters."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)


def foreign(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    # A copy, as transformers notes in a configuration what its models were used for.
    model = AutoModelForCausalLM.from_config(copy.deepcopy(FOREIGN[name])).eval()
    spread(model)
    return model


def ours(name: str) -> GPT:
    torch.manual_seed(0)
    shape = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 64, "vocab_size": 64}
    model = GPT(ModelConfig.model_validate(shape | OURS[name])).eval()
    spread(model)
    return model


@torch.inference_mode()
@pytest.mark.parametrize("name", FOREIGN)
def test_a_model_of_transformers_loads_with_its_logits_and_greedy_tokens(
    tmp_path: Path, name: str
) -> None:
    model = foreign(name)
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    torch.testing.assert_close(loaded(INPUT_IDS), model(INPUT_IDS).logits, atol=1e-4, rtol=0)
    assert torch.equal(loaded(INPUT_IDS).argmax(-1), model(INPUT_IDS).logits.argmax(-1))


@torch.inference_mode()
@pytest.mark.parametrize("name", FOREIGN)
def test_a_model_of_transformers_is_saved_as_it_was(tmp_path: Path, name: str) -> None:
    model = foreign(name)
    model.save_pretrained(tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    save(load(tmp_path), again)
    other, found = AutoModelForCausalLM.from_pretrained(again, output_loading_info=True)
    assert not any(found.values())
    assert type(other) is type(model)
    assert torch.equal(other.eval()(INPUT_IDS).logits, model(INPUT_IDS).logits)


@torch.inference_mode()
@pytest.mark.parametrize("name", OURS)
def test_a_model_that_fits_a_family_loads_in_transformers_with_its_logits(
    tmp_path: Path, name: str
) -> None:
    model = ours(name)
    save(model, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == name
    other, found = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(found.values())
    logits = other.eval()(INPUT_IDS).logits
    torch.testing.assert_close(logits, model(INPUT_IDS), atol=1e-4, rtol=0)
    assert load(tmp_path).config.explicit() == model.config.explicit()
    generated = other.generate(INPUT_IDS[:1, :5], max_new_tokens=8, do_sample=False)
    greedy = INPUT_IDS[:1, :5]
    for _ in range(8):
        greedy = torch.cat([greedy, model(greedy)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(generated, greedy[:, : generated.size(1)])


def test_a_gpt2_has_its_context_length_under_the_name_that_llama_cpp_reads(tmp_path: Path) -> None:
    save(ours("gpt2"), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["n_ctx"] == config["n_positions"]


@torch.inference_mode()
@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen3", "gpt-neox"])
def test_weights_in_several_files_are_read(tmp_path: Path, name: str) -> None:
    model = foreign(name)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len([*tmp_path.glob("*.safetensors")]) > 2
    torch.testing.assert_close(
        load(tmp_path)(INPUT_IDS), model(INPUT_IDS).logits, atol=1e-4, rtol=0
    )


@torch.inference_mode()
def test_settings_of_earlier_versions_of_transformers_are_read(tmp_path: Path) -> None:
    model = foreign("llama 3")
    model.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    values = json.loads(file.read_text())
    del values["rope_parameters"]
    file.write_text(json.dumps(values | {"rope_theta": 500_000.0, "rope_scaling": LLAMA3}))
    torch.testing.assert_close(
        load(tmp_path)(INPUT_IDS), model(INPUT_IDS).logits, atol=1e-4, rtol=0
    )


@torch.inference_mode()
def test_weights_of_half_precision_are_read_in_single_precision(tmp_path: Path) -> None:
    model = foreign("llama").to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    single = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    expected = single(INPUT_IDS).logits
    torch.testing.assert_close(loaded(INPUT_IDS), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "settings", "problem"),
    [
        ("llama", {"hidden_act": "gelu"}, "hidden_act='gelu' is not supported; it must be 'silu'"),
        ("llama", {"attention_bias": True}, "attention_bias=True is not supported"),
        ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 2}, "rope_parameters": None},
         "rope_type='yarn' is not supported; it must be one of default, linear, llama3"),
        ("qwen2", {"use_sliding_window": True}, "use_sliding_window=True is not supported"),
        ("gpt-neox", {"hidden_act": "silu"}, "hidden_act='silu' is not supported"),
        ("gpt-neox", {"attention_bias": False}, "attention_bias=False is not supported"),
        ("llama", {"model_type": "mamba"}, "'mamba' is not supported; supported types are textmi"),
        ("llama", {"num_attention_heads": None}, "n_head: Input should be a valid integer"),
    ],
)  # fmt: skip
def test_a_model_that_computes_otherwise_names_the_setting(
    tmp_path: Path, name: str, settings: dict[str, Any], problem: str
) -> None:
    foreign(name).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    with pytest.raises(InputError, match=problem) as caught:
        load(tmp_path)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda w: w.pop("model.layers.1.self_attn.k_proj.weight"),
         r"model.layers.1.self_attn.k_proj.weight is missing"),
        (lambda w: w.pop("model.norm.weight"), "ln_f.weight is missing"),
        (lambda w: w.pop("lm_head.weight"), "lm_head.weight is missing"),
        (lambda w: w.update({"model.layers.x.mlp.up_proj.weight": torch.ones(2, 2)}),
         "model.layers.x.mlp.gate_proj.weight is missing"),
        (lambda w: w.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(32)}),
         "model.layers.0.self_attn.k_proj.bias is missing"),
        (lambda w: w.update({"model.layers.0.mlp.up_proj.weight": torch.ones(72, 31)}),
         r"h.0.mlp.c_fc.weight has the shape \(72, 32\), \(72, 31\)"),
        (lambda w: w.update({"model.extra.weight": torch.ones(1)}),
         "model.extra.weight is unexpected"),
    ],
    ids=["part", "norm", "output", "strange layer", "bias", "shape", "one more"],
)  # fmt: skip
def test_weights_that_do_not_match_name_the_first_difference(
    tmp_path: Path, change: Any, problem: str
) -> None:
    foreign("llama").save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    change(weights)
    save_file(weights, file)
    with pytest.raises(InputError, match=f"the weights do not match the model: {problem}"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{}", "weight_map does not name files of this folder"),
        ('{"weight_map": {"wte.weight": "../model.safetensors"}}', "does not name files of this"),
        ('{"weight_map": {"wte.weight": 3}}', "does not name files of this"),
        ('{"weight_map": {"wte.weight": "weights.pt"}}', "does not name files of this"),
        ('{"weight_map": {"wte.weight": "gone.safetensors"}}', "gone.safetensors is missing"),
        ("[", "index.json is damaged"),
    ],
)
def test_a_hostile_index_of_weights_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    foreign("llama").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(InputError, match=problem):
        load(tmp_path)


@pytest.mark.parametrize("setting", ["intermediate_size", "head_dim", "num_key_value_heads"])
def test_sizes_that_the_weights_do_not_have_are_refused_before_memory_is_allocated(
    tmp_path: Path, setting: str
) -> None:
    foreign("llama").save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {setting: 1 << 40}))
    with pytest.raises(InputError, match="has the shape|is not a multiple"):
        load(tmp_path)


def test_a_family_fits_no_architecture_but_its_own() -> None:
    for name in OURS:
        config = ours(name).config
        assert [family.model_type for family in FAMILIES.values() if family.fits(config)] == [name]
    for unusual in (
        {"activation": "relu_squared"},
        {"position": "sinusoidal"},
        {"n_embd": 20, "n_head": 3, "head_dim": 8, "bias": True},
        {"norm_placement": "post", "qk_norm": False},
    ):
        config = ModelConfig.model_validate({"vocab_size": 64, **unusual})
        assert not any(family.fits(config) for family in FAMILIES.values()), unusual
