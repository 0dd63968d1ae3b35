"""Automatic retraining: runs the whole pipeline if a trigger fires."""

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
from textmill.steps.parts import CorpusSource, Raw, SavedLabels, Split
from textmill.steps.process import Stopped
from textmill.steps.raw_sources import Source, data_digest
from textmill.tracking.events import PastRun, find_sample, last_finished, result_of, runs_for
from textmill.tracking.raw_data import find_sources, is_generated, with_sample
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
from textmill_flows.scheduling.limits import exclusive_retraining
from textmill_flows.scheduling.prediction_drift import check_predictions
from textmill_flows.scheduling.triggers import (
    TRIGGERS,
    Decision,
    check_data,
    check_drift,
    check_schedule,
    remaining_attempts,
)


@recorded_flow("retrain")
def retrain(trigger: str, composed: Composed) -> State[Any]:
    """Run the whole pipeline if a trigger fires: the flow of `textmill retrain`."""
    return _retrain(trigger, composed)


@flow(name="retrain", persist_result=False)
def deployed() -> State[Any]:
    """Run the whole pipeline if the trigger fires: the flow of a deployment.

    Its settings are fixed by the process that serves the deployment: see
    `textmill_flows.scheduling.fixed`.
    """
    # `quiet` is not applied to the flow: Prefect would read the wrapper's parameters (*args).
    trigger, name, overrides = fixed_settings()
    return quiet(_retrain)(trigger, Composed.of(name, overrides))


def _retrain(trigger: str, composed: Composed) -> State[Any]:
    """Run the whole pipeline if a trigger fires, once for each event.

    A failure sends the configured notifications, once.

    Args:
        trigger: schedule (always), data (the raw files have changed since the last finished run)
            or drift (new text differs too much from the last training corpus, or logged predictions
            from those of the test examples).
        composed: the configuration.

    Returns:
        The Prefect state Retrained, or NothingDone with the reason.

    Raises:
        InputError: the configuration or the data cannot be used.
        RunError: all attempts failed.
    """
    settings = composed.config
    if trigger not in TRIGGERS:
        raise InputError(unknown_name("trigger", trigger, TRIGGERS).capitalize())
    with _notify_of_failures(settings) as facts:
        store = Store(settings.tracking)
        with exclusive_retraining(store, settings) as obstacle:
            if obstacle is None:
                close_killed(store, settings)
                decision = _check_trigger(trigger, store, composed)
                obstacle = _run_for_event(decision, store, composed, facts)
    if obstacle is not None:
        say(f"Not retraining: {obstacle}.")
        return Completed(name="NothingDone", message=obstacle)
    return Completed(name="Retrained", message=decision.reason)


