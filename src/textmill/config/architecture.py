"""Architecture and shape of the model."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from textmill.config.settings import Settings


class RotaryScaling(Settings):
    """Frequencies of rotary positions for a longer context than the original training had."""

    kind: Literal["linear", "llama3"]
    """linear: divide all by the factor; llama3: only those that turn slowly."""
    factor: float = Field(gt=0)
    low_turns: float = Field(1.0, gt=0)
    """llama3: turns within the original context up to which a frequency is divided."""
    high_turns: float = Field(4.0, gt=0)
    """llama3: turns within the original context from which a frequency is kept."""
    original_block_size: int = Field(8192, gt=1)
    """llama3: context length of the original training, in tokens."""

    @model_validator(mode="after")
    def _turns_increase(self) -> Self:
        if self.low_turns >= self.high_turns:
            raise ValueError(
                f"low_turns={self.low_turns:g} is not below high_turns={self.high_turns:g}: "
                "change one of them."
            )
        return self


class OpenModelConfig(Settings):
    """Architecture and shape of the transformer: the conf/model/ group.

    Sizes that are None are chosen for budget_minutes.
    """

    n_layer: int | None = Field(4, gt=0)
    n_head: int | None = Field(4, gt=0)
    """Attention heads per layer; must divide n_embd."""
    n_kv_head: int | None = Field(None, gt=0)
    """Key and value heads for grouped-query attention (Ainslie et al. 2023); must divide n_head.
    None: n_head."""
    n_embd: int | None = Field(256, gt=0)
    """Width of the residual stream, in channels."""
    head_dim: int | None = Field(None, gt=0)
    """Width of a head, in channels; None: n_embd / n_head."""
    n_inner: int | None = Field(None, gt=0)
    """Width inside the MLP, in channels; None: 4 n_embd, or for swiglu the next multiple of 64 to
    8/3 n_embd, about as many weights."""
    block_size: int | None = Field(128, gt=1)
    """Context length in tokens."""
    vocab_size: int | None = Field(None, gt=0)
    """Rows of the embedding; None: the tokenizer's vocabulary size."""
    position: Literal["learned", "sinusoidal", "rotary"] = "rotary"
    rotary_base: float = Field(10_000.0, gt=1)
    """Base of the wavelengths of rotary positions."""
    rotary_share: float = Field(1.0, gt=0, le=1)
    """Share of a head's channels that are rotated, the first ones (Black et al. 2022)."""
    rotary_scaling: RotaryScaling | None = None
    activation: Literal["relu", "gelu", "gelu_exact", "relu_squared", "swiglu"] = "swiglu"
    """gelu: approximated by tanh, as in GPT-2."""
    norm: Literal["layer", "rms"] = "rms"
    norm_eps: float | None = Field(None, gt=0)
    """Added to the variance in norms; None: 1e-6 for rms, 1e-5 for layer."""
    norm_placement: Literal["pre", "post"] = "pre"
    """Normalise before the sublayer, or after the residual addition (Vaswani et al. 2017)."""
    parallel_residual: bool = False
    """Add attention and MLP of the same input (Wang & Komatsuzaki 2021), instead of one after the
    other."""
    qk_norm: bool = True
    """Normalise queries and keys per head (Henry et al. 2020)."""
    tie_embeddings: bool = True
    """Use the token embedding as the output layer."""
    bias: bool = False
    """Biases in linear layers and layer norms."""
    qkv_bias: bool | None = None
    """Biases of queries, keys and values; None: as bias."""
    dropout: float | None = Field(0.0, ge=0, lt=1)
    """Of embeddings, attention weights and the outputs of sublayers, in pretraining."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.n_kv_head is not None and self.n_head is not None and self.n_head % self.n_kv_head:
            raise ValueError(
                f"n_head={self.n_head} is not a multiple of n_kv_head={self.n_kv_head}: "
                "change one of them, or remove n_kv_head."
            )
        if self.parallel_residual and self.norm_placement == "post":
            raise ValueError("parallel_residual needs norm_placement=pre: set one of them.")
        if self.n_embd is None or self.n_head is None:
            return self
        if self.head_dim is None and self.n_embd % self.n_head:
            fits = self.n_head * math.ceil(self.n_embd / self.n_head)
            raise ValueError(
                f"n_embd={self.n_embd} is not a multiple of n_head={self.n_head}: "
                f"set n_embd to {fits}, or change n_head."
            )
        width = self.head_dim or self.n_embd // self.n_head
        if self.position == "rotary" and (int(self.rotary_share * width) % 2 or width == 1):
            of = "head_dim" if self.head_dim else "n_embd/n_head"
            rotated = f"{of} is {width}" + (
                f" and rotary_share={self.rotary_share:g}" if self.rotary_share < 1 else ""
            )
            raise ValueError(
                f"rotary positions need an even head width, and {rotated}: change n_embd or "
                "n_head, or set position=learned."
            )
        return self

    def sized(self) -> ModelConfig:
        """Return the same model, whose sizes must be set."""
        return ModelConfig(**dict(self))


class ModelConfig(OpenModelConfig):
    """A model whose sizes are all set."""

    n_layer: int = Field(4, gt=0)
    n_head: int = Field(4, gt=0)
    n_embd: int = Field(256, gt=0)
    block_size: int = Field(128, gt=1)
    dropout: float = Field(0.0, ge=0, lt=1)

    def explicit(self) -> dict[str, Any]:
        """Return all settings, with the values of defaults that depend on others."""
        return self.model_dump() | {
            "n_kv_head": self.kv_heads,
            "head_dim": self.head_width,
            "n_inner": self.inner_width,
            "norm_eps": self.eps,
            "qkv_bias": self.has_qkv_bias,
        }

    @property
    def head_width(self) -> int:
        """Channels per head."""
        return self.head_dim or self.n_embd // self.n_head

    @property
    def kv_heads(self) -> int:
        """Key and value heads."""
        return self.n_kv_head or self.n_head

    @property
    def inner_width(self) -> int:
        """Channels inside the MLP."""
        # In bf16, products of matrices are slower with other sizes.
        default = 64 * math.ceil(self.n_embd / 24) if self.is_gated else 4 * self.n_embd
        return self.n_inner or default

    @property
    def is_gated(self) -> bool:
        """Whether the MLP has a gate, of the same width."""
        return self.activation == "swiglu"

    @property
    def rotary_width(self) -> int:
        """Channels per head that are rotated."""
        return int(self.rotary_share * self.head_width)

    @property
    def eps(self) -> float:
        """Added to the variance in norms."""
        return self.norm_eps or (1e-6 if self.norm == "rms" else 1e-5)

    @property
    def has_qkv_bias(self) -> bool:
        """Whether queries, keys and values have biases."""
        return self.bias if self.qkv_bias is None else self.qkv_bias
