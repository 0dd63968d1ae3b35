"""The model and its training."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from textmill.config.data import RedactionConfig
from textmill.config.settings import NOT_IN_KEY, Location, Settings

Accelerator = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "32", "bf16"]
Packing = Literal["whole", "fill"]


class ModelConfig(Settings):
    """Shape and arrangement of the transformer: the conf/model/ group."""

    n_layer: int = Field(4, gt=0)
    n_head: int = Field(4, gt=0)
    """Attention heads per layer; must divide n_embd."""
    n_kv_head: int | None = Field(None, gt=0)
    """Heads of keys and values, shared by equal groups of attention heads (Ainslie et al. 2023);
    must divide n_head. None: each head has its own."""
    n_embd: int = Field(256, gt=0)
    """Width of the residual stream, in channels."""
    block_size: int = Field(128, gt=1)
    """Context length in tokens."""
    vocab_size: int | None = Field(None, gt=0)
    """Rows of the embedding; None takes the size of the tokenizer."""
    position: Literal["learned", "sinusoidal", "rotary"] = "rotary"
    activation: Literal["relu", "gelu", "relu_squared", "swiglu"] = "relu_squared"
    norm: Literal["layer", "rms"] = "rms"
    norm_placement: Literal["pre", "post"] = "pre"
    """Normalise before the sublayer, or after the residual addition (Vaswani et al. 2017)."""
    qk_norm: bool = True
    """Normalise queries and keys per head (Henry et al. 2020)."""
    tie_embeddings: bool = True
    """Use the token embedding as output layer too."""
    bias: bool = False
    """Biases in linear layers and layer norms."""
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.n_embd % self.n_head:
            fits = self.n_head * math.ceil(self.n_embd / self.n_head)
            raise ValueError(
                f"n_embd={self.n_embd} is not a multiple of n_head={self.n_head}: "
                f"set n_embd to {fits}, or change n_head."
            )
        if self.n_kv_head is not None and self.n_head % self.n_kv_head:
            raise ValueError(
                f"n_head={self.n_head} is not a multiple of n_kv_head={self.n_kv_head}: "
                "change one of them, or leave n_kv_head out."
            )
        if self.position == "rotary" and (self.n_embd // self.n_head) % 2:
            raise ValueError(
                f"rotary positions need an even head width, and n_embd/n_head is "
                f"{self.n_embd // self.n_head}: change n_embd or n_head, or set position=learned."
            )
        return self


class OptimizationConfig(Settings):
    """What pretraining and fine-tuning have in common: optimizer, batches, device, checkpoints."""

    seed: int = 0
    """Seed of initial weights, data order and dropout."""
    micro_batch_size: int = Field(32, gt=0)
    """Sequences per forward pass of one device."""
    accumulate: int = Field(1, gt=0)
    """Micro-batches per optimizer step, which has the gradient of one batch of all their rows."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: matrices by Muon (Jordan et al. 2024), embeddings, heads and vectors by AdamW."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate; Muon's steps are scaled to AdamW's (Liu et al. 2025, section 2.2)."""
    schedule: Literal["cosine", "linear", "warmup_stable_decay"] = "cosine"
    """How the learning rate falls after the warm-up."""
    final_learning_rate_share: float = Field(0.1, ge=0, le=1)
    """Learning rate at the last step as a share of the peak."""
    decay_share: float = Field(0.2, gt=0, le=1)
    """Share of the steps after warm-up in which warmup_stable_decay lets the rate fall."""
    muon_momentum: float = Field(0.95, ge=0, lt=1)
    weight_decay: float = Field(0.1, ge=0)
    """Decoupled weight decay of matrices; embeddings, norms and biases are not decayed."""
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.95, ge=0, lt=1)
    gradient_clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient over all parameters."""
    accelerator: Accelerator = "auto"
    """auto: a CUDA GPU where there is one, else the CPU."""
    precision: Precision = "auto"
    """auto: bf16 mixed where the processor computes it natively, else 32-bit."""
    log_every_steps: int = Field(10, gt=0)
    checkpoint_every_steps: Annotated[int, NOT_IN_KEY] = Field(200, gt=0)
    keep_checkpoints: Annotated[int, NOT_IN_KEY] = Field(2, gt=0)
    max_loss_rise: Annotated[float | None, NOT_IN_KEY] = Field(3.0, gt=0)
    """Training stops when the logged loss lies by more (nats) above the lowest so far; None: never.
    """
    max_hours: Annotated[float | None, NOT_IN_KEY] = Field(None, gt=0)
    """Training stops, at a checkpoint, after this time; resumed trainings are summed."""
    max_cost: Annotated[float | None, NOT_IN_KEY] = Field(None, gt=0)
    """The same by money, at price_per_hour."""
    price_per_hour: Annotated[float | None, NOT_IN_KEY] = Field(None, ge=0)
    """Normally cluster.price_per_hour."""
    watts: Annotated[float | None, NOT_IN_KEY] = Field(None, gt=0)
    """Normally cluster.watts."""

    @model_validator(mode="after")
    def _cost_has_a_price(self) -> Self:
        if self.max_cost is not None and not self.price_per_hour:
            raise ValueError("max_cost needs a price: set cluster.price_per_hour.")
        return self


