"""Llama (Touvron et al. 2023) and its relatives, in the layout of `transformers`.

SmolLM is a Llama; Qwen2 (Yang et al. 2024) adds biases of queries, keys and values, and Qwen3 (Yang
et al. 2025) norms of queries and keys instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from textmill.config import ModelConfig
from textmill.model.families.family import Family, Fields, rotary_settings

QKV, MLP = "attn.c_attn", "mlp.c_fc"


def _read(
    accepted: Mapping[str, Sequence[Any]], own: Mapping[str, Any], fields: Fields
) -> dict[str, Any]:
    fields.require({"hidden_act": ("silu",), **accepted})
    heads = fields["num_attention_heads"]
    width = fields.get("head_dim")
    kv_heads = fields.get("num_key_value_heads")
    is_default = isinstance(heads, int) and width and width * heads == fields["hidden_size"]
    return {
        **fields.rotary(base=fields.get("rope_theta", 10_000.0)),
        "n_layer": fields["num_hidden_layers"],
        "n_head": heads,
        "n_kv_head": None if kv_heads == heads else kv_heads,
        "n_embd": fields["hidden_size"],
        "head_dim": None if is_default else width,
        "n_inner": fields["intermediate_size"],
        "block_size": fields["max_position_embeddings"],
        "vocab_size": fields["vocab_size"],
        "activation": "swiglu",
        "norm": "rms",
        "norm_eps": fields.get("rms_norm_eps", 1e-6),
        "norm_placement": "pre",
        "tie_embeddings": fields.get("tie_word_embeddings", False),
        "bias": False,
        "dropout": fields.get("attention_dropout", 0.0),
        **own,
    }


def _write(fixed: Mapping[str, Any], config: ModelConfig) -> dict[str, Any]:
    return {
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.kv_heads,
        "hidden_size": config.n_embd,
        "head_dim": config.head_width,
        "intermediate_size": config.inner_width,
        "max_position_embeddings": config.block_size,
        "vocab_size": config.vocab_size,
        "hidden_act": "silu",
        "rms_norm_eps": config.eps,
        "rope_theta": config.rotary_base,
        "rope_scaling": rotary_settings(config.rotary_scaling),
        "attention_dropout": config.dropout,
        "tie_word_embeddings": config.tie_embeddings,
        **fixed,
    }


def _sizes(name: str, config: ModelConfig) -> Sequence[int]:
    if name == QKV:
        heads = (config.n_head, config.kv_heads, config.kv_heads)
        return [n * config.head_width for n in heads]
    return [config.inner_width] * 2


_MODULES = {
    "ln_1": ("input_layernorm",),
    QKV: ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attn.q_norm": ("self_attn.q_norm",),
    "attn.k_norm": ("self_attn.k_norm",),
    "attn.c_proj": ("self_attn.o_proj",),
    "ln_2": ("post_attention_layernorm",),
    MLP: ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.c_proj": ("mlp.down_proj",),
}


def _family(
    model_type: str,
    architecture: str,
    accepted: Mapping[str, Sequence[Any]],
    own: Mapping[str, Any],
    fixed: Mapping[str, Any],
) -> Family:
    return Family(
        model_type=model_type,
        architecture=architecture,
        read=partial(_read, accepted, own),
        write=partial(_write, fixed),
        prefix="model.",
        outer={"wte": "embed_tokens", "ln_f": "norm", "lm_head": "lm_head"},
        layers="layers",
        inner=_MODULES,
        sizes=_sizes,
    )


LLAMA = _family(
    "llama",
    "LlamaForCausalLM",
    {"attention_bias": (False,), "mlp_bias": (False,), "rope_interleaved": (False,)},
    {"qk_norm": False},
    {"attention_bias": False, "mlp_bias": False},
)
QWEN2 = _family(
    "qwen2",
    "Qwen2ForCausalLM",
    {"use_sliding_window": (False,)},
    {"qk_norm": False, "qkv_bias": True},
    {"use_sliding_window": False},
)
QWEN3 = _family(
    "qwen3",
    "Qwen3ForCausalLM",
    {"use_sliding_window": (False,), "attention_bias": (False,)},
    {"qk_norm": True},
    {"use_sliding_window": False, "attention_bias": False},
)
