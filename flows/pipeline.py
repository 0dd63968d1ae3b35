"""The flows of the pipeline: each runs the graph up to the requested step."""

from __future__ import annotations

from textmill.compose import unknown_name
from textmill.config import Config
from textmill.errors import InputError
from textmill.reports.data_page import NAME as DATA
from textmill.reports.data_page import log_data_page
from textmill.steps.graph import (
    BEHAVIOUR,
    CURVE,
    EVALUATE,
    FINETUNE,
    FOLDS,
    GRAPH,
    PRETRAIN,
    TOKENS,
)
from textmill.tracking.store import artifact_url
from textmill_flows.invocation import Composed
from textmill_flows.running.context import command, say
from textmill_flows.running.prefect_tasks import run_parts
from textmill_flows.running.recording import recorded_flow
from textmill_flows.running.scores import record_curve


@recorded_flow("pipeline")
def pipeline(composed: Composed, event: str | None = None) -> str:
    """Clean, tokenize and pretrain; then fine-tune and evaluate the tasks in parallel.

    Returns:
        The id of the parent run in MLflow.
    """
    # For an event, the enclosing flow sends the notifications.
    with command("pipeline", composed, event=event, notifies=event is None) as context:
        run_parts(context, GRAPH.parts(context.config))
        return context.pipeline.run_id


@recorded_flow("pipeline")
def pipeline_from(start: str, composed: Composed) -> None:
    """Run the pipeline from a step on; steps before it must have stored results."""
    parts, reused = GRAPH.starting_at(composed.config, start)
    with command("pipeline", composed, f"--from={start}") as context:
        context.only_reused = reused
        run_parts(context, parts)


@recorded_flow("prepare")
def prepare(composed: Composed) -> None:
    """Clean the sources, train the tokenizer and encode the corpus."""
    with command("prepare", composed) as context:
        run_parts(context, GRAPH.up_to(context.config, TOKENS.label()))
        path = log_data_page(context.pipeline, context.config)
        context.page.link(artifact_url(context.pipeline.url, DATA), "data of this run", "data")
        say(f"data: {path}")


@recorded_flow("pretrain")
def pretrain(composed: Composed) -> None:
    """Pretrain the backbone, after the steps that it depends on."""
    with command("pretrain", composed) as context:
        run_parts(context, GRAPH.up_to(context.config, PRETRAIN.label()))


@recorded_flow("finetune")
def finetune(name: str, composed: Composed) -> None:
    """Fine-tune for one task, after the steps that it depends on."""
    with command("finetune", composed, name) as context:
        check_task(context.config, name)
        run_parts(context, GRAPH.up_to(context.config, FINETUNE.label(name)))


@recorded_flow("evaluate")
def evaluate(name: str | None, composed: Composed) -> None:
    """Evaluate one task, or all and the language model, after the steps that it depends on."""
    with command("evaluate", composed, name) as context:
        if name is None:
            run_parts(context, GRAPH.parts(context.config))
        else:
            check_task(context.config, name)
            run_parts(context, GRAPH.up_to(context.config, *_evaluations(context.config, name)))


def _evaluations(config: Config, name: str) -> list[str]:
    """Return the labels of the steps that evaluate a task, as far as it has them."""
    parts = (GRAPH.part(step, name) for step in (EVALUATE, BEHAVIOUR, FOLDS))
    return [part.label for part in parts if part.exists(config)]


@recorded_flow("curve")
def curve(name: str, composed: Composed) -> None:
    """Measure the learning curve of one task, after the steps that it depends on."""
    enabled = Composed(with_curve(composed.config, name), composed.name, composed.overrides)
    with command("curve", enabled, name) as context:
        check_task(context.config, name)
        run_parts(context, GRAPH.up_to(context.config, CURVE.label(name)))
        record_curve(context, name)


def with_curve(config: Config, name: str) -> Config:
    """Return the configuration with the curve of a task enabled, and that of no other."""
    tasks = tuple(
        task.model_copy(
            update={"curve": task.curve.model_copy(update={"enabled": task.name == name})}
        )
        for task in config.tasks
    )
    return config.model_copy(update={"tasks": tasks})


def check_task(config: Config, name: str) -> None:
    """Raise InputError if the configuration has no task of that name."""
    known = [task.name for task in config.tasks]
    if name not in known:
        raise InputError(f"tasks: {unknown_name('task', name, known)}")
