"""Task models: fine-tuning of the backbone."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State

from flows.baselines import measure_baselines
from flows.context import Context, command, outcome, run_step, step_task
from flows.fixed import command_flow
from flows.prepare import place_sample, split_sources
from flows.pretrain import backbone_parts
from textmill.compose import unknown_name
from textmill.config import TaskConfig
from textmill.errors import InputError
from textmill.tracking.cards import log_card
from textmill.tracking.results import Result
from textmill.tracking.step import FINETUNE


@step_task("finetune")
def finetune_task(context: Context, config: TaskConfig, backbone: Result) -> State[Any]:
    """Fine-tune the backbone for a task."""
    splits = ("train", "validation") if config.validation else ("train",)
    return run_step(
        context, FINETUNE, config, {"backbone": backbone}, split_sources(config, *splits), config
    )


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


@command_flow("finetune")
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