@contextmanager
def _notify_of_failures(settings: Config) -> Iterator[dict[str, str]]:
    """Notify of any exception in the block; yield the facts of the notification.

    All exceptions are included, because nobody watches an automatic run.
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


def _check_trigger(trigger: str, store: Store, composed: Composed) -> Decision:
    settings = composed.config
    if trigger == "schedule":
        tick = flow_run.scheduled_start_time
        assert tick is not None
        return check_schedule(tick)
    last = last_finished(store, settings)
    located = _with_sample_paths(settings, store)
    digest = _digest_sources(located)
    if trigger == "data":
        return check_data(digest, last)
    is_logged = settings.retrain.drift.log is not None
    sources = () if is_logged else find_sources(GRAPH.part(DRIFT).reads(located))
    if last is None:
        return Decision(None, "no finished run to compare new text with")
    if is_logged:
        return check_predictions(store, located, last, digest)
    [new_text] = sources
    # The enclosing flow sends the notifications.
    with command("drift", composed, notifies=False) as context:
        context.config = located
        measures = outcome(measure_drift(context, last, new_text)).metrics()
    n_documents, minimum = int(measures["documents"]), located.retrain.drift.min_documents
    if n_documents < minimum:
        dropped = int(measures["documents_dropped"])
        rest = f" ({dropped} more would be dropped by cleaning)" if dropped else ""
        return Decision(
            None, f"too few documents of new text ({n_documents}, minimum {minimum}){rest}"
        )
    crossed = crossed_limits(measures, located.retrain.drift)
    return check_drift(crossed, new_text.digest, digest, last)


def _run_for_event(
    decision: Decision, store: Store, composed: Composed, facts: dict[str, str]
) -> str | None:
    """Run the pipeline for an event; return None, or the reason why it was not run.

    Adds details for a notification of a failure to the facts.
    """
    if decision.event is None:
        return decision.reason
    settings = composed.config
    past = runs_for(store, settings, decision.event)
    left, obstacle = remaining_attempts(past, settings.retrain.retries)
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
        with suppress(StoreError):  # the first error is the one to report
            if past := runs_for(store, settings, decision.event):
                facts |= {"run_id": past[0].run_id, "run_url": past[0].url}
        if isinstance(error, TimeoutError):
            limit = settings.retrain.time_limit_s
            message = f"The run was stopped after retrain.time_limit_s={limit} seconds."
            raise RunError(message) from None
        raise
    return None


def _is_retryable(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Return whether a retry may succeed: not after invalid input, a timeout or a stop."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, RunError) and not isinstance(error, Stopped)


@task(
    name="attempt",
    retry_condition_fn=_is_retryable,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def attempt(composed: Composed, event: str) -> None:
    """Run the pipeline once, within the time limit."""
    settings = composed.config
    pipeline.with_options(
        task_runner=runner_of(settings), timeout_seconds=settings.retrain.time_limit_s
    )(composed, event)


@task(name=DRIFT.name, task_run_name=DRIFT.name, cache_policy=NO_CACHE, persist_result=False)
def measure_drift(context: Context, last: PastRun, new_text: Source) -> State[Any]:
    """Measure the drift of new text from the training corpus of the models in use.

    These are the champions, or else the models of the last finished run.
    """
    config, store = context.config, context.pipeline.store
    part = GRAPH.part(DRIFT)
    champions = _champion_inputs(store, config)
    inputs: dict[str, Result] = {}
    for name, label in GRAPH.inputs(part, config).items():
        result = champions.get(label) or result_of(store, last, label)
        if result is None:
            raise InputError(
                f"The last finished run, {last.url}, has no step {label}: run the pipeline with "
                "this configuration first."
            )
        inputs[name] = result
    return run_step(context, part, inputs, lambda: (new_text,))


def _champion_inputs(store: Store, config: Config) -> dict[str, Result]:
    """Return the results behind the champions, by label."""
    found: dict[str, Result] = {}
    if champion := champion_results(store, config.experiment, BACKBONE):
        found |= {PRETRAIN.label(): champion[0], EVALUATE_LM.label(): champion[1]}
        found[TOKENS.label()] = find_result(store, input_of(champion[0], "tokens"))
    for name in config.retrain.drift.tasks:
        if champion := champion_results(store, config.experiment, name):
            found |= {FINETUNE.label(name): champion[0], EVALUATE.label(name): champion[1]}
    return found


def _with_sample_paths(settings: Config, store: Store) -> Config:
    """Return the configuration with the paths of sample data, if generated already."""
    if settings.sample is None:
        return settings
    folder = find_sample(store, settings.sample)
    return settings if folder is None else with_sample(settings, str(folder))


def _digest_sources(config: Config) -> str:
    """Return the digest of all raw files that the pipeline would read."""
    splits = [
        Split(task_config, name)
        for task_config in config.tasks
        for name in ("train", "validation", "test")
        if name != "validation" or task_config.validation
    ]
    saved = [SavedLabels(task) for task in config.tasks if task.saved_labels is not None]
    raw: list[Raw] = [*map(CorpusSource, config.corpus.sources), *splits, *saved]
    if config.sample is not None and any(map(is_generated, raw)):
        return digest_values(config.sample.model_dump())  # not generated yet
    return data_digest(find_sources(raw))
