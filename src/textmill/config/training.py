"""Configuration of training."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from textmill.config.architecture import ModelConfig
from textmill.config.data import RedactionConfig
from textmill.config.settings import NOT_IN_KEY, Location, Settings

Accelerator = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "32", "bf16"]
Packing = Literal["whole", "fill"]
Candidate = Literal["average", "network", "baseline"]
Method = Literal["full", "head", "lora"]
Sublayer = Literal["attention", "mlp"]

HEAD_LEARNING_RATE = 0.016
"""Default for method=head: a frozen backbone cannot forget what it has learned."""


class OptimizationConfig(Settings):
    """Settings of pretraining and fine-tuning: optimizer, batches, device, checkpoints."""

    seed: int = 0
    """Seed of initial weights, data order and dropout."""
    micro_batch_size: int = Field(32, gt=0)
    """Sequences per forward pass of one device."""
    accumulate: int = Field(1, gt=0)
    """Micro-batches per optimizer step, equivalent to one batch of all their rows."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: matrices by Muon (Jordan et al. 2024), embeddings, heads and vectors by AdamW."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate; Muon's steps are scaled to AdamW's (Liu et al. 2025, section 2.2)."""
    schedule: Literal["cosine", "linear", "warmup_stable_decay"] = "cosine"
    """Decay of the learning rate after the warm-up."""
    final_learning_rate_share: float = Field(0.1, ge=0, le=1)
    """Learning rate at the last step as a share of the peak."""
    decay_share: float = Field(0.2, gt=0, le=1)
    """Share of the steps after warm-up in which warmup_stable_decay decays the learning rate."""
    muon_momentum: float = Field(0.95, ge=0, lt=1)
    weight_decay: float = Field(0.1, ge=0)
    """Decoupled weight decay of matrices; not applied to embeddings, norms and biases."""
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.95, ge=0, lt=1)
    gradient_clip: float = Field(1.0, gt=0)
    """Maximum norm of the gradient over all parameters."""
    average_decay: float | None = Field(None, gt=0, lt=1)
    """Decay of an exponential moving average of the weights, which is validated and saved instead
    of the weights themselves (Polyak & Juditsky 1992); lower in the first steps. None: no
    averaging."""
    accelerator: Accelerator = "auto"
    """Device of training and of evaluation. auto: a CUDA GPU where there is one, else the CPU."""
    precision: Precision = "auto"
    """auto: bf16 mixed where the processor computes it natively, else 32-bit."""
    log_every_steps: int = Field(10, gt=0)
    checkpoint_every_steps: Annotated[int, NOT_IN_KEY] = Field(200, gt=0)
    keep_checkpoints: Annotated[int, NOT_IN_KEY] = Field(2, gt=0)
    max_loss_rise: Annotated[float | None, NOT_IN_KEY] = Field(3.0, gt=0)
    """Maximum rise of the logged loss above the lowest so far, in nats, beyond which training
    stops; None: no limit."""
    max_hours: Annotated[float | None, NOT_IN_KEY] = Field(None, gt=0)
    """Maximum training time, resumed runs included, after which training stops at a checkpoint."""
    max_cost: Annotated[float | None, NOT_IN_KEY] = Field(None, gt=0)
    """Maximum cost at price_per_hour, after which training stops at a checkpoint."""
    price_per_hour: Annotated[float | None, NOT_IN_KEY] = Field(None, ge=0)
    """Normally cluster.price_per_hour."""
    watts: Annotated[float | None, NOT_IN_KEY] = Field(None, gt=0)
    """Normally cluster.watts."""

    @model_validator(mode="after")
    def _cost_has_a_price(self) -> Self:
        if self.max_cost is not None and not self.price_per_hour:
            raise ValueError("max_cost needs a price: set cluster.price_per_hour.")
        return self


class OpenPretrainConfig(OptimizationConfig):
    """Pretraining of the backbone: the conf/pretrain/ group.

    Numbers of steps that are None are chosen for budget_minutes.
    """

    objective: Literal["causal", "masked", "hybrid"] = "causal"
    """causal: predict the next token; masked: predict masked ones; hybrid: both in every batch."""
    masked_share: float = Field(0.5, gt=0, lt=1)
    """Share of a micro-batch's rows that the hybrid objective uses for masked prediction."""
    mask_share: float = Field(0.15, gt=0, lt=1)
    """Share of the tokens masked in these rows (Devlin et al. 2019)."""
    init_from: Location | None = None
    """Folder or hub id of the initial weights: a backbone, or a GPT-2, Llama, SmolLM, Qwen2, Qwen3
    or GPT-NeoX in the Hugging Face layout. Sizes and architecture of the model are then its own if
    they are not set, and so is the tokenizer if its size is not set."""
    z_loss: float = Field(0.0, ge=0)
    """Weight of log²Z, which keeps logits small (Chowdhery et al. 2022, section 5)."""
    devices: Annotated[int, NOT_IN_KEY] = Field(1, gt=0)
    """Devices that split the micro-batches of a step; must divide accumulate. The batch of a step
    is the same for any number, and so is the result up to the order of summation."""
    strategy: Annotated[Literal["ddp", "fsdp"], NOT_IN_KEY] = "ddp"
    """Strategy for several devices. ddp: each holds all weights; fsdp: weights, gradients and
    optimizer state are sharded, and sublayers gathered when needed: less memory, more
    communication. The result is the same up to the order of summation."""
    activation_checkpointing: bool = False
    """Recompute each layer's activations in the backward pass instead of storing them: less memory,
    more time."""
    compile: bool = False
    """Compile the training step (torch.compile): slow to start, faster on a GPU."""
    packing: Packing = "whole"
    """whole: documents that fit into a block are never split (Ding et al. 2024); fill: some are, so
    that at most 2 % of the positions are padding. Validation always uses whole."""
    overlap: int = Field(0, ge=0)
    """Tokens of context before every piece of a split document but the first; they are not targets
    again. 0: consecutive pieces. Validation has no overlap."""
    language_alpha: float | None = Field(None, ge=0, le=1)
    """Exponent of language sampling: languages are sampled in proportion to this power of their
    number of tokens, which upsamples small ones: 0.3 in XLM-R (Conneau et al. 2020), 0 for uniform;
    the inverse of a temperature. For weighted sources, the weighted number of tokens counts. None:
    in proportion to size."""
    sample_tokens: int = Field(32, ge=0)
    """Length of the text sampled at every validation; 0: none."""
    max_steps: int | None = Field(600, ge=0)
    """Optimizer steps; 0: the weights of init_from are used as they are."""
    warmup_steps: int | None = Field(50, ge=0)
    """Steps of linear warm-up."""
    validate_every_steps: int = Field(200, gt=0)
    validation_blocks: int = Field(512, gt=0)
    """Maximum blocks per validation during training; the final evaluation uses all."""

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        if not self.max_steps or self.warmup_steps is None:
            return self
        if self.warmup_steps >= self.max_steps:
            raise ValueError(
                f"warmup_steps={self.warmup_steps} is not below max_steps={self.max_steps}: "
                "set warmup_steps below max_steps."
            )
        return self

    @model_validator(mode="after")
    def _devices_share_evenly(self) -> Self:
        if self.accumulate % self.devices:
            fits = self.devices * math.ceil(self.accumulate / self.devices)
            raise ValueError(
                f"accumulate={self.accumulate} micro-batches cannot be split evenly among "
                f"devices={self.devices}: set accumulate={fits}, and lower micro_batch_size to "
                "keep the batch size."
            )
        return self

    @model_validator(mode="after")
    def _shards_are_not_compiled(self) -> Self:
        if self.compile and self.strategy == "fsdp" and self.devices > 1:
            raise ValueError(
                "compile=true and strategy=fsdp cannot be combined: set compile=false, or "
                "strategy=ddp if the training state fits on every device."
            )
        return self

    @model_validator(mode="after")
    def _hybrid_has_both(self) -> Self:
        n_masked = round(self.masked_share * self.micro_batch_size)
        if self.objective == "hybrid" and not 0 < n_masked < self.micro_batch_size:
            raise ValueError(
                f"masked_share={self.masked_share} of micro_batch_size={self.micro_batch_size} "
                "rows leaves one part of objective=hybrid without a row: set masked_share closer "
                "to 0.5, or raise micro_batch_size."
            )
        return self

    def sized(self) -> PretrainConfig:
        """Return the same training, whose numbers of steps must be set."""
        values = dict(self)
        if self.max_steps == 0:
            values["warmup_steps"] = 0
        return PretrainConfig(**values)


