"""Configuration of the steps that choose sizes for a budget, and the sizes that they choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from textmill.config.architecture import OpenModelConfig
from textmill.config.data import OpenTokenizerConfig
from textmill.config.running import ScalingLaw
from textmill.config.settings import Settings
from textmill.config.tasks import AnyTask
from textmill.config.training import OpenPretrainConfig

if TYPE_CHECKING:
    from textmill.config import Config

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class MeasureStepConfig(Settings):
    """Configuration of the measure step: only settings that affect the speed."""

    machine: str
    """Class of the machine that trains, such as its processor and number of cores."""
    model: OpenModelConfig
    """The architecture."""
    pretrain: OpenPretrainConfig


class BudgetStepConfig(Settings):
    """Configuration of the budget step: only settings that affect sizes and times."""

    budget_minutes: Positive
    budget_gib: Positive | None = None
    side_by_side: int = Field(gt=0)
    """Number of branches over tasks that run in parallel."""
    tokenizer: OpenTokenizerConfig
    model: OpenModelConfig
    pretrain: OpenPretrainConfig
    tasks: tuple[AnyTask, ...] = ()
    law: ScalingLaw = ScalingLaw()


class Sizes(BaseModel):
    """The sizes chosen for a budget: of each section, the value of every setting that was open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokenizer: dict[str, int] = {}
    model: dict[str, int | float] = {}
    pretrain: dict[str, int] = {}
    tasks: dict[str, dict[str, int]] = {}
    """Of the finetune section of each task, by its name."""
    task_seconds: dict[str, float] = {}
    """Expected duration of each task's fine-tuning and evaluation, by its name."""
    reasons: tuple[str, ...] = ()
    """What was chosen and why, one sentence each."""


def open_sizes(config: Config) -> list[str]:
    """Return the settings of a configuration that are to be chosen for its budget."""
    missing = []
    if config.pretrain.init_from is None:  # or else sizes are those of its model
        if config.tokenizer.vocab_size is None and config.tokenizer.init_from is None:
            missing.append("tokenizer.vocab_size")
        missing += [
            f"model.{name}"
            for name in ("n_layer", "n_head", "n_embd", "block_size", "dropout")
            if getattr(config.model, name) is None
        ]
    if config.pretrain.max_steps != 0:
        missing += [
            f"pretrain.{name}"
            for name in ("max_steps", "warmup_steps")
            if getattr(config.pretrain, name) is None
        ]
    if config.budget_minutes is not None:
        missing += [
            f"tasks.{task.name}.finetune.max_steps"
            for task in config.tasks
            if task.finetune.max_steps is None and task.finetune.epochs is None
        ]
    return missing
