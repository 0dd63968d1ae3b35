"""What the steps that choose sizes for a budget read: no settings that do not affect the choice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from textmill import hardware
from textmill.config import (
    BudgetStepConfig,
    Config,
    MeasureStepConfig,
    OpenModelConfig,
    OpenPretrainConfig,
    OptimizationConfig,
    TaskConfig,
)
from textmill.steps.task_configs import WITHOUT_SCORES

SPEED_SETTINGS = ("micro_batch_size", "accumulate", "optimizer", "accelerator", "precision")
"""Settings of any training that affect its time; others must not affect the chosen sizes."""
PRETRAIN_SPEED_SETTINGS = (
    *SPEED_SETTINGS,
    "objective",
    "masked_share",
    "activation_checkpointing",
    "compile",
    "devices",
)
MODEL_SIZES = (
    "n_layer",
    "n_head",
    "n_kv_head",
    "n_embd",
    "head_dim",
    "n_inner",
    "block_size",
    "vocab_size",
    "dropout",
)
PRETRAIN_SIZES = ("max_steps", "warmup_steps", "validate_every_steps", "validation_blocks")
S = TypeVar("S", bound=OptimizationConfig)


def _only(config: S, names: Iterable[str]) -> S:
    """Return a configuration with defaults for all settings but these."""
    return type(config)().model_copy(update={name: getattr(config, name) for name in names})


def measure_config(config: Config) -> MeasureStepConfig:
    """Return the settings that affect the speed of training, and the type of this machine."""
    training = OpenPretrainConfig(**dict(config.pretrain))
    return MeasureStepConfig(
        machine=hardware.machine_class(training.accelerator, training.devices),
        model=OpenModelConfig(**{**dict(config.model), **dict.fromkeys(MODEL_SIZES)}),
        pretrain=_only(training, PRETRAIN_SPEED_SETTINGS),
    )


def budget_config(config: Config) -> BudgetStepConfig:
    """Return the budget, the sizes that are set, and what else the choice depends on."""
    assert config.budget_minutes is not None
    training = OpenPretrainConfig(**dict(config.pretrain))
    return BudgetStepConfig(
        budget_minutes=config.budget_minutes,
        budget_gib=config.budget_gib,
        side_by_side=min(config.cluster.max_parallel_tasks, 1 + len(config.tasks)),
        tokenizer=config.tokenizer,
        model=config.model,
        pretrain=_only(training, (*PRETRAIN_SPEED_SETTINGS, *PRETRAIN_SIZES)),
        tasks=tuple(map(_budgeted, config.tasks)),
        law=config.plan,
    )


def _budgeted(task: TaskConfig) -> TaskConfig:
    """Return a task with the settings that affect its time."""
    kept = (*SPEED_SETTINGS, "epochs", "max_steps", "seeds", "folds", "attention", "method")
    return task.model_copy(update={"finetune": _only(task.finetune, kept)} | WITHOUT_SCORES)
