"""GPT-NeoX (Black et al. 2022), the family of Pythia, in the layout of `transformers`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from textmill.config import ModelConfig
from textmill.model.families.family import Family, Fields, rotary_settings

ACTIVATIONS = {
    "gelu": "gelu_exact",
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "gelu_fast": "gelu",
    "relu": "relu",
}
FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": tuple(ACTIVATIONS),
    "attention_bias": (True,),
}
QKV = "attn.c_attn"


def _read(fields: Fields) -> dict[str, Any]:
    fields.require(FIXED)
    rotary = fields.rotary(
        base=fields.get("rotary_emb_base", 10_000.0), share=fields.get("rotary_pct", 0.25)
    )
    return rotary | {
        "n_layer": fields["num_hidden_layers"],
        "n_head": fields["num_attention_heads"],
        "n_embd": fields["hidden_size"],
        "n_inner": fields["intermediate_size"],
        "block_size": fields["max_position_embeddings"],
        "vocab_size": fields["vocab_size"],
        "activation": ACTIVATIONS[fields.get("hidden_act", "gelu")],
        "norm": "layer",
        "norm_eps": fields.get("layer_norm_eps", 1e-5),
        "norm_placement": "pre",
        "parallel_residual": fields.get("use_parallel_residual", True),
        "qk_norm": False,
        "tie_embeddings": fields.get("tie_word_embeddings", False),
        "bias": True,
        "dropout": fields.get("hidden_dropout", 0.0),
    }


def _write(config: ModelConfig) -> dict[str, Any]:
    names = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
    return {
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "hidden_size": config.n_embd,
        "intermediate_size": config.inner_width,
        "max_position_embeddings": config.block_size,
        "vocab_size": config.vocab_size,
        "hidden_act": names.get(config.activation, "gelu"),
        "layer_norm_eps": config.eps,
        "use_parallel_residual": config.parallel_residual,
        "rotary_emb_base": config.rotary_base,
        "rotary_pct": config.rotary_share,
        "rope_scaling": rotary_settings(config.rotary_scaling),
        "attention_bias": True,
        "attention_dropout": config.dropout,
        "hidden_dropout": config.dropout,
        "tie_word_embeddings": config.tie_embeddings,
    }


def _by_kind(name: str, tensor: Tensor, config: ModelConfig) -> Tensor:
    """Return all queries, then all keys and all values, from those of each head."""
    if not name.startswith(QKV):
        return tensor
    heads = tensor.view(config.n_head, 3, config.head_width, *tensor.shape[1:])
    return heads.transpose(0, 1).reshape(tensor.shape)


def _by_head(name: str, tensor: Tensor, config: ModelConfig) -> Tensor:
    """Return the queries, keys and values of each head, from all of each kind."""
    if not name.startswith(QKV):
        return tensor
    heads = tensor.view(3, config.n_head, config.head_width, *tensor.shape[1:])
    return heads.transpose(0, 1).reshape(tensor.shape)


GPT_NEOX = Family(
    model_type="gpt_neox",
    architecture="GPTNeoXForCausalLM",
    read=_read,
    write=_write,
    prefix="gpt_neox.",
    outer={"wte": "embed_in", "ln_f": "final_layer_norm", "lm_head": "embed_out"},
    layers="layers",
    inner={
        "ln_1": ("input_layernorm",),
        QKV: ("attention.query_key_value",),
        "attn.c_proj": ("attention.dense",),
        "ln_2": ("post_attention_layernorm",),
        "mlp.c_fc": ("mlp.dense_h_to_4h",),
        "mlp.c_proj": ("mlp.dense_4h_to_h",),
    },
    from_theirs=_by_kind,
    to_theirs=_by_head,
)
