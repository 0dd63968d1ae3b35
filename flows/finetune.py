"""Task models: fine-tuning of the backbone."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State

from flows.baselines import measure_baselines
from flows.context import Context, command, outcome, run_step, step_task
from flows.prepare import place_sample, split_sources
from flows.pretrain import backbone_parts
from flows.recording import recorded_flow
from textmill.compose import unknown_name
from textmill.config import TaskConfig
from textmill.errors import InputError
from textmill.reports.cards import log_card
from textmill.steps.step import FINETUNE
from textmill.tracking.results import Result


@step_task("finetune")
def finetune_task(context: Context, config: TaskConfig, backbone: Result) -> State[Any]:
    """Fine-tune the backbone for a task."""
    sources = split_sources(config, *training_splits(config))
    return run_step(context, FINETUNE, config, {"backbone": backbone}, sources, config)


def training_splits(config: TaskConfig) -> tuple[str, ...]:
    """Return the splits that fine-tuning reads; the test, only to leave its texts out."""
    is_read = {
        "train": True,
        "validation": config.validation is not None,
        "test": config.on_leak == "drop",
    }
    return tuple(name for name in is_read if is_read[name])


def choose_task(context: Context, name: str) -> TaskConfig:
    """Return the task of that name.

    Raises:
        InputError: the configuration has no such task.
    """
    for config in context.config.tasks:
        if config.name == name:
            return config
    known = [config.name for config in context.config.tasks]
    raise InputError(f"tasks: {unknown_name('task', name, known)}")


@recorded_flow("finetune")
def finetune(name: str, config: str = "demo", overrides: list[str] | None = None) -> None:
    """Fine-tune for one task, and compute first what that needs."""
    with command("finetune", config, overrides or [], name) as context:
        choose_task(context, name)  # before hours of work
        place_sample(context)
        task = choose_task(context, name)
        measure_baselines(context, [task])  # finds bad examples, before hours of work too
        _, backbone = backbone_parts(context)
        outcome(finetune_task(context, task, backbone))
        log_card(context.pipeline, context.config, task)
