"""Retraining by itself: the whole chain again, when a trigger says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from prefect import Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.states import Completed

from textmill.compose import unknown_name
from textmill.config import Config
from textmill.errors import InputError, RunError
from textmill.evaluation.shift import crossed_limits
from textmill.files import digest_values
from textmill.registry.promotion import champion_results
from textmill.steps.graph import DRIFT, EVALUATE, EVALUATE_LM, FINETUNE, GRAPH, PRETRAIN, TOKENS
from textmill.steps.parts import CorpusSource, Split
from textmill.steps.process import Stopped
from textmill.steps.raw_sources import Source, data_digest
from textmill.tracking.events import PastRun, find_sample, last_finished, result_of, runs_for
from textmill.tracking.raw_data import find_sources, with_sample
from textmill.tracking.results import Result, find_result, input_of
from textmill.tracking.store import Store, StoreError
from textmill.tracking.tags import BACKBONE
from textmill_flows.invocation import Composed
from textmill_flows.pipeline import pipeline
from textmill_flows.running.context import Context, close_killed, command, outcome, run_step, say
from textmill_flows.running.context import task_runner as runner_of
from textmill_flows.running.notice import notify
from textmill_flows.running.recording import quiet, recorded_flow
from textmill_flows.scheduling.fixed import fixed_settings
from textmill_flows.scheduling.limits import alone
from textmill_flows.scheduling.triggers import (
    TRIGGERS,
    Decision,
    at_data,
    at_drift,
    at_tick,
    tries_left,
)


@recorded_flow("retrain")
def retrain(trigger: str, composed: Composed) -> State[Any]:
    """Run the whole chain if a trigger has an event for it, as `deployed` does: by hand."""
    return _retrain(trigger, composed)


@flow(name="retrain", persist_result=False)
def deployed() -> State[Any]:
    """Run the whole chain if the trigger has an event for it.

    What is retrained, and when, is fixed by whoever serves the deployment: see
    `textmill_flows.scheduling.fixed`.
    """
    # Not around the flow itself: Prefect would read parameters of any name from the wrapper.
    trigger, name, overrides = fixed_settings()
    return quiet(_retrain)(trigger, Composed.of(name, overrides))


def _retrain(trigger: str, composed: Composed) -> State[Any]:
    """Run the whole chain if a trigger has an event for it, once for each event.

    Args:
        trigger: schedule (always), data (the raw files have changed since the last finished run)
            or drift (new text is too unlike the last training corpus).
        composed: the configuration.

    Any failure is told, once, to those whom the configuration names.

    Returns:
        A state that says Retrained, or NothingDone with the reason.

    Raises:
        InputError: the configuration or the data cannot be used.
        RunError: the run failed as often as it may.
    """
    settings = composed.config
    if trigger not in TRIGGERS:
        raise InputError(unknown_name("trigger", trigger, TRIGGERS).capitalize())
    with _failures_told(settings) as facts:
        store = Store(settings.tracking)
        with alone(store, settings) as obstacle:
            if obstacle is None:
                close_killed(store, settings)
                decision = _ask(trigger, store, composed)
                obstacle = _act(decision, store, composed, facts)
    if obstacle is not None:
        say(f"Nothing to do: {obstacle}.")
        return Completed(name="NothingDone", message=obstacle)
    return Completed(name="Retrained", message=decision.reason)


@contextmanager
def _failures_told(settings: Config) -> Iterator[dict[str, str]]:
    """Tell of any failure inside, whatever it is; yield the facts to tell.

    Nobody looks at a run that no person has started.
    """
    facts = {"flow_run": str(flow_run.name)}
    try:
        yield facts
    except Stopped:
        raise
    except Exception as error:
        is_ours = isinstance(error, InputError | RunError)
        reason = str(error) if is_ours else f"{type(error).__name__}: {error}"
        notify(settings, "failed", f"retraining failed: {reason}", facts)
        raise


def _ask(trigger: str, store: Store, composed: Composed) -> Decision:
    settings = composed.config
    if trigger == "schedule":
        tick = flow_run.scheduled_start_time
        assert tick is not None
        return at_tick(tick)
    last = last_finished(store, settings)
    placed = _placed(settings, store)
    digest = _digest_sources(placed)
    if trigger == "data":
        return at_data(digest, last)
    [new_text] = find_sources(GRAPH.part(DRIFT).reads(placed))
    if last is None:
        return Decision(None, "no run has finished yet that new text could be compared with")
    # Not told here, as the flow around tells it.
    with command("drift", composed, notifies=False) as context:
        context.config = placed
        measures = outcome(measure_drift(context, last, new_text)).metrics()
    n_documents, least = int(measures["documents"]), placed.retrain.drift.min_documents
    if n_documents < least:
        dropped = int(measures["documents_dropped"])
        left = f" ({dropped} more would be dropped by cleaning)" if dropped else ""
        return Decision(
            None, f"too few documents of new text ({n_documents}, minimum {least}){left}"
        )
    crossed = crossed_limits(measures, placed.retrain.drift)
    return at_drift(crossed, new_text.digest, digest, last)


def _act(decision: Decision, store: Store, composed: Composed, facts: dict[str, str]) -> str | None:
    """Run the chain for an event; return None, or why nothing is to be done.

    What a notice of a failure should tell is added to the facts.
    """
    if decision.event is None:
        return decision.reason
    settings = composed.config
    past = runs_for(store, settings, decision.event)
    left, obstacle = tries_left(past, settings.retrain.retries)
    if not left:
        return f"{decision.reason}, but {obstacle}"
    say(f"Retraining: {decision.reason}.")
    facts["reason"] = decision.reason
    if decision.event.startswith("drift-") and not past:
        notify(settings, "drifted", decision.reason, facts)
    trial = attempt.with_options(
        retries=left - 1, retry_delay_seconds=settings.retrain.retry_delay_s
    )
    try:
        trial(composed, decision.event)
    except Stopped:
        raise
    except Exception as error:
        with suppress(StoreError):  # what has failed before is what should be told
            if past := runs_for(store, settings, decision.event):
                facts |= {"run_id": past[0].run_id, "run_url": past[0].url}
        if isinstance(error, TimeoutError):
            limit = settings.retrain.time_limit_s
            message = f"The run was ended after retrain.time_limit_s={limit} seconds."
            raise RunError(message) from None
        raise
    return None


def _may_recover(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Return whether the same may succeed later: wrong input, and what ran too long, does not."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, RunError) and not isinstance(error, Stopped)


@task(
    name="attempt",
    retry_condition_fn=_may_recover,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def attempt(composed: Composed, event: str) -> None:
    """Run the chain once, in the time that it may take."""
    settings = composed.config
    pipeline.with_options(
        task_runner=runner_of(settings), timeout_seconds=settings.retrain.time_limit_s
    )(composed, event)


@task(name=DRIFT.name, task_run_name=DRIFT.name, cache_policy=NO_CACHE, persist_result=False)
def measure_drift(context: Context, last: PastRun, new_text: Source) -> State[Any]:
    """Measure how unlike new text is to what the models in use have trained on.

    These are the champions; what has none is taken from the last finished run.
    """
    config, store = context.config, context.pipeline.store
    part = GRAPH.part(DRIFT)
    champions = _of_champions(store, config)
    inputs: dict[str, Result] = {}
    for name, label in GRAPH.inputs(part, config).items():
        result = champions.get(label) or result_of(store, last, label)
        if result is None:
            raise InputError(f"The last finished run, {last.url}, has no step {label}: run again.")
        inputs[name] = result
    return run_step(context, part, inputs, lambda: (new_text,))


def _of_champions(store: Store, config: Config) -> dict[str, Result]:
    """Return the results that the champions are made of, by label."""
    found: dict[str, Result] = {}
    if champion := champion_results(store, config.experiment, BACKBONE):
        found |= {PRETRAIN.label(): champion[0], EVALUATE_LM.label(): champion[1]}
        found[TOKENS.label()] = find_result(store, input_of(champion[0], "tokens"))
    for name in config.retrain.drift.tasks:
        if champion := champion_results(store, config.experiment, name):
            found |= {FINETUNE.label(name): champion[0], EVALUATE.label(name): champion[1]}
    return found


def _placed(settings: Config, store: Store) -> Config:
    """Return the configuration with the places of sample data, if they were generated already."""
    if settings.sample is None:
        return settings
    folder = find_sample(store, settings.sample)
    return settings if folder is None else with_sample(settings, str(folder))


def _digest_sources(placed: Config) -> str:
    """Return the digest of all raw files that the chain would read."""
    first = placed.corpus.sources[0].path
    if placed.sample is not None and first is not None and first.startswith("sample:"):
        return digest_values(placed.sample.model_dump())  # they have still to be generated
    splits = [
        Split(task_config, name)
        for task_config in placed.tasks
        for name in ("train", "validation", "test")
        if name != "validation" or task_config.validation
    ]
    corpus = map(CorpusSource, placed.corpus.sources)
    return data_digest(find_sources([*corpus, *splits]))