class PretrainConfig(OpenPretrainConfig):
    """A pretraining whose numbers of steps are all set."""

    max_steps: int = Field(600, ge=0)
    warmup_steps: int = Field(50, ge=0)


class LoRAConfig(Settings):
    """Low-rank adaptation (LoRA, Hu et al. 2021): the lora section of finetune."""

    r: int = Field(8, gt=0)
    """Rank of the update of each weight matrix; at most the width of the backbone."""
    alpha: float = Field(16.0, gt=0)
    """The update is scaled by alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout of the inputs of the update, besides that of the network."""
    targets: tuple[Sublayer, ...] = Field(("attention", "mlp"), min_length=1)
    """Sublayers whose matrices are updated; Hu et al. update those of attention."""
    merge: bool = True
    """Whether the update is added to the weights of the saved model, which then predicts as fast as
    one that was fine-tuned in full. False: the model is an adapter, with the weights that were
    trained beside its backbone's, which adapters on one backbone share on disk and in memory."""


class FinetuneConfig(OptimizationConfig):
    """Fine-tuning of one task: the finetune section, which each task may override.

    The default of learning_rate is that of the kind of task for method=full and lora, and 0.016 for
    method=head.
    """

    method: Method = "full"
    """Weights that are trained. full: all; head: the layers that the kind of task adds, on a frozen
    backbone; lora: these, and low-rank updates of the matrices of a frozen backbone."""
    lora: LoRAConfig = LoRAConfig()
    """For method=lora."""
    weight_decay: float = Field(0.01, ge=0)
    beta2: float = Field(0.98, ge=0, lt=1)
    epochs: int | None = Field(None, gt=0)
    """Maximum passes over the training examples; the best epoch on the validation split is kept. If
    accumulate does not divide an epoch's batches, a step spans two epochs, and the last is smaller.
    None: from the number of examples, so that few examples are seen more often."""
    max_steps: int | None = Field(None, gt=0)
    """Maximum optimizer steps, if the epochs have more; None: chosen for budget_minutes, if that is
    set and epochs is not, or else no limit."""
    patience: int | None = Field(3, gt=0)
    """Training stops after this many epochs without a better validation score; None: never."""
    candidates: tuple[Candidate, ...] = Field(("average", "network", "baseline"), min_length=1)
    """Models of which the one with the best validation score (of equals, the first) becomes the
    task's model, if it is better than the baseline by more than a standard error. network: the
    fine-tuned one; baseline: the classical baseline; average: both, by the weighted product of
    their probabilities, if the kind of task has any."""
    seeds: int = Field(1, gt=0)
    """Networks that are fine-tuned, with `seed`, `seed` + 1 and so on: the network of the task's
    model is their average; or the one with the best validation score, if scores of the kind of task
    have no average, as those of translation. Limits of time and cost apply to each."""
    folds: int | None = Field(None, ge=2)
    """Number of parts of the training examples for a cross-validation: each part is scored by a
    model, with all its seeds and candidates, that was trained on the other parts. The task's model
    is still trained on all examples. None: no cross-validation."""
    warmup_share: float = Field(0.1, ge=0, lt=1)
    """Share of the steps with linear warm-up."""
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    """Szegedy et al. 2016, section 7."""
    dropout: float | None = Field(None, ge=0, lt=1)
    """Dropout in the backbone and before the task's head; None: 0.1 if the training examples are
    seen more than four times (translation: eight times), else none."""
    attention: Literal["bidirectional", "causal"] = "bidirectional"
    """Attention of the fine-tuned network; tasks that generate text support causal only."""

    @property
    def n_trainings(self) -> int:
        """Number of networks that are trained: of all seeds, for all examples and for each fold."""
        return self.seeds * (1 + (self.folds or 0))

    @model_validator(mode="after")
    def _rate_of_a_head(self) -> Self:
        if self.method == "head" and "learning_rate" not in self.model_fields_set:
            # The model is frozen, and a default is no field that is set.
            object.__setattr__(self, "learning_rate", HEAD_LEARNING_RATE)
        return self


class TokensConfig(Settings):
    """Configuration of the tokens step, which has no settings of its own."""


class PretrainStepConfig(Settings):
    """Configuration of the pretrain step."""

    model: ModelConfig
    pretrain: PretrainConfig
    weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Weights by source, of those that have one."""
    redaction: RedactionConfig = RedactionConfig()
    """Redaction of the corpus, stored with the backbone to redact its prompts in the same way."""
