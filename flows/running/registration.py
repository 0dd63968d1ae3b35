"""Registration of a run's models, and their promotion if they beat the champions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from textmill.config import TaskConfig
from textmill.errors import InputError, RunError
from textmill.registry.challenger import Challenger, backbone_challenger, task_challenger
from textmill.registry.promotion import challenge
from textmill.steps.graph import CLEAN, EVALUATE, EVALUATE_LM, GRAPH, LM, TOKENS
from textmill.steps.parts import Part
from textmill.tracking.raw_data import find_sources
from textmill.tracking.results import Result, find_result, input_of
from textmill_flows.running.context import Context, log
from textmill_flows.running.notice import notify


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE, persist_result=False)
def promote(context: Context, names: Collection[str]) -> State[Any]:
    """Register the models of this run, and compare each with its champion.

    Args:
        context: the running command.
        names: the evaluated tasks, and the language model if evaluated.
    """
    pipeline, lines = context.pipeline, []
    problems: list[InputError | RunError] = []

    def compete(
        challenger: Callable[[], Challenger], remeasure: Callable[[Result], Result]
    ) -> None:
        try:
            decision = challenge(pipeline, context.config, challenger(), remeasure)
            lines.append(decision.line)
            log.info(decision.line)
            if decision.is_promoted:
                facts = {"run_id": pipeline.run_id, "run_url": pipeline.url}
                notify(context.config, "promoted", decision.line, facts)
        except (InputError, RunError) as error:
            problems.append(error)

    if LM in names:
        compete(
            partial(backbone_challenger, pipeline, context.config),
            partial(remeasure_backbone, context),
        )
    for config in context.config.tasks:
        if config.name not in names:
            continue
        challenger = partial(task_challenger, pipeline, context.config, config)
        compete(challenger, partial(remeasure_task, context, config))
    pipeline.champions = lines
    context.page.text("\n".join(f"- {line}" for line in lines), "promotion", "Champions")
    if problems:
        kind = InputError if all(isinstance(p, InputError) for p in problems) else RunError
        message = "\n".join(map(str, problems))
        return Failed(message=message, data=kind(message))
    return Completed(message="; ".join(lines))


def remeasure_task(context: Context, config: TaskConfig, model: Result) -> Result:
    """Return the evaluation of another model on a task's test examples."""
    return _remeasure(context, GRAPH.part(EVALUATE, config.name), {"model": model})


def remeasure_backbone(context: Context, backbone: Result) -> Result:
    """Return the evaluation of another backbone on this run's validation text, in its tokens."""
    pipeline = context.pipeline
    tokenizer = find_result(pipeline.store, input_of(backbone, "tokenizer"))
    corpus = pipeline.results[CLEAN.label()]
    inputs = {"corpus": corpus, "tokenizer": tokenizer}
    tokens = _remeasure(context, GRAPH.part(TOKENS), inputs)
    inputs = {"backbone": backbone, "tokens": tokens}
    return _remeasure(context, GRAPH.part(EVALUATE_LM), inputs)


def _remeasure(context: Context, part: Part, inputs: Mapping[str, Result]) -> Result:
    """Return the result of a part with other inputs, which is not recorded in this run."""
    return context.pipeline.run(
        part.step,
        part.configure(context.config),
        inputs,
        find_sources(part.reads(context.config)),
        part.task_config(context.config),
        is_recorded=False,
    )
