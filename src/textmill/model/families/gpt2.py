"""GPT-2 (Radford et al. 2019), in the layout of `transformers`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from textmill.config import ModelConfig
from textmill.model.families.family import Family, Fields

ARCHITECTURE = {
    "position": "learned",
    "activation": "gelu",
    "norm": "layer",
    "norm_placement": "pre",
    "qk_norm": False,
    "n_kv_head": None,
    "tie_embeddings": True,
    "bias": True,
}
FIXED: dict[str, tuple[Any, ...]] = {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}
# GPT-2 stores these weights as (in, out), the transpose of nn.Linear.
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def _read(fields: Fields) -> dict[str, Any]:
    fields.require(FIXED)
    return ARCHITECTURE | {
        "n_layer": fields["n_layer"],
        "n_head": fields["n_head"],
        "n_embd": fields["n_embd"],
        "n_inner": fields.get("n_inner"),
        "block_size": fields["n_positions"],
        "vocab_size": fields["vocab_size"],
        "norm_eps": fields.get("layer_norm_epsilon", 1e-5),
        "dropout": fields.get("resid_pdrop", 0.0),
    }


def _write(config: ModelConfig) -> dict[str, Any]:
    return {
        "activation_function": "gelu_new",
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_embd": config.n_embd,
        "n_inner": config.n_inner,
        "n_positions": config.block_size,
        "n_ctx": config.block_size,  # the older name, which llama.cpp reads
        "vocab_size": config.vocab_size,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "layer_norm_epsilon": config.eps,
        "tie_word_embeddings": True,
    }


def _transposed(name: str, tensor: Tensor, config: ModelConfig) -> Tensor:
    return tensor.T if name in TRANSPOSED else tensor


_MODULES = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")

GPT2 = Family(
    model_type="gpt2",
    architecture="GPT2LMHeadModel",
    read=_read,
    write=_write,
    prefix="transformer.",
    outer={"wte": "wte", "wpe": "wpe", "ln_f": "ln_f", "lm_head": "lm_head"},
    layers="h",
    inner={module: (module,) for module in _MODULES},
    from_theirs=_transposed,
    to_theirs=_transposed,
)