class PretrainConfig(OptimizationConfig):
    """Pretraining of the backbone: the conf/pretrain/ group."""

    objective: Literal["causal", "masked", "hybrid"] = "causal"
    """causal: predict the next token; masked: predict hidden ones; hybrid: both in every batch."""
    masked_share: float = Field(0.5, gt=0, lt=1)
    """Share of a micro-batch's rows that the hybrid objective trains by masked prediction."""
    mask_share: float = Field(0.15, gt=0, lt=1)
    """Share of the tokens that are hidden in masked rows (Devlin et al. 2019)."""
    init_from: Location | None = None
    """Folder of a backbone, or of a GPT-2 in the Hugging Face layout, whose weights to begin from.
    """
    z_loss: float = Field(0.0, ge=0)
    """Weight of log²Z, which keeps logits from growing (Chowdhery et al. 2022, section 5)."""
    average_decay: float | None = Field(None, gt=0, lt=1)
    """Decay of a moving average of the weights, which is validated and kept in their place
    (Polyak & Juditsky 1992); None: the newest are."""
    devices: Annotated[int, NOT_IN_KEY] = Field(1, gt=0)
    """Processors that split the micro-batches of a step; must divide accumulate. A step's batch
    is the same for any number, and so is its result but for the order of sums."""
    strategy: Annotated[Literal["ddp", "fsdp"], NOT_IN_KEY] = "ddp"
    """Of several devices. ddp: each holds all weights; fsdp: each holds its share of weights,
    gradients and optimizer state, and sublayers are gathered as they are needed: less memory, more
    traffic. The result is the same but for the order of sums."""
    activation_checkpointing: bool = False
    """Compute each layer's activations again in the backward pass instead of keeping them: less
    memory, more time."""
    compile: bool = False
    """Compile the model's training pass (torch.compile): slow to begin, faster on a GPU."""
    packing: Packing = "whole"
    """whole: no document is cut that fits into a block (Ding et al. 2024); fill: some are, so that
    at most 2 % of the positions are padding. Validation blocks are always whole."""
    overlap: int = Field(0, ge=0)
    """Tokens of context before every piece of a document but the first; they are no targets a
    second time. 0 cuts into consecutive pieces. Validation has no overlap."""
    language_alpha: float | None = Field(None, ge=0, le=1)
    """Languages are drawn in proportion to this power of their number of tokens, so that small ones
    come more often than their size: 0.3 in XLM-R (Conneau et al. 2020), 0 for all alike; it is the
    inverse of a temperature. Languages of weighted sources have the number that the weights give
    them. None: by their size."""
    sample_tokens: int = Field(32, ge=0)
    """Length of the text that is sampled at every validation; 0: none."""
    max_steps: int = Field(600, gt=0)
    """Optimizer steps."""
    warmup_steps: int = Field(50, ge=0)
    """Steps of linear warm-up."""
    validate_every_steps: int = Field(200, gt=0)
    validation_blocks: int = Field(512, gt=0)
    """Most blocks used by a validation during training; the final evaluation uses all."""

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        if self.warmup_steps >= self.max_steps:
            raise ValueError(
                f"warmup_steps={self.warmup_steps} leaves nothing of max_steps={self.max_steps}: "
                "set warmup_steps below max_steps."
            )
        return self

    @model_validator(mode="after")
    def _devices_share_evenly(self) -> Self:
        if self.accumulate % self.devices:
            fits = self.devices * math.ceil(self.accumulate / self.devices)
            raise ValueError(
                f"accumulate={self.accumulate} micro-batches cannot be split evenly among "
                f"devices={self.devices}: set accumulate={fits}, and micro_batch_size lower for as "
                "large a batch."
            )
        return self

    @model_validator(mode="after")
    def _shards_are_not_compiled(self) -> Self:
        if self.compile and self.strategy == "fsdp" and self.devices > 1:
            raise ValueError(
                "compile=true and strategy=fsdp do not go together: set compile=false, or "
                "strategy=ddp if the model's state fits on every device."
            )
        return self

    @model_validator(mode="after")
    def _hybrid_has_both(self) -> Self:
        n_masked = round(self.masked_share * self.micro_batch_size)
        if self.objective == "hybrid" and not 0 < n_masked < self.micro_batch_size:
            raise ValueError(
                f"masked_share={self.masked_share} of micro_batch_size={self.micro_batch_size} "
                "rows leaves one half of objective=hybrid without a row: set masked_share nearer "
                "to 0.5, or micro_batch_size higher."
            )
        return self


class FinetuneConfig(OptimizationConfig):
    """Fine-tuning of one task: the finetune section, which each task may override."""

    weight_decay: float = Field(0.01, ge=0)
    beta2: float = Field(0.98, ge=0, lt=1)
    epochs: int = Field(3, gt=0)
    """Passes over the training examples; the best one on the validation split is kept. Where
    accumulate does not divide them, a step spans two epochs, and the last one has fewer examples.
    """
    warmup_share: float = Field(0.1, ge=0, lt=1)
    """Share of the steps with linear warm-up."""
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    """Szegedy et al. 2016, section 7."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in the backbone and before the task's head."""
    attention: Literal["bidirectional", "causal"] = "bidirectional"
    """Whether a token sees all others or those before it; a kind that writes allows one alone."""


class TokensConfig(Settings):
    """The tokens step has no settings of its own: corpus and tokenizer decide."""


class PretrainStepConfig(Settings):
    """What the pretrain step depends on."""

    model: ModelConfig
    pretrain: PretrainConfig
    weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """By source: those of corpus.sources that have one."""
    redaction: RedactionConfig = RedactionConfig()
    """That of the corpus, kept with the backbone, whose prompts are redacted like it."""
